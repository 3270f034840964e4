"""Floating point as Go does it: operators and functions that never raise, sums as Prometheus adds them up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

INFINITY = math.inf
NAN = math.nan


def divide(left: float, right: float) -> float:
    """IEEE 754 division."""
    try:
        return left / right
    except ZeroDivisionError:
        if left == 0 or math.isnan(left):
            return NAN
        return math.copysign(INFINITY, left) * math.copysign(1.0, right)


def modulo(left: float, right: float) -> float:
    """C's fmod; NaN where it is not defined."""
    try:
        return math.fmod(left, right)
    except ValueError:
        return NAN


def power(base: float, exponent: float) -> float:
    """C's pow, with its infinities."""
    odd = math.isfinite(exponent) and math.fmod(exponent, 2.0) in (1.0, -1.0)
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -INFINITY if base < 0 and odd else INFINITY
    except ValueError:
        if base != 0:
            return NAN
        return math.copysign(INFINITY, base) if odd else INFINITY


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": divide,
    "%": modulo,
    "^": power,
}

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
    ">=": lambda left, right: left >= right,
    "<=": lambda left, right: left <= right,
}


def larger(left: float, right: float) -> float:
    """Go's math.Max: +Inf wins over NaN, NaN over the rest."""
    if INFINITY in (left, right):
        return INFINITY
    if math.isnan(left) or math.isnan(right):
        return NAN
    return max(left, right)


def smaller(left: float, right: float) -> float:
    """Go's math.Min: -Inf wins over NaN, NaN over the rest."""
    if -INFINITY in (left, right):
        return -INFINITY
    if math.isnan(left) or math.isnan(right):
        return NAN
    return min(left, right)


def floor(value: float) -> float:
    """The next whole number below; keeps infinities, NaN and -0."""
    return math.copysign(float(math.floor(value)), value) if math.isfinite(value) else value


def ceil(value: float) -> float:
    """The next whole number above; keeps infinities, NaN and -0."""
    return math.copysign(float(math.ceil(value)), value) if math.isfinite(value) else value


def exponential(value: float) -> float:
    """Euler's number to the power of `value`."""
    try:
        return math.exp(value)
    except OverflowError:
        return INFINITY


def logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    """Make a logarithm total: -Inf at 0, NaN below."""

    def total(value: float) -> float:
        if value == 0:
            return -INFINITY
        return function(value) if value > 0 else NAN

    return total


def square_root(value: float) -> float:
    """The square root; NaN below 0."""
    return math.sqrt(value) if value >= 0 else NAN


def sign(value: float) -> float:
    """-1, 0 or 1; NaN stays."""
    if value < 0:
        return -1.0
    return 1.0 if value > 0 else value


def compensated_add(increment: float, total: float, compensation: float) -> tuple[float, float]:
    """One step of the Kahan-Babuska sum (A. Neumaier, ZAMM 54, 1974): the new total and compensation."""
    new = total + increment
    if abs(total) >= abs(increment):
        return new, compensation + ((total - new) + increment)
    return new, compensation + ((increment - new) + total)


def compensated_sum(values: Iterable[float]) -> float:
    """The sum with its rounding errors added back in."""
    total = compensation = 0.0
    for value in values:
        total, compensation = compensated_add(value, total, compensation)
    return total if math.isinf(total) else total + compensation


def quantile(rank: float, values: Sequence[float]) -> float:
    """The `rank`-quantile (0..1) with linear interpolation; -Inf below 0, +Inf above 1, NaN of nothing."""
    if not values or math.isnan(rank):
        return NAN
    if rank < 0 or rank > 1:
        return math.copysign(INFINITY, rank)
    if math.isnan(sum(values)):  # perhaps only by infinities that cancel out
        ordered = sorted(values, key=lambda value: (not math.isnan(value), value))
    else:
        ordered = sorted(values)
    position = rank * (len(ordered) - 1)
    lower = max(0, math.floor(position))
    upper = min(len(ordered) - 1, lower + 1)
    weight = position - math.floor(position)
    return ordered[lower] * (1 - weight) + ordered[upper] * weight


def format_plain(value: float) -> str:
    """Go's FormatFloat(value, 'f', -1, 64): the shortest decimal that reads back as `value`, without an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        text = f"{Decimal(text):f}"
    return text.removesuffix(".0")


def format_value(value: float) -> str:
    """A sample's value as the API writes it: with an exponent below 1e-6 and from 1e21 on."""
    size = abs(value)
    if math.isfinite(value) and size != 0 and (size < 1e-6 or size >= 1e21):
        mantissa, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
        return f"{mantissa}e{exponent[0]}{exponent[1:].zfill(2)}"
    return format_plain(value)
