"""Bounds on a query's text, checked before it is parsed: the native parser overflows its stack on deep expressions."""

from __future__ import annotations

import re

from homeostat.simulate.sandbox.promql.errors import NotSupported

QUERY_LENGTH_MAX = 262_144
BRACKET_DEPTH_MAX = 200
OPERATORS_MAX = 2_000

_TOKEN = re.compile(
    r"""(?P<skipped>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|\#[^\n]*)
    |(?P<open>[(\[{])|(?P<close>[)\]}])
    |(?P<past>@\s*-)
    |(?P<operator>[-+*/%^]|[=<>!]+|\b(?:and|or|unless|atan2)\b)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


def check_size(query: str) -> None:
    """Refuse a text that is too long or could be too deep.

    Raises:
        NotSupported: saying which bound was exceeded.
    """
    if len(query) > QUERY_LENGTH_MAX:
        raise NotSupported(f"a query of {len(query)} characters (at most {QUERY_LENGTH_MAX})")
    depth = operators = 0
    for token in _TOKEN.finditer(query):
        match token.lastgroup:
            case "open":
                depth += 1
            case "close":
                depth -= 1
            case "operator":
                operators += 1
            case "past":
                raise NotSupported("@ with a time before 1970")
        if depth > BRACKET_DEPTH_MAX:
            raise NotSupported(f"more than {BRACKET_DEPTH_MAX} nested brackets")
        if operators > OPERATORS_MAX:
            raise NotSupported(f"more than {OPERATORS_MAX} operators in one query")
