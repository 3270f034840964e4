"""Print a condition's tree as one Python function, for the live loop.

The source is written from our own typed tree only: operators from a fixed table, names and strings through `repr`.
One function instead of a closure per node makes an evaluation several times faster.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from homeostat.model.signals import Truth, Value
from homeostat.policy.expression import (
    All,
    Arithmetic,
    Call,
    Compare,
    CompareText,
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

_LARGEST = repr(sys.float_info.max)
_BUILTINS = {
    "abs": abs,
    "min": min,
    "max": max,
    "isinstance": isinstance,
    "str": str,
    "ArithmeticError": ArithmeticError,
    "KeyError": KeyError,
    "TypeError": TypeError,
}
_TEMPLATE = """
def evaluate(values):
    try:
        return {truth}
    except (ArithmeticError, KeyError, TypeError):
        return None
"""


@lru_cache(4096)  # the same condition is compiled for every environment, and again at every reload
def print_scalar(tree: TruthExpr) -> Callable[[Mapping[str, Value]], Truth]:
    """Compile a tree to a function from signal values to a truth.

    The function never raises: a value that is missing altogether or of the wrong type makes the condition unknown.
    """
    scope: dict[str, Any] = {"__builtins__": _BUILTINS}
    exec(_TEMPLATE.format(truth=_Printer().truth(tree)), scope)  # noqa: S102 - the text is printed from our own tree
    evaluate: Callable[[Mapping[str, Value]], Truth] = scope["evaluate"]
    return evaluate


class _Printer:
    """Writes expressions. Each temporary is assigned where it is first needed, so that short cuts save the reads."""

    def __init__(self) -> None:
        self.temporaries = 0

    def fresh(self) -> str:
        self.temporaries += 1
        return f"t{self.temporaries}"

    def truth(self, node: TruthExpr) -> str:
        """An expression that gives True, False or None."""
        match node:
            case Compare(comparison, left, right):
                guards: list[str] = []
                compared = f"{self.number(left, guards)} {comparison} {self.number(right, guards)}"
                return f"({compared} if {' and '.join(guards)} else None)" if guards else f"({compared})"
            case CompareText(name, equal, text):
                value = self.fresh()
                operator = "==" if equal else "!="
                return f"({value} {operator} {text!r} if isinstance(({value} := values[{name!r}]), str) else None)"
            case Known(name, is_text):
                return self.known(name, is_text=is_text)
            case Not(operand):
                value = self.fresh()
                return f"(None if ({value} := {self.truth(operand)}) is None else not {value})"
            case All(operands):
                return self.decided_by(operands, decisive=False)
            case Some(operands):
                return self.decided_by(operands, decisive=True)

    def decided_by(self, operands: tuple[TruthExpr, ...], *, decisive: bool) -> str:
        """The first decisive operand decides; without one, any unknown operand leaves it unknown."""
        values = [self.fresh() for _ in operands]
        decided = " or ".join(
            f"({value} := {self.truth(operand)}) is {decisive}" for value, operand in zip(values, operands, strict=True)
        )
        unknown = " or ".join(f"{value} is None" for value in values)
        return f"({decisive} if {decided} else None if {unknown} else {not decisive})"

    def known(self, name: str, *, is_text: bool) -> str:
        if is_text:
            return f"isinstance(values[{name!r}], str)"
        guards: list[str] = []
        self.number(NumberSignal(name), guards)
        return f"({' and '.join(guards)})"

    def number(self, node: NumberExpr, guards: list[str]) -> str:
        """Give an operand's text. `guards` are to be true, in order, before it is read; they also compute it."""
        match node:
            case Number(value):
                return repr(value)
            case NumberSignal(name):
                read = self.fresh()
                guards.append(f"({read} := values[{name!r}]) is not None and {_finite(read)}")
                return read
            case Negation(operand):
                return f"(-{self.number(operand, guards)})"
            case Arithmetic(operator, left, right):
                first, second = self.number(left, guards), self.number(right, guards)
                if operator is Operator.DIVIDE:
                    guards.append(f"{second} != 0.0")
                return self.computed(f"{first} {operator} {second}", guards)
            case Call(Function.ABS, (argument,)):
                return f"abs({self.number(argument, guards)})"
            case Call(function, arguments):
                return f"{function}({', '.join(self.number(argument, guards) for argument in arguments)})"

    def computed(self, text: str, guards: list[str]) -> str:
        value = self.fresh()
        guards.append(_finite(f"({value} := {text})"))
        return value


def _finite(text: str) -> str:
    return f"-{_LARGEST} <= {text} <= {_LARGEST}"
