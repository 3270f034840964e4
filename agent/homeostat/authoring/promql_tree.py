"""What can be said of a parsed PromQL expression: constants, how many series it yields, whether it filters."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import promql_parser as ast

COMPARISONS = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "==", "!=": "!="}
"""A comparison -> the same read from the other side."""

_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_FOLDS = frozenset({"sum", "avg", "min", "max", "count", "group"})
# fmt: off
_FINITE_FUNCTIONS = frozenset({
    "abs", "avg_over_time", "ceil", "changes", "clamp", "clamp_max", "clamp_min", "count_over_time", "delta",
    "deriv", "floor", "idelta", "increase", "irate", "label_join", "label_replace", "last_over_time",
    "max_over_time", "min_over_time", "present_over_time", "rate", "resets", "round", "sum_over_time", "time",
    "timestamp", "vector",
})
# fmt: on


def constant(node: Any) -> float | None:
    """The value of `5`, `-5`, `(60 * 60)`; None for what is no constant."""
    match node:
        case ast.NumberLiteral():
            return float(node.val)
        case ast.ParenExpr():
            return constant(node.expr)
        case ast.UnaryExpr():
            positive = constant(node.expr)
            return None if positive is None else -positive
        case ast.BinaryExpr() if str(node.op) in _ARITHMETIC:
            left, right = constant(node.lhs), constant(node.rhs)
            if left is None or right is None or (right == 0 and str(node.op) == "/"):
                return None
            return _ARITHMETIC[str(node.op)](left, right)
        case _:
            return None


def is_plain(node: Any) -> bool:
    """Whether a node neither filters series nor makes an infinity, but for a division."""
    match node:
        case ast.BinaryExpr():
            return str(node.op) in _ARITHMETIC
        case ast.AggregateExpr():
            return str(node.op) in _FOLDS
        case ast.Call():
            return node.func.name in _FINITE_FUNCTIONS
        case ast.SubqueryExpr():
            return False
        case _:
            return True


def is_single(node: Any) -> bool:
    """Whether a node can never yield more than one series."""
    if calls(node) == "histogram_quantile" and len(node.args) == 2:  # it takes `le` off, and one series is left
        return _differs_by(node.args[1]) <= {"le"}
    match node:
        case ast.NumberLiteral():
            return True
        case ast.ParenExpr() | ast.UnaryExpr():
            return is_single(node.expr)
        case ast.AggregateExpr():
            return str(node.op) in _FOLDS | {"quantile", "stddev", "stdvar"} and (
                node.modifier is None
                or (node.modifier.type == ast.AggModifierType.By and not list(node.modifier.labels))
            )
        case ast.BinaryExpr():
            return str(node.op) != "or" and is_single(node.lhs) and is_single(node.rhs)
        case ast.Call():
            return node.func.name in ("vector", "scalar", "time", "absent", "absent_over_time") or (
                bool(node.args) and all(is_single(argument) for argument in node.args)
            )
        case _:
            return False


def _differs_by(node: Any) -> frozenset[str]:
    """The labels by which the series of an aggregation `by` may differ; of anything else they are not known: `*`."""
    bare = inner(node)
    is_fold = isinstance(bare, ast.AggregateExpr) and str(bare.op) in _FOLDS and bare.modifier is not None
    if is_fold and bare.modifier.type == ast.AggModifierType.By:
        return frozenset(bare.modifier.labels)
    return frozenset() if is_single(bare) else frozenset({"*"})


def always_yields(node: Any) -> bool:
    """Whether an expression yields a series whatever there is: numbers, and `vector` of them, compared with nothing."""
    bare = inner(node)
    match bare:
        case ast.NumberLiteral():
            return True
        case ast.UnaryExpr():
            return always_yields(bare.expr)
        case ast.Call():
            return bare.func.name in ("vector", "time") and all(always_yields(argument) for argument in bare.args)
        case ast.BinaryExpr() if str(bare.op) == "or":
            return always_yields(bare.lhs) or always_yields(bare.rhs)
        case ast.BinaryExpr() if str(bare.op) in _ARITHMETIC or (str(bare.op) in COMPARISONS and returns_bool(bare)):
            return always_yields(bare.lhs) and always_yields(bare.rhs)
        case _:
            return False


def unfiltered(tree: Any) -> Any:
    """The side of a last comparison with a number that is no number; else the expression itself."""
    bare = inner(tree)
    if isinstance(bare, ast.BinaryExpr) and str(bare.op) in COMPARISONS and constant(bare.rhs) is not None:
        return bare.lhs
    return bare


def inner(tree: Any) -> Any:
    """An expression without the brackets around it."""
    while isinstance(tree, ast.ParenExpr):
        tree = tree.expr
    return tree


def returns_bool(node: Any) -> bool:
    """Whether a comparison yields 0 and 1 instead of filtering."""
    return node.modifier is not None and bool(node.modifier.return_bool)


def calls(node: Any) -> str:
    """The function that a node calls, if it is a call."""
    return str(node.func.name) if isinstance(node, ast.Call) else ""


def walk(node: Any) -> Iterator[Any]:
    """A node and all below it, iteratively. An expression's depth was bounded when it was read."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        children = [getattr(current, name, None) for name in ("expr", "lhs", "rhs", "param")]
        waiting += [child for child in (*children, *getattr(current, "args", ())) if isinstance(child, ast.Expr)]
