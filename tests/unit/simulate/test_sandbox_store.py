from __future__ import annotations

import math
import threading

import pytest

from homeostat.model.errors import InvariantError
from homeostat.simulate.sandbox.promql.matchers import Matcher
from homeostat.simulate.sandbox.store import SampleStore


def named(metric: str) -> list[Matcher]:
    return [Matcher("__name__", "=", metric)]


def test_samples_are_kept_to_the_millisecond() -> None:
    store = SampleStore()
    store.append("x", {}, 1.0004, 5)
    store.append("x", {}, 1.0016, 6)
    (series,) = store.select(named("x"), 0, 10_000)
    assert list(series.times_ms) == [1000, 1002]
    assert list(series.values) == [5, 6]


def test_one_series_however_its_labels_are_ordered_and_empty_ones_spelled() -> None:
    store = SampleStore()
    store.append("x", {"a": "1", "b": "2"}, 1, 0)
    store.append("x", {"b": "2", "a": "1"}, 2, 0)
    store.append("x", {"b": "2", "a": "1", "c": ""}, 3, 0)
    assert store.series([named("x")]) == [(("__name__", "x"), ("a", "1"), ("b", "2"))]
    assert store.sample_count() == 3


def test_series_come_sorted_by_their_labels() -> None:
    store = SampleStore()
    for metric, job in (("y", "b"), ("x", "c"), ("x", "a")):
        store.append(metric, {"job": job}, 1, 0)
    found = [series.labels for series in store.select([Matcher("job", "!=", "")], 0, 9999)]
    assert found == sorted(found)
    assert len(found) == 3


def test_select_looks_at_the_time() -> None:
    store = SampleStore()
    store.append("x", {}, 1, 0)
    store.append("x", {}, 5, 0)
    assert store.select(named("x"), 1001, 4999) == []
    assert len(store.select(named("x"), 5000, 5000)) == 1
    assert store.series([named("x")], end_ms=999) == []


@pytest.mark.parametrize(
    ("at", "value"),
    [(0.5, 1.0), (1.0, 2.0), (1.0, math.nan)],
)
def test_what_would_change_the_past_is_refused(at: float, value: float) -> None:
    store = SampleStore()
    store.append("x", {}, 1, 1.0)
    with pytest.raises(InvariantError, match="in order of time"):
        store.append("x", {}, at, value)
    assert store.sample_count() == 1


@pytest.mark.parametrize("value", [1.0, math.nan])
def test_the_same_sample_twice_is_one(value: float) -> None:
    store = SampleStore()
    store.append("x", {}, 1, value)
    store.append("x", {}, 1, value)
    assert store.sample_count() == 1


@pytest.mark.parametrize(("metric", "labels"), [("1x", {}), ("", {}), ("x", {"a-b": "1"}), ("x", {"__name__": "y"})])
def test_wrong_names_are_refused(metric: str, labels: dict[str, str]) -> None:
    with pytest.raises(InvariantError, match="cannot name"):
        SampleStore().append(metric, labels, 1, 1)


def test_the_number_of_series_is_bounded() -> None:
    store = SampleStore(series_max=2)
    for job in "ab":
        store.append("x", {"job": job}, 1, 1)
    with pytest.raises(InvariantError, match="more than 2 series"):
        store.append("x", {"job": "c"}, 1, 1)
    store.append("x", {"job": "a"}, 2, 1)


def test_retention_bounds_what_is_held() -> None:
    store = SampleStore(retention_s=1000)
    store.append("gone", {}, 0, 1)
    largest = 0
    for at in range(0, 20_000, 5):
        store.append("x", {}, at, at)
        largest = max(largest, store.sample_count())
    assert largest <= 1000 / 5 * 1.25 + 3
    (series,) = store.select(named("x"), 0, 10**9)
    assert series.times_ms[0] <= (20_000 - 1000) * 1000
    assert store.series([[]]) == [(("__name__", "x"),)]


def test_a_series_that_was_dropped_can_come_back() -> None:
    store = SampleStore(retention_s=100, series_max=2)
    store.append("x", {"job": "a"}, 0, 1)
    for at in range(0, 1000, 5):
        store.append("clock", {}, at, at)
    store.append("x", {"job": "a"}, 1000, 2)
    (series,) = store.select(named("x"), 0, 10**9)
    assert list(series.values) == [2]


def test_appends_and_reads_from_many_threads() -> None:
    store = SampleStore(retention_s=50)
    broken: list[object] = []

    def write(job: int) -> None:
        for at in range(2000):
            store.append("x", {"job": str(job)}, at, at)

    def read() -> None:
        for _ in range(300):
            with store.lock:
                broken.extend(
                    series.labels
                    for series in store.select(named("x"), 0, 10**9)
                    if len(series.times_ms) != len(series.values) or sorted(series.times_ms) != list(series.times_ms)
                )

    threads = [threading.Thread(target=write, args=(job,)) for job in range(3)] + [threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broken == []
    assert len(store.series([named("x")])) == 3
