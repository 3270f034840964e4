"""Prometheus' regular expressions (RE2 syntax) on Python's `re`.

The two dialects share most of their letters and differ in meaning here and there, so a pattern is rewritten piece by
piece and everything whose meaning is not known to be the same is refused. Syntax: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

from homeostat.simulate.sandbox.promql.errors import BadQuery, NotSupported

PATTERN_LENGTH_MAX = 1_000
REPEAT_MAX = 1_000

_SPACE = r"\t\n\f\r "
_ESCAPES = {
    "d": r"\d", "D": r"\D", "w": r"\w", "W": r"\W", "t": r"\t", "n": r"\n", "r": r"\r", "f": r"\f", "v": r"\v",
    "a": r"\a",
}  # fmt: skip
_ASSERTIONS = {"b": r"\b", "B": r"\B", "A": r"\A", "z": r"\Z"}
_REPEAT = re.compile(r"\{(\d+)(,(\d*))?\}")
_GROUP = re.compile(r"\((?:\?(?:P<(?P<name>[A-Za-z_][A-Za-z0-9_]*)>|(?P<flags>[is]*):))?")
_LEADING_FLAGS = re.compile(r"\(\?([is]+)\)")


@lru_cache(maxsize=512)
def compile_anchored(pattern: str) -> re.Pattern[str]:
    """Compile a pattern; match it with `fullmatch`, as Prometheus anchors every pattern at both ends.

    Raises:
        BadQuery: RE2 would not take the pattern either.
        NotSupported: RE2 takes it, but it is not known to mean the same here.
    """
    if len(pattern) > PATTERN_LENGTH_MAX:
        raise NotSupported(f"a regular expression of {len(pattern)} characters (at most {PATTERN_LENGTH_MAX})")
    leading = _LEADING_FLAGS.match(pattern)
    rest = pattern[leading.end() :] if leading else pattern
    translated = _Translation(rest).whole()
    if leading:
        translated = f"(?{''.join(sorted(set(leading[1])))}:{translated})"
    try:
        return re.compile(translated, re.ASCII)
    except re.error as error:
        raise BadQuery(f"error parsing regexp: {error}: `{pattern}`") from None


class _Last(Enum):
    """What came last, which decides whether it can be repeated."""

    NOTHING = "nothing"
    ATOM = "atom"
    ASSERTION = "assertion"
    REPEAT = "repeat"


class _Group:
    """An open bracket: whether what it holds can match one text in many ways."""

    def __init__(self) -> None:
        self.ambiguous = False


class _Translation:
    """One pass over a pattern, left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._out: list[str] = []
        self._open = [_Group()]
        self._last = _Last.NOTHING
        self._last_ambiguous = False

    def whole(self) -> str:
        while self._at < len(self._pattern):
            self._piece(self._pattern[self._at])
        if len(self._open) != 1:
            raise self._bad("missing closing )")
        return "".join(self._out)

    def _piece(self, character: str) -> None:
        match character:
            case "\\":
                self._escape()
            case "[":
                self._atom(_character_class(self._pattern, self._at), self._class_length())
            case "(":
                self._open_group()
            case ")":
                self._close_group()
            case "|":
                self._open[-1].ambiguous = True
                self._emit("|", 1, _Last.NOTHING)
            case "^":
                self._emit(r"\A", 1, _Last.ASSERTION)
            case "$":
                self._emit(r"\Z", 1, _Last.ASSERTION)
            case "*" | "+" | "?":
                self._repeat(character, 1, grows=character != "?")
            case "{":
                self._braces()
            case ".":
                self._atom(".", 1)
            case _:
                self._atom(re.escape(character), 1)

    def _emit(self, text: str, length: int, last: _Last) -> None:
        self._out.append(text)
        self._at += length
        self._last = last
        self._last_ambiguous = False

    def _atom(self, text: str, length: int) -> None:
        self._emit(text, length, _Last.ATOM)

    def _escape(self) -> None:
        letter = self._pattern[self._at + 1 : self._at + 2]
        if letter in _ASSERTIONS:
            self._emit(_ASSERTIONS[letter], 2, _Last.ASSERTION)
        elif letter in ("s", "S"):
            self._atom(f"[{'^' if letter == 'S' else ''}{_SPACE}]", 2)
        else:
            self._atom(_escaped(letter, self._pattern), 2)

    def _class_length(self) -> int:
        return _class_end(self._pattern, self._at) - self._at

    def _open_group(self) -> None:
        found = _GROUP.match(self._pattern, self._at)
        if found is None or (self._pattern.startswith("(?", self._at) and found.end() == self._at + 1):
            if self._pattern.startswith(("(?=", "(?!", "(?<"), self._at):
                raise self._bad("invalid or unsupported Perl syntax")
            raise NotSupported(f"the group `{self._pattern[self._at : self._at + 5]}` in a regular expression")
        self._emit(found[0], found.end() - self._at, _Last.NOTHING)
        self._open.append(_Group())

    def _close_group(self) -> None:
        if len(self._open) == 1:
            raise self._bad("unexpected )")
        group = self._open.pop()
        self._open[-1].ambiguous |= group.ambiguous
        self._atom(")", 1)
        self._last_ambiguous = group.ambiguous

    def _braces(self) -> None:
        found = _REPEAT.match(self._pattern, self._at)
        if found is None:
            self._atom(r"\{", 1)
            return
        highest = found[1] if found[2] is None else found[3] or str(REPEAT_MAX)
        if max(int(found[1]), int(highest)) > REPEAT_MAX or int(highest) < int(found[1]):
            raise self._bad(f"invalid repeat count: `{found[0]}`")
        self._repeat(found[0], len(found[0]), grows=int(highest) > 1)

    def _repeat(self, text: str, length: int, *, grows: bool) -> None:
        if self._last is _Last.ASSERTION:
            raise NotSupported("a repeated assertion in a regular expression")
        if self._last is not _Last.ATOM:
            raise self._bad(f"missing argument to repetition operator, or an invalid nested one: `{text}`")
        if grows and self._last_ambiguous:
            # `(a+)+` and `(a|a)*` take exponential time in a backtracking matcher.
            raise NotSupported("a repeated group that itself branches or repeats, in a regular expression")
        self._open[-1].ambiguous = True
        lazy = self._pattern.startswith("?", self._at + length)
        self._emit(text + "?" * lazy, length + lazy, _Last.REPEAT)

    def _bad(self, why: str) -> BadQuery:
        return BadQuery(f"error parsing regexp: {why}: `{self._pattern}`")


def _escaped(letter: str, pattern: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter and letter.isascii() and not letter.isalnum():
        return re.escape(letter)
    if letter and (letter in "xpPQEC" or letter.isdigit()):
        raise NotSupported(f"`\\{letter}` in a regular expression")
    raise BadQuery(f"error parsing regexp: invalid escape sequence: `\\{letter}` in `{pattern}`")


def _class_end(pattern: str, start: int) -> int:
    """The index after the `]` that closes the class opened at `start`."""
    at = start + 1
    if pattern.startswith("^", at):
        at += 1
    first = at
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] == "]" and at > first:
            return at + 1
        at += 1
    raise BadQuery(f"error parsing regexp: missing closing ]: `{pattern}`")


def _character_class(pattern: str, start: int) -> str:
    """Rewrite one `[...]`."""
    inside = pattern[start + 1 : _class_end(pattern, start) - 1]
    if "[:" in inside:
        raise NotSupported("a named class such as [:alpha:] in a regular expression")
    out = ["["]
    if inside.startswith("^"):
        out.append("^")
        inside = inside[1:]
    at = 0
    while at < len(inside):
        character = inside[at]
        if character == "\\":
            at += 1
            letter = inside[at : at + 1]
            if letter == "S":
                raise NotSupported(r"`\S` within brackets in a regular expression")
            out.append(_SPACE if letter == "s" else _escaped(letter, pattern))
        elif character == "-":
            out.append("-" if 0 < at < len(inside) - 1 else r"\-")
        else:
            out.append(re.escape(character))
        at += 1
    out.append("]")
    return "".join(out)


_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")


def expand(template: str, found: re.Match[str]) -> str:
    r"""Fill `$1`, `${1}`, `$name` and `$$` in a template (Go's regexp.Expand): a name that is no group gives ""."""

    def reference(part: re.Match[str]) -> str:
        if part[1]:
            return "$"
        name: str = part[2] or part[3]
        if name.isascii() and name.isdigit():
            number = int(name) if str(int(name)) == name else -1
            return found[number] or "" if 0 <= number <= (found.re.groups) else ""
        return found[name] or "" if name in found.re.groupindex else ""

    return _REFERENCE.sub(reference, template)
