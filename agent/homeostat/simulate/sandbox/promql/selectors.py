"""Reading samples: instant selectors, range selectors and subqueries, with `offset` and `@`."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from homeostat.simulate.sandbox.promql.evaluation import (
    Evaluation,
    RangeNode,
    Times,
    Vector,
    VectorNode,
    Window,
    is_stale,
)
from homeostat.simulate.sandbox.promql.labels import Labels
from homeostat.simulate.sandbox.promql.matchers import Matcher


class Edge(Enum):
    """The first or last step of the whole query: `@ start()`, `@ end()`."""

    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True)
class Shift:
    """Where a selector looks, relative to a step: `offset` back from the step, or from the time given by `@`."""

    offset_ms: int = 0
    at: int | Edge | None = None

    def moments(self, run: Evaluation, times: Times) -> list[int]:
        """Give the moment that each step looks at."""
        match self.at:
            case None:
                return [time - self.offset_ms for time in times]
            case Edge.START:
                fixed = run.start_ms
            case Edge.END:
                fixed = run.end_ms
            case int(at):
                fixed = at
        return [fixed - self.offset_ms] * len(times)


@dataclass(frozen=True, slots=True)
class Sampled:
    """An element of an instant vector with the time of the sample behind it."""

    labels: Labels
    time_ms: int
    value: float


@dataclass(frozen=True, slots=True)
class Selector(VectorNode):
    """`name{matchers}`: the newest sample of each series that is not older than the lookback."""

    matchers: tuple[Matcher, ...]
    shift: Shift

    def sampled(self, run: Evaluation, times: Times) -> list[list[Sampled]]:
        """The vector at each step, with the samples' own times."""
        moments = self.shift.moments(run, times)
        found: list[list[Sampled]] = [[] for _ in moments]
        for series in run.source.select(self.matchers, min(moments) - run.lookback_ms, max(moments)):
            run.charge(len(moments))
            stamps, values = series.times_ms, series.values
            for slot, moment in zip(found, moments, strict=True):
                index = bisect_right(stamps, moment) - 1
                if index < 0 or stamps[index] < moment - run.lookback_ms or is_stale(values[index]):
                    continue
                slot.append(Sampled(series.labels, stamps[index], values[index]))
        return found

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        return [[(each.labels, each.value) for each in step] for step in self.sampled(run, times)]


@dataclass(frozen=True, slots=True)
class RangeSelector(RangeNode):
    """`name{matchers}[range]`: all samples of the range, staleness markers left out."""

    selector: Selector
    range_ms: int

    def _windows(self, run: Evaluation, times: Times) -> list[tuple[Labels, list[Window]]]:
        moments = self.selector.shift.moments(run, times)
        selected = run.source.select(self.selector.matchers, min(moments) - self.range_ms, max(moments))
        return [
            (series.labels, _windows(run, series.times_ms, series.values, moments, self.range_ms))
            for series in selected
        ]


@dataclass(frozen=True, slots=True)
class Subquery(RangeNode):
    """`expr[range:step]`: an instant vector evaluated at every multiple of the step within the range."""

    inner: VectorNode
    range_ms: int
    step_ms: int | None
    shift: Shift

    def _windows(self, run: Evaluation, times: Times) -> list[tuple[Labels, list[Window]]]:
        moments = self.shift.moments(run, times)
        step_ms = self.step_ms or run.subquery_step_ms
        first = -((min(moments) - self.range_ms) // -step_ms) * step_ms
        inner_times = range(first, max(moments) + 1, step_ms)
        run.charge(len(inner_times))
        if not inner_times:
            return []
        series = by_series(inner_times, self.inner.vectors(run, inner_times))
        return [
            (labels, _windows(run, stamps, values, moments, self.range_ms))
            for labels, (stamps, values) in sorted(series.items())
        ]


def by_series(times: Times, vectors: list[Vector]) -> dict[Labels, tuple[list[int], list[float]]]:
    """Turn one vector a step into the times and values of each series."""
    series: dict[Labels, tuple[list[int], list[float]]] = {}
    for time, vector in zip(times, vectors, strict=True):
        for labels, value in vector:
            stamps, values = series.setdefault(labels, ([], []))
            stamps.append(time)
            values.append(value)
    return series


def _windows(
    run: Evaluation, stamps: Sequence[int], values: Sequence[float], moments: list[int], range_ms: int
) -> list[Window]:
    windows = []
    for end_ms in moments:
        low = bisect_left(stamps, end_ms - range_ms)
        high = bisect_right(stamps, end_ms, low)
        run.charge(1 + high - low)
        window = Window(stamps[low:high], values[low:high], end_ms - range_ms, end_ms)
        windows.append(_without_stale(window))
    return windows


def _without_stale(window: Window) -> Window:
    if not math.isnan(sum(window.values)):
        return window  # no NaN at all, seen at the cheapest
    kept = [(time, value) for time, value in zip(window.times_ms, window.values, strict=True) if not is_stale(value)]
    return Window([time for time, _ in kept], [value for _, value in kept], window.start_ms, window.end_ms)
