"""Cut a condition's text into tokens, and find the first one that cannot stand where it stands.

Numbers and strings are masked by a placeholder no longer than themselves, so that units (`5%`) and strings never
reach Python's parser and every column stays the author's own.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass

from homeostat.policy.units import QUANTITY_PATTERN, parse_quantity

_TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>{QUANTITY_PATTERN})
    |(?P<string>"[^"\\\n]*"|'[^'\\\n]*')
    |(?P<operator><=|>=|==|!=|<(?!>)|>|\*(?!\*)|/(?!/)|[-+(),])""",
    re.ASCII | re.VERBOSE,
)
_WORDS = frozenset({"and", "or", "not"})
_RESERVED = frozenset(keyword.kwlist) - _WORDS
_INSTEAD = {
    "&&": "write 'and'",
    "&": "write 'and'",
    "||": "write 'or'",
    "|": "write 'or'",
    "!": "write 'not'",
    "=": "write '==' to compare",
    "<>": "write '!='",
    "%": "a percent sign directly follows its number, as in 5%",
    "**": "there is no power",
    "//": "write '/' to divide",
    "\\": "strings take no backslash",
    '"': "it has no end here, or a backslash in it",
    "'": "it has no end here, or a backslash in it",
    **dict.fromkeys(("[", "]", "{", "}", "=~", "!~"), "PromQL belongs into a signal's expr"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a condition. `column` counts its characters from 0."""

    column: int
    code: str
    message: str


class ConditionFaults(Exception):
    """A condition cannot be used; every fault found, in the order of the text."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.column)
        super().__init__("; ".join(fault.message for fault in self.faults))


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a condition. `masked` is what Python's parser gets to see; `value` is set for literals."""

    column: int
    text: str
    masked: str
    value: float | str | None = None

    @property
    def ends_value(self) -> bool:
        """Whether an operator comes next."""
        return self.value is not None or self.text == ")" or (self.text[0].isidentifier() and self.text not in _WORDS)


def scan(text: str) -> list[Token]:
    """Give the tokens of a text, literals masked by `0` and `""`, in an order that an expression can have.

    Raises:
        ConditionFaults: the first thing that cannot be.
    """
    tokens = list(_tokens(text))
    _check_order(tokens, len(text))
    return tokens


def _tokens(text: str) -> Iterator[Token]:
    column = 0
    while column < len(text):
        match = _TOKEN.match(text, column)
        if match is None:
            raise ConditionFaults([_scan_fault(text, column)])
        word = match.group()
        match match.lastgroup:
            case "space":
                pass
            case "name":
                _check_word(word, column)
                yield Token(column, word, word)
            case "string":
                yield Token(column, word, '""', word[1:-1])
            case "operator":
                yield Token(column, word, word)
            case _:
                yield Token(column, word, "0", _number(word, column))
        column = match.end()


def _number(word: str, column: int) -> float:
    try:
        return parse_quantity(word)
    except ValueError as error:
        raise ConditionFaults([Fault(column, "E120", str(error))]) from None


def _check_word(word: str, column: int) -> None:
    lower = word.lower()
    if lower in _WORDS and word not in _WORDS:
        raise ConditionFaults([Fault(column, "E120", f"write '{lower}' in lower case")])
    if word in _RESERVED:
        raise ConditionFaults([Fault(column, "E120", f"'{word}' is not in the condition language")])


def _scan_fault(text: str, column: int) -> Fault:
    for length in (2, 1):
        found = text[column : column + length]
        if found in _INSTEAD:
            return Fault(column, "E120", f"'{found}' is not in the condition language; {_INSTEAD[found]}")
    return Fault(column, "E120", f"{text[column]!r} is not in the condition language")


def _check_order(tokens: list[Token], end: int) -> None:
    """Find the first word that cannot stand where it stands: Python's parser knows that too, but not how to say it."""
    if not tokens:
        raise ConditionFaults([Fault(0, "E120", "the condition is empty")])
    opened: list[int] = []
    after_value = False
    for token in tokens:
        starts_value = token.text in ("not", "-") or (token.ends_value and token.text != ")")
        if after_value and starts_value and token.text != "-":
            raise ConditionFaults([Fault(token.column, "E120", f"an operator is missing before '{token.text}'")])
        if not after_value and not starts_value and token.text not in "()":
            raise ConditionFaults([Fault(token.column, "E120", f"a value is missing before '{token.text}'")])
        if token.text == "(":
            opened.append(token.column)
        elif token.text == ")":
            if not opened:
                raise ConditionFaults([Fault(token.column, "E120", "this ')' closes nothing")])
            opened.pop()
        after_value = token.ends_value
    if not after_value:
        raise ConditionFaults([Fault(end, "E120", "a value is missing at the end")])
    if opened:
        raise ConditionFaults([Fault(opened[-1], "E120", "this '(' is never closed")])
