from __future__ import annotations

import math

import pytest
from tests.unit.simulate.promql_trial import Trial

from homeostat.simulate.sandbox.promql import ExecutionFailed


@pytest.fixture
def shop() -> Trial:
    trial = Trial().load("pool{job=api}", [20]).load("pool{job=db}", [10]).load("up{job=api,host=a}", [1])
    for job, code, value in (("api", "200", 80), ("api", "500", 20), ("db", "200", 50)):
        trial.load(f"requests{{job={job},code={code}}}", [value])
    return trial


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("1 + 2 * 3", 7),
        ("2 ^ 3 ^ 2", 512),
        ("-1 ^ 2", -1),
        ("-7 % 3", -1),
        ("1 / 0", math.inf),
        ("-1 / 0", -math.inf),
        ("1 / -0", -math.inf),
        ("0 ^ -1", math.inf),
        ("(-2) ^ -1", -0.5),
        ("(-1e200) ^ 3", -math.inf),
        ("1 < bool 2", 1),
        ("NaN == bool NaN", 0),
        ("scalar(vector(3)) - time() + 1700000000", 3),
    ],
)
def test_scalars(query: str, value: float) -> None:
    assert Trial().scalar(query) == value


@pytest.mark.parametrize("query", ["0 / 0", "5 % 0", "Inf % 2", "(-8) ^ (1 / 3)", "scalar(nothing)", "Inf - Inf"])
def test_what_has_no_value_is_nan(query: str) -> None:
    assert math.isnan(Trial().scalar(query))


def test_arithmetic_drops_the_name_and_filters_keep_it(shop: Trial) -> None:
    assert shop.vector("pool * 2") == [("{job=api}", 40), ("{job=db}", 20)]
    assert shop.vector("pool > 15") == [("pool{job=api}", 20)]
    assert shop.vector("15 < pool") == [("pool{job=api}", 20)]
    assert shop.vector("pool > bool 15") == [("{job=api}", 1), ("{job=db}", 0)]
    assert shop.vector("-pool") == [("{job=api}", -20), ("{job=db}", -10)]
    assert shop.vector("100 - pool") == [("{job=api}", 80), ("{job=db}", 90)]


def test_vectors_match_by_all_labels_but_the_name(shop: Trial) -> None:
    assert shop.vector("pool / pool") == [("{job=api}", 1), ("{job=db}", 1)]
    assert shop.vector("pool + up") == []
    assert shop.vector("pool + ignoring (host) up") == [("{job=api}", 21)]
    assert shop.vector("pool + on (job) up") == [("{job=api}", 21)]
    assert shop.vector("pool > on (job) up") == [("{job=api}", 20)]
    assert shop.vector("pool != ignoring (host) up") == [("pool{job=api}", 20)]


def test_many_to_one(shop: Trial) -> None:
    expected = [("{code=200,job=api}", 4), ("{code=200,job=db}", 5), ("{code=500,job=api}", 1)]
    assert shop.vector("requests / on (job) group_left pool") == expected
    assert shop.vector("1 / (pool / on (job) group_right requests)") == expected
    assert shop.vector('requests{code="500"} * on (job) group_left (host) up') == [("{code=500,host=a,job=api}", 20)]
    assert shop.vector("pool < on (job) group_right requests") == [
        ("requests{code=200,job=api}", 20),
        ("requests{code=200,job=db}", 10),
    ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("pool + on (job) requests", "many-to-many matching not allowed"),
        ("requests + on (job) pool", "many-to-one matching must be explicit"),
        ("requests + on () group_left pool", "many-to-many matching not allowed"),
        ('{job="api",code=""} * 1', None),
        ('{__name__=~"pool|requests",code!="200"} + 0', None),
        ('{__name__=~"pool|up"} * on (job) group_left (host, missing) up', "unique matches"),
        ('label_replace(pool, "job", "x", "", "")', "same labelset"),
        ('abs(label_replace({job="api",code="200"} or pool, "code", "", "", ""))', "same labelset"),
        ('requests * on (job) group_left (code) label_replace(pool, "code", "x", "", "")', "unique matches"),
    ],
)
def test_ambiguous_matches_are_errors(shop: Trial, query: str, message: str | None) -> None:
    if message is None:
        shop.vector(query)
    else:
        with pytest.raises(ExecutionFailed, match=message):
            shop.vector(query)


def test_sets(shop: Trial) -> None:
    assert shop.vector("pool and on (job) up") == [("pool{job=api}", 20)]
    assert shop.vector("pool unless on (job) up") == [("pool{job=db}", 10)]
    assert shop.vector("up or pool") == [("up{host=a,job=api}", 1), ("pool{job=api}", 20), ("pool{job=db}", 10)]
    assert shop.vector("up or on (job) pool") == [("up{host=a,job=api}", 1), ("pool{job=db}", 10)]
    assert shop.vector("nothing or vector(0)") == [("", 0)]
    assert shop.vector("nothing and pool") == []
    assert len(shop.vector("pool and on () up")) == 2


def test_a_long_chain_is_no_deep_recursion(shop: Trial) -> None:
    marked = [f'label_replace(up, "__sig", "{number}", "", "")' for number in range(400)]
    assert len(shop.vector(" or ".join(marked))) == 400


def test_aggregations(shop: Trial) -> None:
    assert shop.vector("sum(requests)") == [("", 150)]
    assert shop.vector("sum by (job) (requests)") == [("{job=api}", 100), ("{job=db}", 50)]
    assert shop.vector("sum without (code) (requests)") == [("{job=api}", 100), ("{job=db}", 50)]
    assert shop.vector("avg by (code, nothing) (requests)") == [("{code=200}", 65), ("{code=500}", 20)]
    assert shop.vector("count by (__name__) (requests)") == [("requests", 3)]
    assert shop.vector("group(requests)") == [("", 1)]
    assert shop.vector("stdvar(requests)") == [("", 600)]
    assert shop.vector("quantile(0.5, requests)") == [("", 50)]
    assert shop.vector("sum(nothing)") == []
    assert shop.vector('count_values("v", requests > 30)') == [("{v=80}", 1), ("{v=50}", 1)]


def test_the_best_come_first(shop: Trial) -> None:
    assert [value for _, value in shop.vector("topk(2, requests)")] == [80, 50]
    assert [value for _, value in shop.vector("bottomk(2, requests)")] == [20, 50]
    assert shop.vector("topk by (job) (1, requests)") == [
        ("requests{code=200,job=api}", 80),
        ("requests{code=200,job=db}", 50),
    ]
    assert shop.vector("topk(0, requests)") == []
    with pytest.raises(ExecutionFailed, match="overflows int64"):
        shop.vector("topk(NaN, requests)")


def test_nan_comes_last_and_wins_nothing() -> None:
    trial = Trial().load("x{a=1}", [math.nan]).load("x{a=2}", [1]).load("x{a=3}", [2]).load("x{a=4}", [math.nan])
    for query, order in (("sort(x)", "23"), ("sort_desc(x)", "32"), ("topk(4, x)", "32"), ("bottomk(4, x)", "23")):
        series = [name for name, _ in trial.vector(query)]
        assert series[:2] == [f"x{{a={a}}}" for a in order], query
        assert len(series) == 4
    assert trial.value("max(x)") == 2
    assert trial.value("min(x)") == 1
    assert trial.vector("bottomk(1, x)") == [("x{a=2}", 1)]
