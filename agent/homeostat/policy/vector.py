"""Print a condition's tree as NumPy masks, for replay over frames.

Of the three truths two are kept as masks, certainly true and certainly false; unknown is neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homeostat.policy.expression import (
    All,
    Arithmetic,
    Call,
    Compare,
    CompareText,
    Comparison,
    Function,
    Known,
    Negation,
    Not,
    Number,
    NumberExpr,
    NumberSignal,
    Operator,
    Some,
    TruthExpr,
)

Columns = Mapping[str, NDArray[Any]]
"""Signal name -> its values: floats with NaN for unknown, or objects (str, None) for text. All of one shape."""

Masks = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""(certainly true, certainly false)."""

_Floats = NDArray[np.float64]

_COMPARE: dict[Comparison, Callable[[_Floats, _Floats], NDArray[np.bool_]]] = {
    Comparison.LESS: np.less,
    Comparison.LESS_OR_EQUAL: np.less_equal,
    Comparison.GREATER: np.greater,
    Comparison.GREATER_OR_EQUAL: np.greater_equal,
    Comparison.EQUAL: np.equal,
    Comparison.NOT_EQUAL: np.not_equal,
}
_COMPUTE: dict[Operator, Callable[[_Floats, _Floats], _Floats]] = {
    Operator.ADD: np.add,
    Operator.SUBTRACT: np.subtract,
    Operator.MULTIPLY: np.multiply,
    Operator.DIVIDE: np.divide,
}
_IS_TEXT = np.frompyfunc(lambda value: isinstance(value, str), 1, 1)


def print_vector(tree: TruthExpr) -> Callable[[Columns], Masks]:
    """Give the function from columns to masks. A condition that reads no signal takes any column's shape."""

    def masks(columns: Columns) -> Masks:
        shape = next((np.shape(column) for column in columns.values()), ())
        with np.errstate(all="ignore"):
            true, false = _truth(tree, columns)
        return np.broadcast_to(true, shape).copy(), np.broadcast_to(false, shape).copy()

    return masks


def _truth(node: TruthExpr, columns: Columns) -> Masks:
    match node:
        case Compare(comparison, left, right):
            first, second = _number(left, columns), _number(right, columns)
            known = ~(np.isnan(first) | np.isnan(second))
            holds = _COMPARE[comparison](first, second)
            return known & holds, known & ~holds
        case CompareText(name, equal, text):
            values = np.asarray(columns[name], dtype=object)
            known = _texts(values)
            same = np.asarray(values == text, dtype=np.bool_)
            return known & (same == equal), known & (same != equal)
        case Known(name, is_text):
            known = _texts(columns[name]) if is_text else np.isfinite(_floats(columns[name]))
            return known, ~known
        case Not(operand):
            true, false = _truth(operand, columns)
            return false, true
        case All(operands):
            masks = [_truth(operand, columns) for operand in operands]
            return _every([true for true, _ in masks]), _any([false for _, false in masks])
        case Some(operands):
            masks = [_truth(operand, columns) for operand in operands]
            return _any([true for true, _ in masks]), _every([false for _, false in masks])


def _number(node: NumberExpr, columns: Columns) -> _Floats:
    """Values of a numeric tree; NaN wherever one is unknown or not finite."""
    match node:
        case Number(value):
            return np.asarray(value, dtype=np.float64)
        case NumberSignal(name):
            return _finite(_floats(columns[name]))
        case Negation(operand):
            return -_number(operand, columns)
        case Arithmetic(operator, left, right):
            return _finite(_COMPUTE[operator](_number(left, columns), _number(right, columns)))
        case Call(Function.ABS, (argument,)):
            return np.abs(_number(argument, columns))
        case Call(function, arguments):
            pick = np.minimum if function is Function.MIN else np.maximum
            picked = _number(arguments[0], columns)
            for argument in arguments[1:]:
                picked = pick(picked, _number(argument, columns))
            return picked


def _floats(column: NDArray[Any]) -> _Floats:
    return np.asarray(column, dtype=np.float64)


def _finite(values: _Floats) -> _Floats:
    return np.where(np.isfinite(values), values, np.nan)


def _texts(column: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(_IS_TEXT(np.asarray(column, dtype=object)), dtype=np.bool_)


def _every(masks: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    every = masks[0]
    for mask in masks[1:]:
        every = every & mask
    return every


def _any(masks: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    some = masks[0]
    for mask in masks[1:]:
        some = some | mask
    return some
