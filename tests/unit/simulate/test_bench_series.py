from __future__ import annotations

import pytest

from homeostat.model.signals import Absence, SignalSpec, Snapshot
from homeostat.simulate.bench.series import MISSING, Sample, parse_series
from homeostat.simulate.bench.stage import reading


def values(written: object, count: int, *, is_text: bool = False) -> list[object]:
    series = parse_series(written, is_text=is_text)
    samples = [series.at(index * 30.0, 30.0) for index in range(count)]
    return [sample.absence or sample.value for sample in samples]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("96%x2 1", [0.96, 0.96, 0.96, 1.0, 1.0]),
        ("1+0.5x3", [1.0, 1.5, 2.0, 2.5, 2.5]),
        ("5-2x2", [5.0, 3.0, 1.0, 1.0, 1.0]),
        ("-1+1x1 1h30m", [-1.0, 0.0, 5400.0, 5400.0, 5400.0]),
        ("0 0 _ 5", [0.0, 0.0, Absence.MISSING, 5.0, 5.0]),
        ("_x2 3", [Absence.MISSING, Absence.MISSING, 3.0, 3.0, 3.0]),
        ("2 stalex2 nan", [2.0, Absence.STALE, Absence.STALE, Absence.NAN, Absence.NAN]),
        (7, [7.0] * 5),
        ("5M", [5e6] * 5),
        ({"0s": "8%", "1m": "0.5% _"}, [0.08, 0.08, 0.005, Absence.MISSING, Absence.MISSING]),
        ({"1m": 1}, [Absence.MISSING, Absence.MISSING, 1.0, 1.0, 1.0]),
    ],
)
def test_numbers(written: object, expected: list[object]) -> None:
    assert values(written, 5) == expected


def test_text_is_what_it_says() -> None:
    assert values("after hours", 1, is_text=True) == ["after hours"]
    assert values("8%", 1, is_text=True) == ["8%"]
    assert values("_", 1, is_text=True) == [Absence.MISSING]
    assert values({"0s": "closed", "30s": "open"}, 3, is_text=True) == ["closed", "open", "open"]


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("high", "no sample"),
        ("8%%", "no sample"),
        ("1+2", "how often; write 1\\+2x10"),
        ("1x9999999", "no sample"),
        ("1x999999", "at most 100000"),
        ("3q", "no sample"),
        ("1s1h", "only times compose"),
        (True, "true and false"),
        (None, "a sample is"),
        ("", "a sample is"),
        ({}, "mapping from times"),
        ({"1m": 1, "0s": 2}, "ascend"),
        ({"soon": 1}, "not a duration"),
        ("1 " * 6000, "at most 10000 characters"),
    ],
)
def test_what_is_wrong_is_said(written: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_series(written, is_text=False)


def test_a_number_is_no_text() -> None:
    with pytest.raises(ValueError, match="in quotes"):
        parse_series(3, is_text=True)


def test_a_stale_sample_is_there_and_too_old() -> None:
    spec = SignalSpec("errors", "up", 60.0)
    stale = parse_series("4 stale", is_text=False).at(30.0, 30.0)
    found = Snapshot(1000.0, {"errors": reading(stale, spec, 1000.0)})
    assert found.absence(spec, 1000.0) is Absence.STALE
    assert found.readings["errors"].value == 4.0
    assert found.values({"errors": spec}, 1000.0) == {"errors": None}
    assert reading(MISSING, spec, 0.0).absence is Absence.MISSING
    assert reading(Sample(1.0), spec, 5.0).sampled_at == 5.0


def test_changes_end() -> None:
    assert parse_series("8%", is_text=False).changes_for_s(30.0) == 0.0
    assert parse_series("8%x3 1", is_text=False).changes_for_s(30.0) == 120.0
    assert parse_series({"0s": 1, "5m": "2 3"}, is_text=False).changes_for_s(30.0) == 330.0
