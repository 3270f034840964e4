import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.policy.units import format_number, format_reading, format_seconds, parse_duration, parse_quantity


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("0", 0.0),
        ("1.5h", 5400.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "m", "30s1m", "1m1m", "-5s", "5 m", "5M", "1:30", "1e3s", "٣s", "31d", "9" * 41 + "s"]
)
def test_what_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|longer than 30d"):
        parse_duration(text)


@given(st.integers(0, 30 * 86_400_000 - 1))
def test_written_seconds_read_back(milliseconds: int) -> None:
    assert parse_duration(format_seconds(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@given(st.integers(0, 10_000))
def test_a_percentage_is_the_nearest_float_to_its_fraction(percent: int) -> None:
    assert parse_quantity(f"{percent}%") == percent / 100


@given(st.text(alphabet="0123456789.eE+-%smhdkMG ", max_size=30))
def test_a_quantity_is_a_float_or_an_error(text: str) -> None:
    try:
        value = parse_quantity(text)
    except ValueError:
        return
    assert value >= 0.0


@given(st.floats(0.0, allow_nan=False, allow_infinity=False) | st.integers(0, 10**13).map(float))
def test_a_written_number_reads_back_exactly(value: float) -> None:
    assert parse_quantity(format_number(value)) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [(2e7, "20M"), (1.5e6, "1.5M"), (3e9, "3G"), (20_000_001.0, "20000001"), (0.05, "0.05"), (5e-05, "0.00005")],
)
def test_numbers_are_written_as_authors_do(value: float, written: str) -> None:
    assert format_number(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(12594.37, "12594"), (0.123456, "0.1235"), (-20_000_000.2, "-20M"), (3.0, "3"), (math.inf, "inf"), (0.0, "0")],
)
def test_readings_are_rounded_and_have_no_exponent(value: float, written: str) -> None:
    assert format_reading(value) == written
