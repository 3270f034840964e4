"""Conditions: one text, two compiled forms.

The language: comparisons `< <= > >= == !=` (chained as in `1% < x < 5%`) of numbers, number signals and
`+ - * /`, `abs`, `min`, `max` of them; text signals with `==` and `!=` against strings; `and`, `or`, `not`,
parentheses; `known(signal)`. Units are those of `units.py`.

Truth is three-valued (Kleene): a comparison is unknown when a signal it reads is absent, NaN or infinite, when a
division is by zero, or when a result is not finite. `known(x)` alone is always true or false. So
`db_up == 0 or http_5xx > 5%` is true as soon as one side is, and a condition over missing data is never true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from homeostat.model.errors import PolicyError, Position, Problem
from homeostat.model.signals import Condition, SignalSpec
from homeostat.policy.condition_parser import parse_condition
from homeostat.policy.condition_scanner import ConditionFaults
from homeostat.policy.expression import TruthExpr, signals_of
from homeostat.policy.scalar import print_scalar

if TYPE_CHECKING:
    from homeostat.policy.vector import Columns, Masks


def compile_condition(text: str, signals: Mapping[str, SignalSpec]) -> Condition:
    """Compile a condition for the live loop.

    Raises:
        PolicyError: what is wrong, at `condition:1:<column>`.
    """
    return condition_from(text, _parsed(text, signals))


def compile_masks(text: str, signals: Mapping[str, SignalSpec]) -> Callable[[Columns], Masks]:
    """Compile a condition for frames: columns by signal name -> masks (certainly true, certainly false).

    A column holds floats with NaN for unknown, or for text signals objects that are `str` or unknown.

    Raises:
        PolicyError: what is wrong, at `condition:1:<column>`.
    """
    from homeostat.policy.vector import print_vector  # keeps NumPy out of the live loop's start

    return print_vector(_parsed(text, signals))


def condition_from(text: str, tree: TruthExpr, parameters: tuple[str, ...] = ()) -> Condition:
    """Pair a parsed tree with its scalar form."""
    return Condition(text.strip(), signals_of(tree), print_scalar(tree), parameters)


def _parsed(text: str, signals: Mapping[str, SignalSpec]) -> TruthExpr:
    try:
        return parse_condition(text, signals)
    except ConditionFaults as error:
        problems = [
            Problem(Position("condition", 1, fault.column + 1), fault.code, fault.message) for fault in error.faults
        ]
        raise PolicyError(problems) from None
