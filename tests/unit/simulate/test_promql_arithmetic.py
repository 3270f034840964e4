from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.simulate.sandbox.promql.arithmetic import (
    ARITHMETIC,
    compensated_sum,
    format_plain,
    format_value,
    larger,
    quantile,
    smaller,
)

anything = st.floats()
finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (1e-6, "0.000001"),
        (1e-7, "1e-07"),
        (-1.25e-10, "-1.25e-10"),
        (1e16, "10000000000000000"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_values_are_written_like_gos(value: float, text: str) -> None:
    assert format_value(value) == text


def test_scalars_never_have_an_exponent() -> None:
    assert format_plain(1e-7) == "0.0000001"
    assert format_plain(1e21) == "1000000000000000000000"


@given(anything)
def test_what_is_written_reads_back(value: float) -> None:
    for text in (format_value(value), format_plain(value)):
        assert float(text) == value or math.isnan(value)


@given(st.sampled_from(sorted(ARITHMETIC)), anything, anything)
def test_operators_are_total(symbol: str, left: float, right: float) -> None:
    assert isinstance(ARITHMETIC[symbol](left, right), float)


@pytest.mark.parametrize(
    ("symbol", "left", "right", "value"),
    [
        ("/", 1.0, -0.0, -math.inf),
        ("/", -0.0, 3.0, -0.0),
        ("%", -5.5, 2.0, -1.5),
        ("%", 5.0, math.inf, 5.0),
        ("^", -0.0, -3.0, -math.inf),
        ("^", -0.0, -2.0, math.inf),
        ("^", math.nan, 0.0, 1.0),
        ("^", 1.0, math.inf, 1.0),
        ("^", -10.0, 309.0, -math.inf),
        ("^", -10.0, 310.0, math.inf),
    ],
)
def test_the_edges_of_the_numbers(symbol: str, left: float, right: float, value: float) -> None:
    result = ARITHMETIC[symbol](left, right)
    assert (result, math.copysign(1, result)) == (value, math.copysign(1, value))


def test_infinity_wins_over_nan_in_its_own_direction() -> None:
    assert larger(math.nan, math.inf) == math.inf
    assert math.isnan(larger(math.nan, -math.inf))
    assert smaller(math.nan, -math.inf) == -math.inf
    assert math.isnan(smaller(1, math.nan))


@given(st.floats(0, 1), st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_a_quantile_lies_within_its_values(rank: float, values: list[float]) -> None:
    slack = 1e-6
    assert min(values) - slack <= quantile(rank, values) <= max(values) + slack
    assert quantile(0, values) == min(values)
    assert quantile(1, values) == max(values)


@given(st.lists(st.floats(-1e12, 1e12), max_size=30))
def test_the_compensated_sum_is_close_to_the_exact_one(values: list[float]) -> None:
    assert compensated_sum(values) == pytest.approx(math.fsum(values), rel=1e-12, abs=1e-12)
