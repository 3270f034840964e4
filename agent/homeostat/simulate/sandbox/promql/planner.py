"""From PromQL text to nodes that can be evaluated. What the nodes do not cover is refused here, by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import promql_parser as ast

from homeostat.simulate.sandbox.promql.aggregate import (
    AGGREGATIONS,
    Aggregation,
    CountValues,
    Grouping,
    Quantile,
    Ranked,
)
from homeostat.simulate.sandbox.promql.arithmetic import ARITHMETIC, COMPARISONS
from homeostat.simulate.sandbox.promql.binary import (
    Cardinality,
    Matching,
    Negated,
    NegatedScalar,
    Operator,
    ScalarBinary,
    SetOperation,
    VectorBinary,
    VectorScalar,
)
from homeostat.simulate.sandbox.promql.calls import Arguments, plan_call
from homeostat.simulate.sandbox.promql.errors import BadQuery, ExecutionFailed, NotSupported
from homeostat.simulate.sandbox.promql.evaluation import Node, ScalarNode, Text, VectorNode
from homeostat.simulate.sandbox.promql.functions import Number
from homeostat.simulate.sandbox.promql.guard import check_size
from homeostat.simulate.sandbox.promql.labels import METRIC_NAME, is_label_name
from homeostat.simulate.sandbox.promql.matchers import Matcher
from homeostat.simulate.sandbox.promql.selectors import Edge, RangeSelector, Selector, Shift, Subquery

SET_OPERATORS = ("and", "or", "unless")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=512)
def plan(query: str) -> Node:
    """Parse a query and plan its evaluation.

    Raises:
        BadQuery: it is no PromQL, or outside the subset (`NotSupported`).
        ExecutionFailed: an argument makes every evaluation fail.
    """
    check_size(query)
    try:
        return _node(_parse(query))
    except (OverflowError, ValueError) as error:  # of the AST's attributes, when Python cannot hold the value
        raise BadQuery(f"parse error: duration or timestamp out of range: {error}") from None
    except RecursionError:
        raise NotSupported("an expression nested this deeply") from None


def selector_matchers(text: str) -> tuple[Matcher, ...]:
    """The matchers of a plain series selector, as `match[]` takes it.

    Raises:
        BadQuery: it is anything else.
    """
    node = plan(text)
    if not isinstance(node, Selector) or node.shift != Shift():
        raise BadQuery(f"parse error: {text!r} is no series selector")
    return node.matchers


def _parse(query: str) -> ast.Expr:
    try:
        return ast.parse(query)
    except ValueError as error:
        raise BadQuery(f"parse error: {error}") from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of pyo3, a BaseException that cannot be imported
            raise
        raise NotSupported(f"what the parser fails on ({error})") from None


def _node(expr: object) -> Node:
    match expr:
        case ast.ParenExpr():
            return _node(expr.expr)
        case ast.NumberLiteral():
            return Number(expr.val)
        case ast.StringLiteral():
            return Text(expr.val)
        case ast.VectorSelector():
            return _selector(expr)
        case ast.MatrixSelector():
            return RangeSelector(_selector(expr.vector_selector), _milliseconds(expr.range))
        case ast.SubqueryExpr():
            return _subquery(expr)
        case ast.UnaryExpr():
            return _negated(expr)
        case ast.BinaryExpr():
            return _binary(expr)
        case ast.AggregateExpr():
            return _aggregation(expr)
        case ast.Call():
            return plan_call(Arguments(expr.func.name, tuple(_node(argument) for argument in expr.args)))
        case _:
            raise NotSupported(f"an expression of type {type(expr).__name__}")


def _vector(expr: object) -> VectorNode:
    node = _node(expr)
    if not isinstance(node, VectorNode):
        raise BadQuery("parse error: expected an instant vector")
    return node


def _scalar(expr: object) -> ScalarNode:
    node = _node(expr)
    if not isinstance(node, ScalarNode):
        raise BadQuery("parse error: expected a scalar")
    return node


def _milliseconds(duration: timedelta | None) -> int:
    return 0 if duration is None else duration // timedelta(milliseconds=1)


def _shift(offset: timedelta | None, at: ast.AtModifier | None) -> Shift:
    offset_ms = _milliseconds(offset)
    if at is None:
        return Shift(offset_ms)
    if at.type == ast.AtModifierType.Start:
        return Shift(offset_ms, Edge.START)
    if at.type == ast.AtModifierType.End:
        return Shift(offset_ms, Edge.END)
    if at.at is None:
        raise NotSupported("@ without a time")
    return Shift(offset_ms, (at.at - _EPOCH) // timedelta(milliseconds=1))


def _selector(expr: ast.VectorSelector) -> Selector:
    if expr.matchers.or_matchers:
        raise NotSupported("`or` between label matchers")
    matchers = [_matcher(matcher) for matcher in expr.matchers.matchers]
    if expr.name is not None:
        matchers.append(Matcher(METRIC_NAME, "=", expr.name))
    return Selector(tuple(matchers), _shift(expr.offset, expr.at))


def _matcher(matcher: ast.Matcher) -> Matcher:
    operators = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
    name = str(matcher.op).rpartition(".")[2]
    return Matcher(matcher.name, operators[name], matcher.value)


def _subquery(expr: ast.SubqueryExpr) -> Subquery:
    step_ms = None if expr.step is None else _milliseconds(expr.step)
    return Subquery(_vector(expr.expr), _milliseconds(expr.range), step_ms, _shift(expr.offset, expr.at))


def _negated(expr: ast.UnaryExpr) -> Node:
    node = _node(expr.expr)
    if isinstance(node, ScalarNode):
        return NegatedScalar(node)
    if isinstance(node, VectorNode):
        return Negated(node)
    raise BadQuery("parse error: unary expression only allowed on expressions of type scalar or instant vector")


def _binary(expr: ast.BinaryExpr) -> Node:
    """Plan a chain such as `a or b or c` along its left side, without recursion."""
    chain = [expr]
    below = expr.lhs
    while isinstance(below, ast.BinaryExpr):
        chain.append(below)
        below = below.lhs
    node = _node(below)
    for each in reversed(chain):
        node = _operation(each, node, _node(each.rhs))
    return node


def _operation(expr: ast.BinaryExpr, left: Node, right: Node) -> Node:
    symbol, modifier = str(expr.op), expr.modifier
    if isinstance(left, VectorNode) and isinstance(right, VectorNode) and symbol in SET_OPERATORS:
        return SetOperation(left, right, symbol, _matching(modifier))
    if symbol not in ARITHMETIC and symbol not in COMPARISONS:
        raise NotSupported(f"the operator {symbol!r}")
    operator = Operator(symbol, as_bool=modifier is not None and modifier.return_bool)
    match left, right:
        case VectorNode(), VectorNode():
            return VectorBinary(left, right, operator, _matching(modifier))
        case VectorNode(), ScalarNode():
            return VectorScalar(operator, left, right, scalar_first=False)
        case ScalarNode(), VectorNode():
            return VectorScalar(operator, right, left, scalar_first=True)
        case ScalarNode(), ScalarNode():
            return ScalarBinary(operator, left, right)
    raise BadQuery("parse error: binary expression must contain only scalar and instant vector types")


def _matching(modifier: ast.BinModifier | None) -> Matching:
    if modifier is None:
        return Matching()
    if modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None:
        raise NotSupported("fill()")
    cardinality = Cardinality.ONE_TO_ONE
    if modifier.card == ast.VectorMatchCardinality.ManyToOne:
        cardinality = Cardinality.MANY_TO_ONE
    elif modifier.card == ast.VectorMatchCardinality.OneToMany:
        cardinality = Cardinality.ONE_TO_MANY
    include = tuple(modifier.group_labels or ())
    if modifier.matching is None:
        return Matching(cardinality=cardinality, include=include)
    on = modifier.matching.type == ast.LabelModifierType.Include
    return Matching(on, frozenset(modifier.matching.labels), cardinality, include)


def _grouping(modifier: ast.AggModifier | None) -> Grouping:
    if modifier is None:
        return Grouping()
    return Grouping(frozenset(modifier.labels), without=modifier.type == ast.AggModifierType.Without)


def _aggregation(expr: ast.AggregateExpr) -> Node:
    name, vector, grouping = str(expr.op), _vector(expr.expr), _grouping(expr.modifier)
    match name:
        case "topk" | "bottomk":
            return Ranked(_scalar(expr.param), vector, grouping, largest=name == "topk")
        case "quantile":
            return Quantile(_scalar(expr.param), vector, grouping)
        case "count_values":
            label = _node(expr.param)
            if not isinstance(label, Text):
                raise BadQuery("parse error: expected a string in aggregation expression")
            if not is_label_name(label.value):
                raise ExecutionFailed(f'invalid label name "{label.value}"')
            return CountValues(label.value, vector, grouping)
        case _ if name in AGGREGATIONS:
            return Aggregation(AGGREGATIONS[name], vector, grouping)
    raise NotSupported(f"the aggregation {name}()")
