from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.simulate.promql_trial import Trial

from homeostat.simulate.sandbox.promql import ExecutionFailed


def test_rate_extrapolates_to_the_ends_that_are_near() -> None:
    # Samples at 0..50 s, window 5..65 s: 10..50 s sampled, 5 s to the start, 15 s to the end (more than 1.1 * 10 s).
    trial = Trial().load("c", [100, 110, 120, 130, 140, 150])
    assert trial.value("increase(c[1m])", 65) == pytest.approx(40 * (40 + 5 + 5) / 40)
    assert trial.value("rate(c[1m])", 65) == pytest.approx(50 / 60)


def test_near_is_up_to_a_tenth_beyond_the_average_distance() -> None:
    trial = Trial().load("c", [100, 110, 120, 130])
    assert trial.value("increase(c[40900ms])", 40.9) == pytest.approx(30 * (30 + 10.9) / 30)
    assert trial.value("increase(c[41100ms])", 41.1) == pytest.approx(30 * (30 + 5) / 30)


def test_a_counter_is_not_extrapolated_below_zero() -> None:
    trial = Trial().load("c", [1, 11, 21], start_s=4)
    # 1 at 4 s would have been 0 one second before.
    assert trial.value("increase(c[28s])", 26) == pytest.approx(20 * (20 + 1 + 2) / 20)
    assert trial.value("delta(c[28s])", 26) == pytest.approx(20 * (20 + 6 + 2) / 20)


def test_counter_resets_add_up() -> None:
    trial = Trial().load("c", [50, 60, 5, 10, 2])
    assert trial.value("increase(c[40s])", 40) == pytest.approx(10 + 5 + 5 + 2)
    assert trial.value("delta(c[40s])", 40) == pytest.approx(-48)
    assert trial.value("resets(c[40s])", 40) == 2
    assert trial.value("irate(c[40s])", 40) == pytest.approx(0.2)
    assert trial.value("idelta(c[40s])", 40) == -8


@given(slope=st.floats(0, 1e6), start=st.floats(0, 1e9), samples=st.integers(3, 40))
def test_the_rate_of_a_line_is_its_slope(slope: float, start: float, samples: int) -> None:
    trial = Trial().load("c", [start + 1e9 + slope * 10 * number for number in range(samples)])
    assert trial.value(f"rate(c[{(samples - 1) * 10}s])", (samples - 1) * 10) == pytest.approx(
        slope, rel=1e-6, abs=1e-6
    )


@pytest.mark.parametrize("function", ["rate", "irate", "increase", "delta", "idelta", "deriv"])
def test_one_sample_is_not_enough(function: str) -> None:
    assert Trial().load("c", [1]).vector(f"{function}(c[1m])") == []


@pytest.mark.parametrize(
    ("function", "value"),
    [
        ("avg_over_time", 3),
        ("min_over_time", 1),
        ("max_over_time", 6),
        ("sum_over_time", 12),
        ("count_over_time", 4),
        ("last_over_time", 3),
        ("present_over_time", 1),
        ("stdvar_over_time", 3.5),
        ("stddev_over_time", math.sqrt(3.5)),
        ("changes", 3),
        ("deriv", 0.1),
    ],
)
def test_functions_of_a_window(function: str, value: float) -> None:
    assert Trial().load("x", [1, 2, 6, 3]).value(f"{function}(x[30s])", 30) == pytest.approx(value)


def test_nan_loses_against_every_number() -> None:
    trial = Trial().load("x", [math.nan, 3, math.nan, 2])
    assert trial.value("max_over_time(x[30s])", 30) == 3
    assert trial.value("min_over_time(x[30s])", 30) == 2
    assert math.isnan(trial.value("sum_over_time(x[30s])", 30))
    assert trial.value("changes(x[30s])", 30) == 3


def test_an_average_of_infinities_stays_infinite() -> None:
    trial = Trial().load("x", [1, math.inf, 2, math.inf]).load("y", [math.inf, -math.inf])
    assert trial.value("avg_over_time(x[30s])", 30) == math.inf
    assert math.isnan(trial.value("avg_over_time(y[30s])", 30))


def test_sums_are_compensated() -> None:
    trial = Trial().load("x", [1e100, 1.0, -1e100, 1.0])
    assert trial.value("sum_over_time(x[30s])", 30) == 2


def test_only_last_over_time_keeps_the_name() -> None:
    trial = Trial().load("x{a=1}", [1, 2])
    assert trial.vector("last_over_time(x[1m])", 10) == [("x{a=1}", 2)]
    assert trial.vector("max_over_time(x[1m])", 10) == [("{a=1}", 2)]


def test_names_that_fall_together_are_an_error_even_at_different_steps() -> None:
    trial = Trial().load("x{a=1}", [1, 2]).load("y{a=1}", [1, 2], start_s=5000)
    assert trial.vector('delta({a="1"}[10s])', 10) == [("{a=1}", 1)]
    for query in ('delta({a="1"}[10s])', '-{a="1"}'):
        with pytest.raises(ExecutionFailed, match="same labelset"):
            trial.matrix(query, 0, 6000, 10)


def test_absent_over_time_speaks_when_nothing_else_does() -> None:
    trial = Trial().load("x", [1])
    assert trial.vector("absent_over_time(x[1m])", 60) == []
    assert trial.vector('absent_over_time(x{a="b"}[1m])', 60) == [("{a=b}", 1)]
    assert trial.vector("absent_over_time(x[1m])", 61) == [("", 1)]


def test_quantile_over_time_interpolates() -> None:
    trial = Trial().load("x", [4, 1, 3, 2])
    assert trial.value("quantile_over_time(0.5, x[30s])", 30) == 2.5
    assert trial.value("quantile_over_time(2, x[30s])", 30) == math.inf
    assert math.isnan(trial.value("quantile_over_time(NaN, x[30s])", 30))
