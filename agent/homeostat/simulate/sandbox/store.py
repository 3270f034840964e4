"""Samples in memory, as Prometheus would hold them after its scrapes."""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from homeostat.model.errors import InvariantError
from homeostat.simulate.sandbox.promql.labels import (
    METRIC_NAME,
    Labels,
    is_label_name,
    is_metric_name,
    labels_of,
)
from homeostat.simulate.sandbox.promql.matchers import Matcher, all_match

_BY_LABELS = attrgetter("labels")


@dataclass(slots=True)
class StoredSeries:
    """One series' samples: times in whole milliseconds, strictly rising, and a value for each."""

    labels: Labels
    times_ms: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def covers(self, start_ms: int, end_ms: int) -> bool:
        """Whether there is a sample from `start_ms` to `end_ms`."""
        first = bisect_left(self.times_ms, start_ms)
        return first < len(self.times_ms) and self.times_ms[first] <= end_ms


class SampleStore:
    """Append-only samples by series, the newest `retention_s` of them.

    Older samples go in sweeps, so up to a quarter more are held. Every method may be called from any thread; hold
    `lock` to see one state over several calls.

    Attributes:
        lock: re-entrant.
    """

    def __init__(self, retention_s: float = 6 * 3600.0, series_max: int = 10_000) -> None:
        self.lock = threading.RLock()
        self._retention_ms = round(retention_s * 1000)
        self._series_max = series_max
        self._next_sweep_ms: int | None = None
        self._by_metric: dict[str, list[StoredSeries]] = {}
        self._by_spelling: dict[tuple[str, tuple[tuple[str, str], ...]], StoredSeries] = {}
        self._count = 0

    def append(self, metric: str, labels: Mapping[str, str], at: float, value: float) -> None:
        """Add a sample taken at `at` (Unix seconds, kept to the millisecond).

        The same sample again has no effect.

        Raises:
            InvariantError: a wrong name, too many series, a sample older than the series' newest, or another value
                for a time that has one.
        """
        at_ms = round(at * 1000)
        with self.lock:
            spelling = (metric, tuple(labels.items()))
            series = self._by_spelling.get(spelling)
            if series is None:
                series = self._by_spelling[spelling] = self._find_or_add(metric, labels)
            times = series.times_ms
            if times and at_ms <= times[-1]:
                self._check_repeated(series, at_ms, value)
                return
            times.append(at_ms)
            series.values.append(value)
            if self._next_sweep_ms is None:
                self._next_sweep_ms = at_ms + self._retention_ms + self._retention_ms // 4
            elif at_ms >= self._next_sweep_ms:
                self._sweep(at_ms)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[StoredSeries]:
        """Series that pass every matcher and have a sample from `start_ms` to `end_ms`, sorted by labels.

        They are the store's own and grow on: hold `lock` for as long as they are read.
        """
        with self.lock:
            return [
                series
                for series in self._candidates(matchers)
                if series.covers(start_ms, end_ms) and all_match(matchers, series.labels)
            ]

    def series(
        self, selectors: Iterable[Sequence[Matcher]], start_ms: int | None = None, end_ms: int | None = None
    ) -> list[Labels]:
        """Labels of all series that any of the selectors takes, sorted; by default of any time."""
        with self.lock:
            start = -(2**62) if start_ms is None else start_ms
            end = 2**62 if end_ms is None else end_ms
            return sorted({each.labels for matchers in selectors for each in self.select(matchers, start, end)})

    def sample_count(self) -> int:
        """How many samples are held."""
        with self.lock:
            return sum(len(series.times_ms) for several in self._by_metric.values() for series in several)

    def _candidates(self, matchers: Sequence[Matcher]) -> Iterable[StoredSeries]:
        for matcher in matchers:
            if matcher.name == METRIC_NAME and matcher.operator == "=":
                return self._by_metric.get(matcher.value, ())
        return sorted((series for several in self._by_metric.values() for series in several), key=_BY_LABELS)

    def _find_or_add(self, metric: str, labels: Mapping[str, str]) -> StoredSeries:
        if not is_metric_name(metric):
            raise InvariantError(f"{metric!r} cannot name a metric")
        for name in labels:
            if not is_label_name(name) or name == METRIC_NAME:
                raise InvariantError(f"{name!r} cannot name a label of {metric}")
        wanted = labels_of({**labels, METRIC_NAME: metric})
        several = self._by_metric.setdefault(metric, [])
        index = bisect_left(several, wanted, key=_BY_LABELS)
        if index < len(several) and several[index].labels == wanted:
            return several[index]
        if self._count >= self._series_max:
            raise InvariantError(f"more than {self._series_max} series in the sandbox's store")
        series = StoredSeries(wanted)
        insort(several, series, key=_BY_LABELS)
        self._count += 1
        return series

    def _check_repeated(self, series: StoredSeries, at_ms: int, value: float) -> None:
        newest_ms, newest = series.times_ms[-1], series.values[-1]
        same = newest == value or (newest != newest and value != value)
        if at_ms != newest_ms or not same:
            raise InvariantError(
                f"a sample of {dict(series.labels)} at {at_ms} ms after one at {newest_ms} ms: samples are appended "
                "in order of time, one for each time"
            )

    def _sweep(self, now_ms: int) -> None:
        """Drop what is older than the retention, and series that have nothing left."""
        horizon_ms = now_ms - self._retention_ms
        for metric, several in list(self._by_metric.items()):
            for series in several:
                old = bisect_right(series.times_ms, horizon_ms - 1)
                del series.times_ms[:old]
                del series.values[:old]
            kept = [series for series in several if series.times_ms]
            self._count -= len(several) - len(kept)
            if kept:
                self._by_metric[metric] = kept
            else:
                del self._by_metric[metric]
        self._by_spelling = {spelling: series for spelling, series in self._by_spelling.items() if series.times_ms}
        self._next_sweep_ms = now_ms + max(1, self._retention_ms // 4)
