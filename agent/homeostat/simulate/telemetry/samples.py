"""A telemetry recording as what PromQL is evaluated over."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

from homeostat.record.telemetry import RecordedSeries, Telemetry
from homeostat.simulate.sandbox.promql.labels import METRIC_NAME
from homeostat.simulate.sandbox.promql.matchers import Matcher, all_match


class RecordedSamples:
    """Samples that nobody adds to. Implements `promql.evaluation.SampleSource`."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._series = telemetry.series
        self._by_metric: dict[str, list[RecordedSeries]] = {}
        for series in telemetry.series:
            self._by_metric.setdefault(dict(series.labels)[METRIC_NAME], []).append(series)

    @property
    def lock(self) -> AbstractContextManager[object]:
        """Nothing to wait for."""
        return nullcontext()

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[RecordedSeries]:
        """Series that pass every matcher and have a sample from `start_ms` to `end_ms`, sorted by labels."""
        return [
            series
            for series in self._candidates(matchers)
            if all_match(matchers, series.labels) and _covers(series, start_ms, end_ms)
        ]

    def _candidates(self, matchers: Sequence[Matcher]) -> Iterable[RecordedSeries]:
        for matcher in matchers:
            if matcher.name == METRIC_NAME and matcher.operator == "=":
                return self._by_metric.get(matcher.value, ())
        return self._series


def _covers(series: RecordedSeries, start_ms: int, end_ms: int) -> bool:
    first = bisect_left(series.times_ms, start_ms)
    return first < len(series.times_ms) and series.times_ms[first] <= end_ms
