"""An alert's PromQL as signals that have a value also while all is well.

An alert fires for every series its expression yields: `a > 5` filters, and yields nothing while all is well. Nothing
is MISSING here, and a condition on what is missing is unknown, never false: such a signal could open an incident and
never close one. So there are two ways to write it:

- `value`: the left side of a last comparison with a number, brought down to one series by `max` (for `>`) or `min`
  (for `<`), and the comparison as the condition. Only where this fires exactly when the rule does: the left side
  must not filter, and must not make infinities (x/0), which Prometheus compares and a signal refuses.
- `count`: `count(expr) or vector(0)` with the condition `> 0`. Always exact: 0 while the rule's series are there and
  none of them is over its limit; missing, and so unknown, when not one of them is there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import promql_parser as ast

from homeostat.authoring.promql_tree import (
    COMPARISONS,
    always_yields,
    calls,
    constant,
    inner,
    is_plain,
    is_single,
    returns_bool,
    unfiltered,
    walk,
)
from homeostat.policy.promql import PROMQL_CHARACTERS_MAX, promql_fault
from homeostat.sense.promql import read_expression

SELECTORS_MAX = 8
"""Of an expression whose selectors are asked, one by one, whether they have data."""

_TOO_LONG = f"it is longer than the {PROMQL_CHARACTERS_MAX} characters of a signal; use a recording rule"
NEGATIONS = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}
_TOKEN = re.compile(r"""\s+|\#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|[<>=!]=?|[(){}\[\]]|.""", re.DOTALL)


class Form(StrEnum):
    """How an alert's expression became a signal; see the module."""

    VALUE = "value"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Reading:
    """An alert's expression as two signals and a comparison.

    Attributes:
        expr: of the signal the alert is told by. comparison, limit: it fires when `signal comparison limit`.
        seen: PromQL that counts the series behind it; None where it reads none.
        has_absent: it fires on what is missing.
        divides: its value may be x/0, which is no value here.
        yields_many: it fires for each of several series.
        has_bool: it ends with a comparison that yields 0 or 1 and so filters nothing.
        always_fires: it fires whatever there is, like a Watchdog.
        seen_is_product: `seen` is a product of several counts.
    """

    form: Form
    expr: str
    comparison: str
    limit: float
    seen: str | None
    has_absent: bool = False
    divides: bool = False
    yields_many: bool = False
    has_bool: bool = False
    always_fires: bool = False
    seen_is_product: bool = False


@dataclass(frozen=True, slots=True)
class _Split:
    """`V > 5`, taken apart: the text and the tree of V."""

    text: str
    tree: Any
    comparison: str
    limit: float


def read_alert_expression(text: str) -> Reading:
    """Give an alert's expression as signals.

    Raises:
        ValueError: no signal can be made of it; the message says why.
    """
    if len(text) > PROMQL_CHARACTERS_MAX:
        raise ValueError(_TOO_LONG)
    try:
        return _read(text)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of pyo3, a BaseException that cannot be imported
            raise
        raise ValueError(f"the parser fails on it ({error})") from None


def _read(text: str) -> Reading:
    fault = promql_fault(text)
    expression = read_expression(text)
    if fault or expression.refusal:
        raise ValueError(fault or expression.refusal)
    tree = ast.parse(text)
    selectors = expression.selectors
    has_absent = any(calls(node) in ("absent", "absent_over_time") for node in walk(tree))
    split = None if has_absent or not selectors else _split(text)
    reading = _as_value(split) if split is not None else None
    if reading is None:
        many = bool(selectors) and not is_single(unfiltered(tree))
        has_bool = isinstance(inner(tree), ast.BinaryExpr) and returns_bool(inner(tree))
        query = expression.query  # a scalar is wrapped in vector()
        reading = Reading(
            Form.COUNT, _counted(query, witnessed=has_absent), ">", 0.0, _seen(selectors), has_absent, False, many,
            has_bool, always_yields(tree), len(selectors) > 1,
        )  # fmt: skip
    for made in filter(None, (reading.expr, reading.seen)):
        if len(made) > PROMQL_CHARACTERS_MAX:
            raise ValueError(_TOO_LONG)
    return reading


def _as_value(split: _Split) -> Reading | None:
    """Read `V > 5` by its value; None where that could differ from what the rule does."""
    if not all(is_plain(node) for node in walk(split.tree)):
        return None
    single = is_single(split.tree)
    divides = any(_may_divide_by_zero(node) for node in walk(split.tree))
    if single and split.comparison != "!=":  # NaN != 5 is true for Prometheus, and NaN is no value here
        expr = split.text
    elif split.comparison in (">", ">=") and not divides:
        expr = f"max({_enclosed(split.text)})"
    elif split.comparison in ("<", "<=") and not divides:
        expr = f"min({_enclosed(split.text)})"
    else:
        return None
    seen = f"count({_enclosed(split.text)})"
    return Reading(Form.VALUE, expr, split.comparison, split.limit, seen, False, divides, not single)


def _may_divide_by_zero(node: Any) -> bool:
    return isinstance(node, ast.BinaryExpr) and str(node.op) == "/" and not constant(node.rhs)


def _counted(query: str, *, witnessed: bool) -> str:
    counted = f"count({_enclosed(query)}) or vector(0)"
    return f"({counted}) and on() count(up)" if witnessed else counted


def _enclosed(text: str) -> str:
    """Text that may end in a comment, fit to stand in brackets."""
    return f"\n{text}\n" if "#" in text or "\n" in text else text


def _seen(selectors: tuple[str, ...]) -> str | None:
    """PromQL that yields a number only while every selector has data."""
    if not 1 <= len(selectors) <= SELECTORS_MAX:
        return None
    return " * ".join(f"count({selector})" for selector in selectors)


def _split(text: str) -> _Split | None:
    """Take the last comparison with a number off an expression's text; None where that is not what it is.

    The parser's trees do not say where they stand in the text, so each comparison sign outside brackets is tried.
    """
    tree = ast.parse(text)
    if isinstance(tree, ast.ParenExpr):
        stripped = _without_comments(text)
        return _split(stripped[1:-1]) if stripped.startswith("(") and stripped.endswith(")") else None
    if not isinstance(tree, ast.BinaryExpr) or str(tree.op) not in COMPARISONS or returns_bool(tree):
        return None
    limits = constant(tree.lhs), constant(tree.rhs)
    number = limits[0] if limits[1] is None else limits[1]
    if number is None or None not in limits or not math.isfinite(number):
        return None
    for start, end in _outer_signs(text):
        left, right = text[:start].strip(), text[end:].strip()
        if _is_same(left, tree.lhs) and _is_same(right, tree.rhs):
            sign = text[start:end]
            if limits[1] is None:
                return _Split(right, tree.rhs, COMPARISONS[sign], number)
            return _Split(left, tree.lhs, sign, number)
    return None


def _without_comments(text: str) -> str:
    return "".join(word for _, word in _tokens(text) if not word.startswith("#")).strip()


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    return ((match.start(), match.group()) for match in _TOKEN.finditer(text))


def _outer_signs(text: str) -> Iterator[tuple[int, int]]:
    """Where comparison signs stand outside all brackets, from the last to the first."""
    depth, found = 0, []
    for start, word in _tokens(text):
        depth += (word in "({[") - (word in ")}]")
        if depth == 0 and word in COMPARISONS:
            found.append((start, start + len(word)))
    return reversed(found)


def _is_same(text: str, tree: Any) -> bool:
    try:
        return bool(text) and str(ast.parse(text)) == str(tree)
    except ValueError:
        return False
