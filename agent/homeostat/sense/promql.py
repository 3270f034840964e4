"""PromQL as text: what an expression yields, which series it reads, and how to write it down without injection.

Grammar: https://prometheus.io/docs/prometheus/latest/querying/basics/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import promql_parser as ast

from homeostat.sense.excerpt import excerpt

EXPRESSION_BYTES_MAX = 4_096
"""The parser is recursive native code: some ten thousand signs in a row overflow its stack and end the process."""

DEPTH_MAX = 64
"""The parser copies a node's whole subtree on every access, so that a walk costs the cube of the depth."""

_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_OPERATORS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}


@dataclass(frozen=True, slots=True)
class Expression:
    """An author's expression, made ready to be asked.

    Attributes:
        query: PromQL that yields an instant vector; a scalar is wrapped in `vector()`.
        selectors: the instant vector selectors it reads, without range, offset and `@`, each once, in order.
        refusal: why it can never be asked; `query` is then empty.
    """

    query: str
    selectors: tuple[str, ...] = ()
    refusal: str | None = None


def read_expression(text: str) -> Expression:
    """Parse an author's PromQL. What is wrong with it ends up in `refusal`, never in an exception."""
    # A carriage return ends a comment for Prometheus but not for this parser: the two must see the same expression.
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    try:
        size = len(text.encode())
        if size > EXPRESSION_BYTES_MAX:
            return Expression("", refusal=f"it is {size} bytes long; an expression may have {EXPRESSION_BYTES_MAX}")
        root = ast.parse(text)
        selectors: dict[str, None] = {}
        _collect_selectors(root, selectors, depth=0)
        kind = _kind(root)
    except ValueError as error:  # the parser's complaints, and text that is not UTF-8
        return Expression("", refusal=f"it is not PromQL that can be asked: {excerpt(str(error))}")
    if kind is _Kind.SCALAR:
        return Expression(f"vector({text}\n)", tuple(selectors))
    if kind is _Kind.VECTOR:
        return Expression(text, tuple(selectors))
    if kind is _Kind.MATRIX:
        return Expression("", refusal="it yields a range vector; wrap it in rate(), last_over_time() or the like")
    return Expression("", refusal="it yields a string; a signal needs a number")


class _Kind(StrEnum):
    """What an expression yields, by the parser's own names."""

    SCALAR = "ValueType.Scalar"
    VECTOR = "ValueType.Vector"
    MATRIX = "ValueType.Matrix"
    STRING = "ValueType.String"


def _kind(node: ast.Expr) -> _Kind:
    match node:
        case ast.NumberLiteral():
            return _Kind.SCALAR
        case ast.StringLiteral():
            return _Kind.STRING
        case ast.MatrixSelector() | ast.SubqueryExpr():
            return _Kind.MATRIX
        case ast.Call():
            return _Kind(str(node.func.return_type))
        case ast.ParenExpr() | ast.UnaryExpr():
            return _kind(node.expr)
        case ast.BinaryExpr() if _kind(node.lhs) is _Kind.SCALAR and _kind(node.rhs) is _Kind.SCALAR:
            return _Kind.SCALAR
        case _:
            return _Kind.VECTOR


def _collect_selectors(node: ast.Expr, found: dict[str, None], depth: int) -> None:
    if depth > DEPTH_MAX:
        raise ValueError(f"it is nested over {DEPTH_MAX} levels deep; simplify it, or use a recording rule")
    if isinstance(node, ast.VectorSelector):
        found[selector_text(node)] = None
        return
    for child in _children(node):
        _collect_selectors(child, found, depth + 1)


def _children(node: ast.Expr) -> list[ast.Expr]:
    match node:
        case ast.MatrixSelector():
            return [node.vector_selector]
        case ast.ParenExpr() | ast.UnaryExpr() | ast.SubqueryExpr():
            return [node.expr]
        case ast.BinaryExpr():
            return [node.lhs, node.rhs]
        case ast.AggregateExpr():
            return [node.expr] if node.param is None else [node.param, node.expr]
        case ast.Call():
            return list(node.args)
        case _:
            return []


def selector_text(selector: ast.VectorSelector) -> str:
    """Write a selector as PromQL, without offset and `@`.

    The parser's own `str()` does not escape: a label's value could end its string and add matchers of its own.
    """
    groups = [selector.matchers.matchers, *selector.matchers.or_matchers]
    matchers = " or ".join(",".join(_matcher_text(matcher) for matcher in group) for group in groups if group)
    name = selector.name or ""
    if name and not _METRIC_NAME.fullmatch(name):
        return "{" + ",".join(filter(None, [quoted(name), matchers])) + "}"
    return f"{name}{{{matchers}}}" if matchers else name


def _matcher_text(matcher: ast.Matcher) -> str:
    name = matcher.name if _LABEL_NAME.fullmatch(matcher.name) else quoted(matcher.name)
    return f"{name}{_OPERATORS[str(matcher.op)]}{quoted(matcher.value)}"


def quoted(value: str) -> str:
    """Write any text as a PromQL string literal."""
    return f'"{value.translate(_ESCAPES)}"'
