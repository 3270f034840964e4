"""Random conditions and an evaluator of them that shares nothing with the product: it never sees its parser."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from homeostat.model.signals import SignalSpec, SignalType

NUMBERS = ("a", "b", "http_5xx")
TEXTS = ("phase", "version")
SPECS = {name: SignalSpec(name, name, 60.0) for name in NUMBERS} | {
    name: SignalSpec(name, name, 60.0, SignalType.TEXT, "l") for name in TEXTS
}
WORDS = ("open", "closed", "", "it's")

Tree = tuple[Any, ...]
"""("op", ...parts): made by the strategies below, printed by `write`, judged by `truth`."""

special = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e308, -1e308, 1e-308, math.inf, -math.inf, math.nan])
number_values = st.one_of(st.none(), special, st.floats(), st.integers(-3, 3).map(float))
text_values = st.one_of(st.none(), st.sampled_from(WORDS))
readings = st.fixed_dictionaries(dict.fromkeys(NUMBERS, number_values) | dict.fromkeys(TEXTS, text_values))

_literal = st.one_of(
    st.sampled_from([0.0, 1.0, 2.0, 0.5, 1e308]), st.floats(0, 1e6, allow_nan=False), st.integers(0, 5).map(float)
).map(lambda value: ("number", value))
_number = st.recursive(
    st.one_of(_literal, st.sampled_from(NUMBERS).map(lambda name: ("signal", name))),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from("+-*/"), inner, inner),
        st.tuples(st.just("neg"), inner),
        st.tuples(st.just("abs"), inner),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner, inner),
    ),
    max_leaves=5,
)
_comparison = st.one_of(
    st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), _number, _number),
    st.tuples(st.just("chain"), _number, st.sampled_from(["<", ">="]), _number, st.sampled_from(["<=", "!="]), _number),
    st.tuples(st.sampled_from(["text==", "text!="]), st.sampled_from(TEXTS), st.sampled_from(WORDS)),
    st.tuples(st.just("known"), st.sampled_from(NUMBERS + TEXTS)),
)
conditions = st.recursive(
    _comparison,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner, inner),
        st.tuples(st.just("not"), inner),
    ),
    max_leaves=6,
)

_BINDS = {"or": 1, "and": 2, "not": 3, "compare": 4, "+": 5, "-": 5, "*": 6, "/": 6, "neg": 7, "atom": 9}


def write(tree: Tree) -> str:
    """Print a tree with as few parentheses as the grammar allows, so that precedence is tested too."""
    return _write(tree)[0]


def _write(tree: Tree) -> tuple[str, int]:
    match tree:
        case ("number", value):
            return (repr(value).replace("e+", "e"), _BINDS["atom"])
        case ("signal", name):
            return (name, _BINDS["atom"])
        case (("+" | "-" | "*" | "/") as op, left, right):
            binds = _BINDS[op]
            return (f"{_inside(left, binds)} {op} {_inside(right, binds + 1)}", binds)
        case ("neg", operand):
            return (f"-{_inside(operand, _BINDS['neg'])}", _BINDS["neg"])
        case (("abs" | "min" | "max") as function, *arguments):
            return (f"{function}({', '.join(write(part) for part in arguments)})", _BINDS["atom"])
        case ("chain", a, first, b, second, c):
            sides = [_inside(side, 5) for side in (a, b, c)]
            return (f"{sides[0]} {first} {sides[1]} {second} {sides[2]}", _BINDS["compare"])
        case (("text==" | "text!=") as op, name, word):
            return (f'{name} {op[4:]} "{word}"', _BINDS["compare"])
        case ("known", name):
            return (f"known({name})", _BINDS["atom"])
        case ("not", operand):
            return (f"not {_inside(operand, _BINDS['not'])}", _BINDS["not"])
        case (("and" | "or") as op, *operands):
            binds = _BINDS[op]
            return (f" {op} ".join(_inside(operand, binds + 1) for operand in operands), binds)
        case (op, left, right):
            return (f"{_inside(left, 5)} {op} {_inside(right, 5)}", _BINDS["compare"])
    raise AssertionError(tree)


def _inside(tree: Tree, binds: int) -> str:
    text, own = _write(tree)
    return text if own >= binds else f"({text})"


@dataclass(frozen=True)
class Reference:
    """Kleene's tables, written out. Truths are the letters T, F and U."""

    values: dict[str, Any]

    def truth(self, tree: Tree) -> bool | None:
        return {"T": True, "F": False, "U": None}[self.letter(tree)]

    def letter(self, tree: Tree) -> str:
        match tree:
            case ("and", *operands):
                return min((self.letter(operand) for operand in operands), key="FUT".index)
            case ("or", *operands):
                return max((self.letter(operand) for operand in operands), key="FUT".index)
            case ("not", operand):
                return {"T": "F", "F": "T", "U": "U"}[self.letter(operand)]
            case ("known", name):
                value = self.values[name]
                return "T" if isinstance(value, str) or (value is not None and math.isfinite(value)) else "F"
            case ("chain", a, first, b, second, c):
                return self.letter(("and", (first, a, b), (second, b, c)))
            case (("text==" | "text!=") as op, name, word):
                value = self.values[name]
                return "U" if value is None else "FT"[(value == word) is (op == "text==")]
            case (op, left, right):
                x, y = self.number(left), self.number(right)
                if x is None or y is None:
                    return "U"
                order = (x > y) - (x < y)
                return "FT"[
                    order in {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1), "==": (0,), "!=": (-1, 1)}[op]
                ]
        raise AssertionError(tree)

    def number(self, tree: Tree) -> float | None:
        match tree:
            case ("number", value):
                return float(value)
            case ("signal", name):
                return self._usable(self.values[name])
        parts = [self.number(part) for part in tree[1:]]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        try:
            return self._usable(_compute(tree[0], known))
        except ZeroDivisionError:
            return None

    @staticmethod
    def _usable(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None


def _compute(op: str, parts: list[float]) -> float:
    match op:
        case "+":
            return parts[0] + parts[1]
        case "-":
            return parts[0] - parts[1]
        case "*":
            return parts[0] * parts[1]
        case "/":
            return parts[0] / parts[1]
        case "neg":
            return -parts[0]
        case "abs":
            return abs(parts[0])
        case "min":
            return min(parts)
        case "max":
            return max(parts)
    raise AssertionError(op)
