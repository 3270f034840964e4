"""The typed tree of a condition. The parser makes it; the scalar and the vector printer read it.

Two families: `NumberExpr` has a number or is unknown, `TruthExpr` is true, false or unknown. Positions are gone by
then: what can be wrong with a condition is found by the parser.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Operator(StrEnum):
    """Arithmetic. A result that is not finite is unknown, and so is any division by zero."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"


class Function(StrEnum):
    """Functions over numbers. `known` is a node of its own: it gives a truth."""

    ABS = "abs"
    MIN = "min"
    MAX = "max"


class Comparison(StrEnum):
    """How two values are compared."""

    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    EQUAL = "=="
    NOT_EQUAL = "!="


@dataclass(frozen=True, slots=True)
class Number:
    """A literal, its unit applied."""

    value: float


@dataclass(frozen=True, slots=True)
class NumberSignal:
    """A signal of type `number`. A reading that is NaN or infinite is unknown."""

    name: str


@dataclass(frozen=True, slots=True)
class Negation:
    """Unary minus."""

    operand: NumberExpr


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A binary operation."""

    operator: Operator
    left: NumberExpr
    right: NumberExpr


@dataclass(frozen=True, slots=True)
class Call:
    """`abs` of one, `min` or `max` of at least two."""

    function: Function
    arguments: tuple[NumberExpr, ...]


NumberExpr = Number | NumberSignal | Negation | Arithmetic | Call


@dataclass(frozen=True, slots=True)
class Compare:
    """Two numbers compared; unknown if either is."""

    comparison: Comparison
    left: NumberExpr
    right: NumberExpr


@dataclass(frozen=True, slots=True)
class CompareText:
    """A text signal compared with a string; unknown if the signal is."""

    name: str
    equal: bool
    text: str


@dataclass(frozen=True, slots=True)
class Known:
    """Whether a signal has a usable value: the one two-valued question."""

    name: str
    is_text: bool


@dataclass(frozen=True, slots=True)
class Not:
    """Kleene's negation: unknown stays unknown."""

    operand: TruthExpr


@dataclass(frozen=True, slots=True)
class All:
    """Kleene's conjunction: false if any is false, else unknown if any is unknown."""

    operands: tuple[TruthExpr, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """Kleene's disjunction: true if any is true, else unknown if any is unknown."""

    operands: tuple[TruthExpr, ...]


TruthExpr = Compare | CompareText | Known | Not | All | Some
Expr = NumberExpr | TruthExpr


def parts_of(node: Expr) -> tuple[Expr, ...]:
    """Give the direct parts of a node, in written order."""
    match node:
        case Negation(operand) | Not(operand):
            return (operand,)
        case Arithmetic(_, left, right) | Compare(_, left, right):
            return (left, right)
        case Call(_, parts) | All(parts) | Some(parts):
            return parts
        case _:
            return ()


def walk(node: Expr) -> Iterator[Expr]:
    """Walk a tree, parents first, in written order."""
    yield node
    for part in parts_of(node):
        yield from walk(part)


def signals_of(node: Expr) -> tuple[str, ...]:
    """Name every signal the tree reads, sorted."""
    return tuple(sorted({part.name for part in walk(node) if isinstance(part, NumberSignal | CompareText | Known)}))
