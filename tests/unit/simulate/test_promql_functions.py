from __future__ import annotations

import math

import pytest
from tests.unit.simulate.promql_trial import T0, Trial

from homeostat.simulate.sandbox.promql import BadQuery, ExecutionFailed


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("abs(x)", 2.5),
        ("ceil(x)", -2),
        ("floor(x)", -3),
        ("round(x)", -2),
        ("round(x, 2)", -2),
        ("clamp(x, -1, 1)", -1),
        ("clamp_min(x, 0)", 0),
        ("clamp_max(x, -5)", -5),
        ("exp(x * 0)", 1),
        ("exp(x * -1e6)", math.inf),
        ("ln(x * 0)", -math.inf),
        ("log2(x * 0 + 8)", 3),
        ("log10(x * 0 + 100)", 2),
        ("sqrt(x * x)", 2.5),
        ("sgn(x)", -1),
        ("vector(time())", T0 + 7),
        ("timestamp(x)", T0),
        ("timestamp(x * 1)", T0 + 7),
        ("timestamp(x offset 2s)", T0),
    ],
)
def test_values(query: str, value: float) -> None:
    assert Trial().load("x", [-2.5]).value(query, 7) == value


@pytest.mark.parametrize("query", ["sqrt(x)", "ln(x)", "round(x, 0)", "clamp(x, NaN, 1)", "clamp_min(x, NaN)"])
def test_outside_its_domain_a_function_gives_nan(query: str) -> None:
    assert math.isnan(Trial().load("x", [-2.5]).value(query))


def test_crossed_bounds_clamp_to_nothing() -> None:
    assert Trial().load("x", [1]).vector("clamp(x, 2, 1)") == []


def test_ceil_keeps_the_sign_of_zero() -> None:
    assert math.copysign(1, Trial().load("x", [-0.5]).value("ceil(x)")) == -1


def test_absent_names_what_is_missing() -> None:
    trial = Trial().load("up", [1])
    assert trial.vector("absent(up)") == []
    assert trial.vector('absent(up{job="a",zone=~"b",job!="c"})') == [("", 1)]
    assert trial.vector('absent(up{job="a",zone=~"b"})') == [("{job=a}", 1)]
    assert trial.vector('absent(up{job="a",job="b",zone="c"})') == [("{zone=c}", 1)]
    assert trial.vector("absent(sum(nothing))") == [("", 1)]


@pytest.mark.parametrize(
    ("arguments", "series"),
    [
        ('"x", "$1", "host", "(.*):.*"', "up{host=db:80,x=db}"),
        ('"x", "${1}b$$$2c", "host", "(.)b:(.*)"', "up{host=db:80,x=db$}"),
        ('"x", "${port}!", "host", ".*:(?P<port>.*)"', "up{host=db:80,x=80!}"),
        ('"x", "$0", "host", "db"', "up{host=db:80}"),
        ('"host", "", "host", ".*"', "up"),
        ('"__sig", "3", "", ""', "up{__sig=3,host=db:80}"),
        ('"__name__", "down", "", ""', "down{host=db:80}"),
    ],
)
def test_label_replace(arguments: str, series: str) -> None:
    assert Trial().load("up{host=db:80}", [1]).vector(f"label_replace(up, {arguments})") == [(series, 1)]


@pytest.mark.parametrize(
    "query",
    ['label_replace(up, "a-b", "", "", "")', 'label_replace(up, "a", "", "b", "(")', 'label_join(up, "a", "", "1")'],
)
def test_wrong_arguments_fail_in_execution(query: str) -> None:
    with pytest.raises(ExecutionFailed, match="invalid"):
        Trial().vector(query)


def test_label_join() -> None:
    trial = Trial().load("up{a=1,b=2}", [1])
    assert trial.vector('label_join(up, "c", "-", "a", "nothing", "b")') == [("up{a=1,b=2,c=1--2}", 1)]


def histogram(counts: dict[str, float]) -> Trial:
    trial = Trial()
    for bound, count in counts.items():
        trial.load(f"h{{le={bound}}}", [count])
    return trial


@pytest.mark.parametrize(
    ("counts", "rank", "value"),
    [
        ({"1": 10, "2": 20, "+Inf": 20}, 0.5, 1),
        ({"1": 10, "2": 20, "+Inf": 20}, 0.75, 1.5),
        ({"1": 10, "2": 20, "+Inf": 20}, 0.25, 0.5),
        ({"1": 10, "2": 20, "+Inf": 40}, 0.9, 2),
        ({"-1": 10, "2": 20, "+Inf": 20}, 0.1, -1),
        ({"1": 10, "2": 8, "+Inf": 12}, 0.75, 0.9),
        ({"1": 10, "1.0": 10, "+Inf": 40}, 0.25, 0.5),
        ({"1": 10, "+Inf": 10}, 2, math.inf),
        ({"1": 10, "+Inf": 10}, -1, -math.inf),
        ({"1": 10, "2": 20}, 0.5, math.nan),
        ({"+Inf": 20}, 0.5, math.nan),
        ({"1": 0, "+Inf": 0}, 0.5, math.nan),
    ],
)
def test_histogram_quantile(counts: dict[str, float], rank: float, value: float) -> None:
    assert histogram(counts).value(f"histogram_quantile({rank}, h)") == pytest.approx(value, nan_ok=True)


def test_what_is_no_bucket_is_passed_over() -> None:
    assert histogram({"junk": 3, "1_0": 2}).vector("histogram_quantile(0.5, h)") == []
    with pytest.raises(BadQuery, match="not supported by the sandbox"):
        histogram({"NaN": 3}).vector("histogram_quantile(0.5, h)")
