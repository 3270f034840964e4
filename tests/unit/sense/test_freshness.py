from __future__ import annotations

import pytest

from homeostat.sense.envelope import Series
from homeostat.sense.freshness import freshness_queries, sampled_at
from homeostat.sense.promql import read_expression

AT = 1000.0


def newest(*times: str | None) -> float | None:
    answers = {str(place): [] if text is None else [Series({}, (AT, text))] for place, text in enumerate(times)}
    return sampled_at(answers, answers, AT)


def test_every_selector_is_asked_bare() -> None:
    expression = read_expression("rate(x{a='b'}[5m] offset 1h) / (y @ 100)")
    assert freshness_queries(expression) == ['max(timestamp(x{a="b"}))', "max(timestamp(y))"]


def test_the_oldest_of_the_newest_counts() -> None:
    assert newest("990", "970.5", "999") == 970.5


def test_selectors_without_samples_do_not_count_beside_one_that_has() -> None:
    assert newest(None, "990", None) == 990


def test_without_any_live_sample_there_is_no_sample_time() -> None:
    assert newest(None, None) is None


def test_without_selectors_the_evaluation_is_the_sample() -> None:
    assert newest() == AT


@pytest.mark.parametrize("lie", ["NaN", "+Inf", "-Inf", "1e999", "-5", "1002", "99999999", "x"])
def test_an_impossible_time_is_no_time(lie: str) -> None:
    assert newest(lie) is None
    assert newest("990", lie) is None


def test_rounding_ahead_is_forgiven_but_not_believed() -> None:
    assert newest("1000.0004") == AT


def test_two_answers_to_a_maximum_are_none() -> None:
    answers = {"q": [Series({}, (AT, "990")), Series({"a": "b"}, (AT, "991"))]}
    assert sampled_at(answers, answers, AT) is None
