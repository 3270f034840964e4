"""What can be said of a signal's PromQL without asking a Prometheus."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import promql_parser

PROMQL_CHARACTERS_MAX = 2000
"""The parser's time grows with the square of the length; this keeps one expression under half a second."""

PROMQL_DEPTH_MAX = 60
"""The sensor follows an expression this deep and a little deeper; what it cannot follow it refuses at every tick."""


SECONDS_MAX = 1e9
"""Of a duration that is written as a bare number: some thirty years. The parser panics at what no duration can be."""

_UNREAD = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\n]*""")
"""Strings and comments."""

_SECONDS = re.compile(
    r"(?:[\[:]|\boffset\b)\s*[-+]?\s*(0x[0-9a-f_]+|[0-9][0-9_.]*(?:e[-+]?[0-9]+)?|\.[0-9]+(?:e[-+]?[0-9]+)?|inf|nan)",
    re.ASCII | re.IGNORECASE,
)


def promql_fault(text: str) -> str | None:
    """Say why an expression cannot be a signal; None when it can."""
    for seconds in _SECONDS.findall(_UNREAD.sub(" ", text)):
        if not _is_duration(seconds):
            return f"{seconds[:40]} is no number of seconds to look back"
    try:
        tree = promql_parser.parse(text)
    except (ValueError, OverflowError) as error:
        return str(error)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # the parser's own, which no module lets us name
            raise
        return f"the parser gives up on it: {error}"
    if not text.isascii():
        return "it holds characters beyond ASCII; write label values that need them as \\u escapes"
    if _deeper_than(tree, PROMQL_DEPTH_MAX):
        return f"it is nested over {PROMQL_DEPTH_MAX} levels deep; simplify it, or use a recording rule"
    while isinstance(tree, promql_parser.ParenExpr):
        tree = tree.expr
    if isinstance(tree, promql_parser.MatrixSelector | promql_parser.SubqueryExpr):
        return "it yields a range of samples, not one value; wrap it, as in rate(...) or last_over_time(...)"
    if isinstance(tree, promql_parser.StringLiteral):
        return "it is a string; the expression is to be written without quotes inside the YAML value"
    return None


def _is_duration(number: str) -> bool:
    try:
        seconds = int(number, 16) if number[:2].lower() == "0x" else float(number)
    except ValueError:
        return True  # the parser says better what is wrong with it
    return seconds <= SECONDS_MAX


def _deeper_than(node: Any, levels: int) -> bool:
    """Whether a parsed expression has more levels than this."""
    if levels == 0:
        return True
    children = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "param", "vector_selector")]
    children += list(getattr(node, "args", ()))
    return any(_deeper_than(child, levels - 1) for child in children if child is not None)


def longest_range_s(text: str) -> float:
    """Give the seconds that the longest range in a parsable expression looks back; 0 without any."""
    longest = timedelta()

    def visit(node: object) -> bool:
        nonlocal longest
        if isinstance(node, promql_parser.MatrixSelector | promql_parser.SubqueryExpr):
            longest = max(longest, node.range or timedelta())
        return True

    promql_parser.walk(promql_parser.parse(text), visit)
    return longest.total_seconds()
