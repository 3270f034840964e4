"""What can be said of a signal's PromQL without asking a Prometheus."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import promql_parser

PROMQL_CHARACTERS_MAX = 2000
"""The parser's time grows with the square of the length; this keeps one expression under half a second."""

PROMQL_DEPTH_MAX = 60
"""The sensor follows an expression this deep and a little deeper; what it cannot follow it refuses at every tick."""


def promql_fault(text: str) -> str | None:
    """Say why an expression cannot be a signal; None when it can."""
    try:
        tree = promql_parser.parse(text)
    except ValueError as error:
        return str(error)
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
