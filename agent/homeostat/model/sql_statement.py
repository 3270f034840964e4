"""What can be said of an SQL statement without a server: its first word, and what it has filled in. Pure text."""

from __future__ import annotations

import re
from collections.abc import Collection

STATEMENTS_MAX = 20
STATEMENT_CHARACTERS_MAX = 20_000

READING_WORDS = frozenset({"SELECT", "VALUES", "TABLE", "WITH"})
"""What a cursor can be declared for."""

_REFUSED = {
    **dict.fromkeys(
        ("ABORT", "BEGIN", "COMMIT", "END", "PREPARE", "RELEASE", "ROLLBACK", "SAVEPOINT", "START"),
        "the agent itself begins and ends the transaction",
    ),
    **dict.fromkeys(("DISCARD", "RESET", "SET"), "the agent itself sets the limits of the session"),
    "COPY": "rows cannot be copied in or out",
}
_UNCOUNTED = frozenset({"ALTER", "CREATE", "DROP", "TRUNCATE"})
_BLANK = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_]+", re.ASCII)
_PLACE = re.compile(r"%(?:%|\(([A-Za-z_][A-Za-z0-9_]*)\)s|)", re.ASCII)
_BRACES = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]", re.ASCII)
_PASSWORD = re.compile(r"(?:^|[\s?&])(?:ssl)?password\s*=|^[a-z]+://[^/@]*:[^/@]*@", re.IGNORECASE)


def first_word(statement: str) -> str:
    """The word that says what kind of statement it is, in capitals; empty where it begins with none."""
    blank = _BLANK.match(statement)
    found = _WORD.match(statement, blank.end() if blank else 0)
    return found[0].upper() if found else ""


def objection(
    statement: str, values: Collection[str], identifiers: Collection[str], *, counts_rows: bool
) -> str | None:
    """Why a statement must not be run; None where nothing speaks against it.

    Args:
        statement: with `%(name)s` for values and, where there are identifiers, `{name}` for those.
        values: names that are bound.
        identifiers: names that stand for an identifier; without any, braces stand for themselves.
        counts_rows: whether the rows that it changes are bounded.
    """
    if not statement.strip() or len(statement) > STATEMENT_CHARACTERS_MAX or "\0" in statement:
        return f"a statement is text of 1 to {STATEMENT_CHARACTERS_MAX} characters"
    word = first_word(statement)
    if not word:
        return "a statement begins with a word, like UPDATE"
    if word in _REFUSED:
        return f"{word} cannot be used: {_REFUSED[word]}"
    if counts_rows and word in _UNCOUNTED:
        return f"{word} changes rows that nobody counts, and rows_max bounds them; leave one of the two out"
    for place in _PLACE.finditer(statement):
        if place[0] == "%":
            return "a percent sign is written %%, and a value %(name)s"
        if place[1] is not None and place[1] not in values:
            return f"no value is given for %({place[1]})s"
    for brace in _BRACES.finditer(statement) if identifiers else ():
        if brace[0] in ("{", "}"):
            return "where there are identifiers, a brace is written twice"
        if brace[1] is not None and brace[1] not in identifiers:
            return f"no identifier is given for {{{brace[1]}}}"
    return None


def names_used(statement: str, *, identifiers: bool) -> set[str]:
    """The names of values, or of identifiers, that a statement has filled in."""
    pattern = _BRACES if identifiers else _PLACE
    return {found[1] for found in pattern.finditer(statement) if found[1] is not None}


def holds_password(dsn: str) -> bool:
    """Whether a connection string (libpq's keywords or URL) has a password written out."""
    return _PASSWORD.search(dsn) is not None
