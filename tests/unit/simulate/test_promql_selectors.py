from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import pytest
from tests.unit.simulate.promql_trial import STALE, T0, Trial

from homeostat.simulate.sandbox.promql import BadQuery, Engine
from homeostat.simulate.sandbox.promql.matchers import Matcher
from homeostat.simulate.sandbox.store import SampleStore, StoredSeries


def test_the_newest_sample_answers_for_five_minutes_and_no_longer() -> None:
    trial = Trial().load("up", [1, 0])
    assert trial.vector("up", -0.001) == []
    assert trial.vector("up", 9.999) == [("up", 1)]
    assert trial.vector("up", 10) == [("up", 0)]
    assert trial.vector("up", 310) == [("up", 0)]
    assert trial.vector("up", 310.001) == []


def test_the_lookback_can_be_set() -> None:
    trial = Trial(lookback_s=15).load("up", [1])
    assert trial.vector("up", 15) == [("up", 1)]
    assert trial.vector("up", 15.001) == []


def test_a_staleness_marker_ends_a_series_at_once() -> None:
    trial = Trial().load("up", [1, STALE, None, 1])
    assert trial.vector("up", 9) == [("up", 1)]
    assert trial.vector("up", 10) == []
    assert trial.vector("up", 29) == []
    assert trial.vector("up", 30) == [("up", 1)]
    assert trial.value("count_over_time(up[1m])", 30) == 2
    assert trial.window("up[1m]", 30) == {"up": [(0, 1), (30, 1)]}


def test_a_plain_nan_is_a_value() -> None:
    trial = Trial().load("x", [math.nan])
    assert math.isnan(trial.value("x"))
    assert trial.vector("x > 0") == []
    assert trial.vector("x <= 0") == []


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ('up{job="api"}', ["api"]),
        ('up{job!="api"}', ["auth", "db"]),
        ('up{job=~"a.*"}', ["api", "auth"]),
        ('up{job=~"a"}', []),
        ('up{job!~"a.*|x"}', ["db"]),
        ('up{other=""}', ["api", "auth", "db"]),
        ('up{other!=""}', []),
        ('{__name__=~"u.",job="db"}', ["db"]),
    ],
)
def test_matchers(selector: str, found: list[str]) -> None:
    trial = Trial()
    for job in ("db", "api", "auth"):
        trial.load(f"up{{job={job}}}", [1])
    assert [series for series, _ in trial.vector(selector)] == [f"up{{job={job}}}" for job in found]


class Hurried(SampleStore):
    """A store into which somebody wants to append just after a query has read from it for the first time."""

    writer: threading.Thread | None = None

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[StoredSeries]:
        found = super().select(matchers, start_ms, end_ms)
        if self.writer is None:
            self.writer = threading.Thread(target=self.append, args=("x", {}, T0 + 10, 2))
            self.writer.start()
            self.writer.join(0.05)
        return found


def test_a_query_sees_one_state() -> None:
    trial = Trial()
    trial.store = Hurried()
    trial.engine = Engine(trial.store)
    trial.load("x", [1])
    assert trial.value("sum(x) + sum(x)", 20) == 2
    assert trial.store.writer is not None
    trial.store.writer.join()
    assert trial.value("sum(x) + sum(x)", 20) == 4


def test_offset_and_at() -> None:
    trial = Trial().load("x", range(100))
    assert trial.value("x offset 1m", 500) == 44
    assert trial.value("x offset -1m", 500) == 56
    assert trial.value("x @ 1700000100", 500) == 10
    assert trial.value("x @ 1700000100 offset 50s", 500) == 5
    assert trial.matrix("x @ start() + 0 * x", 200, 300, 50) == {"": [(200, 20), (250, 20), (300, 20)]}
    assert trial.matrix("x @ end() + 0 * x", 200, 300, 50) == {"": [(200, 30), (250, 30), (300, 30)]}


def test_both_ends_of_a_range_count() -> None:
    trial = Trial().load("x", range(10))
    assert trial.window("x[20s]", 50) == {"x": [(30, 3), (40, 4), (50, 5)]}
    assert trial.window("x[19999ms]", 50) == {"x": [(40, 4), (50, 5)]}


def test_subqueries_step_on_multiples_of_their_step() -> None:
    trial = Trial(subquery_step_s=20).load("x", range(100))
    assert trial.window("x[1m:25s]", 110) == {"x": [(50, 5), (75, 7), (100, 10)]}
    assert trial.window("x[1m:]", 110) == {"x": [(60, 6), (80, 8), (100, 10)]}
    assert trial.value("max_over_time(rate(x[1m])[5m:10s])", 600) == pytest.approx(0.1)


def test_a_range_query_gives_what_instant_queries_give() -> None:
    trial = Trial().load("x{a=1}", [1, 5, None, None, 2, 9, 11, 3, 8]).load("x{a=2}", [None, 4, -7.5, 2, 0, 1, 1])
    for query in ("x", "sum(x)", "rate(x[30s])", "x > 3", "topk(1, x)", "x or vector(1)", "max_over_time(x[30s:7s])"):
        by_instant: dict[str, list[tuple[float, float]]] = {}
        for at_s in range(-10, 120, 10):
            for series, value in trial.vector(query, at_s):
                by_instant.setdefault(series, []).append((at_s, value))
        assert trial.matrix(query, -10, 119, 10) == by_instant, query


@pytest.mark.parametrize(
    ("start_s", "end_s", "step_s", "message"),
    [(10, 0, 1, "must not be before"), (0, 10, 0, "zero or negative"), (0, 11_001, 1, "maximum resolution of 11,000")],
)
def test_ranges_that_are_refused(start_s: float, end_s: float, step_s: float, message: str) -> None:
    with pytest.raises(BadQuery, match=message):
        Trial().matrix("x", start_s, end_s, step_s)


@pytest.mark.parametrize("query", ["x[1m]", '"text"'])
def test_only_scalars_and_instant_vectors_have_ranges(query: str) -> None:
    with pytest.raises(BadQuery, match="must be Scalar or instant Vector"):
        Trial().matrix(query, 0, 1, 1)
