"""Functions of a range vector: `rate`, `increase`, `avg_over_time` and their kin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from homeostat.simulate.sandbox.promql.arithmetic import (
    NAN,
    compensated_add,
    compensated_sum,
    divide,
    quantile,
    square_root,
)
from homeostat.simulate.sandbox.promql.evaluation import (
    Evaluation,
    NameDropping,
    RangeNode,
    ScalarNode,
    Times,
    Vector,
    VectorNode,
    Window,
)
from homeostat.simulate.sandbox.promql.labels import Labels

RangeFunction = Callable[[Window], float | None]
"""From a window with at least one sample to a value; None: no value."""


@dataclass(frozen=True, slots=True)
class OverTime(VectorNode):
    """`function(range)`; the metric's name goes, except for `last_over_time`."""

    function: RangeFunction
    ranged: RangeNode
    keeps_name: bool = False

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        found: list[Vector] = [[] for _ in times]
        drop_name = NameDropping()
        for labels, windows in self.ranged.windows(run, times):
            for slot, window in zip(found, windows, strict=True):
                value = self.function(window) if window.times_ms else None
                if value is not None:
                    slot.append((labels if self.keeps_name else drop_name(labels), value))
        return found


@dataclass(frozen=True, slots=True)
class QuantileOverTime(VectorNode):
    """`quantile_over_time(rank, range)`."""

    rank: ScalarNode
    ranged: RangeNode

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        found: list[Vector] = [[] for _ in times]
        ranks = self.rank.scalars(run, times)
        drop_name = NameDropping()
        for labels, windows in self.ranged.windows(run, times):
            for slot, window, rank in zip(found, windows, ranks, strict=True):
                if window.times_ms:
                    slot.append((drop_name(labels), quantile(rank, window.values)))
        return found


@dataclass(frozen=True, slots=True)
class AbsentOverTime(VectorNode):
    """`absent_over_time(range)`: 1 where no series has a sample in the range."""

    ranged: RangeNode
    labels: Labels

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        present = [False] * len(times)
        for _, windows in self.ranged.windows(run, times):
            present = [before or bool(window.times_ms) for before, window in zip(present, windows, strict=True)]
        return [[] if there else [(self.labels, 1.0)] for there in present]


def _extrapolated(window: Window, *, counter: bool) -> float | None:
    """The change over the whole range, extrapolated to its ends as Prometheus' `extrapolatedRate` does it.

    An end further from the nearest sample than 1.1 average distances gets half a distance; a counter is never
    extrapolated below zero (prometheus 2.42, promql/functions.go).
    """
    stamps, values = window.times_ms, window.values
    if len(stamps) < 2:
        return None
    change = values[-1] - values[0]
    if counter:
        for before, after in pairwise(values):
            if after < before:
                change += before
    to_start = (stamps[0] - window.start_ms) / 1000
    to_end = (window.end_ms - stamps[-1]) / 1000
    sampled = (stamps[-1] - stamps[0]) / 1000
    average = sampled / (len(stamps) - 1)
    if counter and change > 0 and values[0] >= 0:
        to_start = min(to_start, sampled * (values[0] / change))
    covered = sampled
    for gap in (to_start, to_end):
        covered += gap if gap < average * 1.1 else average / 2
    return change * (covered / sampled)


def _increase(window: Window) -> float | None:
    return _extrapolated(window, counter=True)


def _rate(window: Window) -> float | None:
    change = _extrapolated(window, counter=True)
    return None if change is None else change / ((window.end_ms - window.start_ms) / 1000)


def _delta(window: Window) -> float | None:
    return _extrapolated(window, counter=False)


def _idelta(window: Window) -> float | None:
    return window.values[-1] - window.values[-2] if len(window.values) > 1 else None


def _irate(window: Window) -> float | None:
    if len(window.values) < 2:
        return None
    before, after = window.values[-2:]
    change = after if after < before else after - before
    return change / ((window.times_ms[-1] - window.times_ms[-2]) / 1000)


def _changes(window: Window) -> float:
    return float(
        sum(
            1
            for before, after in pairwise(window.values)
            if after != before and not (math.isnan(after) and math.isnan(before))
        )
    )


def _resets(window: Window) -> float:
    return float(sum(1 for before, after in pairwise(window.values) if after < before))


def _average(window: Window) -> float:
    mean = compensation = 0.0
    for count, value in enumerate(window.values, start=1):
        if math.isinf(mean) and (value == mean or math.isfinite(value)):
            continue  # an infinite mean stays; subtracting would make it NaN
        mean, compensation = compensated_add(value / count - mean / count, mean, compensation)
    return mean if math.isinf(mean) else mean + compensation


def _variance(window: Window) -> float:
    """Welford's method (Technometrics 4, 1962) on compensated sums."""
    mean = mean_c = squares = squares_c = 0.0
    for count, value in enumerate(window.values, start=1):
        delta = value - (mean + mean_c)
        mean, mean_c = compensated_add(delta / count, mean, mean_c)
        squares, squares_c = compensated_add(delta * (value - (mean + mean_c)), squares, squares_c)
    return (squares + squares_c) / len(window.values)


def _deviation(window: Window) -> float:
    return square_root(_variance(window))


def _extreme(window: Window, beats: Callable[[float, float], bool]) -> float:
    best = window.values[0]
    for value in window.values:
        if beats(value, best) or math.isnan(best):
            best = value
    return best


def _deriv(window: Window) -> float | None:
    """The slope, per second, of the least-squares line."""
    values = window.values
    if len(values) < 2:
        return None
    if all(value == values[0] for value in values[1:]):
        return NAN if math.isinf(values[0]) else 0.0
    count = float(len(values))
    seconds = [(time - window.times_ms[0]) / 1000 for time in window.times_ms]
    sum_x, sum_y = _plain(seconds), _plain(values)
    sum_xy = _plain([x * y for x, y in zip(seconds, values, strict=True)])
    sum_xx = _plain([x * x for x in seconds])
    return divide(sum_xy - sum_x * sum_y / count, sum_xx - sum_x * sum_x / count)


def _plain(values: Sequence[float]) -> float:
    total = compensation = 0.0
    for value in values:
        total, compensation = compensated_add(value, total, compensation)
    return total + compensation


RANGE_FUNCTIONS: dict[str, RangeFunction] = {
    "rate": _rate,
    "irate": _irate,
    "increase": _increase,
    "delta": _delta,
    "idelta": _idelta,
    "deriv": _deriv,
    "changes": _changes,
    "resets": _resets,
    "avg_over_time": _average,
    "min_over_time": lambda window: _extreme(window, lambda value, best: value < best),
    "max_over_time": lambda window: _extreme(window, lambda value, best: value > best),
    "sum_over_time": lambda window: compensated_sum(window.values),
    "count_over_time": lambda window: float(len(window.values)),
    "last_over_time": lambda window: window.values[-1],
    "present_over_time": lambda window: 1.0,  # noqa: ARG005 - one signature for all
    "stddev_over_time": _deviation,
    "stdvar_over_time": _variance,
}
