from __future__ import annotations

import pytest
from tests.unit.simulate.promql_trial import Trial

from homeostat.simulate.sandbox.promql import BadQuery, ExecutionFailed, NotSupported
from homeostat.simulate.sandbox.promql.calls import CALLS
from homeostat.simulate.sandbox.promql.guard import BRACKET_DEPTH_MAX, OPERATORS_MAX, QUERY_LENGTH_MAX


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("day_of_month()", "the function day_of_month()"),
        ("predict_linear(up[1m], 5)", "the function predict_linear()"),
        ("sum(sin(up))", "the function sin()"),
        ("timestamp(up @ 10 offset 5m)", "timestamp() of a selector with both @ and offset"),
        ("up atan2 up", "the operator 'atan2'"),
        ("limitk(2, up)", "the aggregation limitk()"),
        ("up + fill(0) up", "fill()"),
        ('up{a="1" or b="2"}', "`or` between label matchers"),
        ("up @ -1", "@ with a time before 1970"),
        ('up{a=~"(a+)+"}', "a repeated group that itself branches or repeats"),
        ('label_replace(up, "a", "", "b", "[[:alpha:]]")', "a named class"),
        ("(" * (BRACKET_DEPTH_MAX + 1) + "up" + ")" * (BRACKET_DEPTH_MAX + 1), "nested brackets"),
        ("up" + " or up" * (OPERATORS_MAX + 1), "operators in one query"),
        ("up" + " " * QUERY_LENGTH_MAX, "a query of 262146 characters"),
        ("-" * 1500 + "up", "an expression nested this deeply"),
        ("+".join(["1"] * 1500), "an expression nested this deeply"),
    ],
)
def test_what_is_outside_the_subset_is_refused_by_name(query: str, what: str) -> None:
    with pytest.raises(NotSupported, match=r"^not supported by the sandbox: ") as raised:
        Trial().load("up", [1]).vector(query)
    assert what in str(raised.value)


def test_operators_in_strings_and_comments_do_not_count() -> None:
    query = 'up{a!="' + "(" * 5000 + '"} # ' + "+" * 5000
    assert Trial().load("up", [1]).vector(query) == [("up", 1)]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "up{",
        "sum(",
        "rate(up)",
        "1 > 2",
        "up and 1",
        "{}",
        "foo(up)",
        "up @ 1e14",
        "up @ 1e300",
        "up[99999999y]",
        '"',
    ],
)
def test_what_is_no_promql_is_bad_data(query: str) -> None:
    with pytest.raises(BadQuery, match="parse error") as raised:
        Trial().vector(query)
    assert not isinstance(raised.value, NotSupported)
    assert (raised.value.status, raised.value.error_type) == (400, "bad_data")


def test_a_query_that_touches_too_much_is_stopped() -> None:
    trial = Trial(samples_max=1000).load("x", range(500))
    assert trial.value("count_over_time(x[1h])", 4990) == 361
    for query in ("sum_over_time(x[2h]) + sum_over_time(x[2h]) + sum_over_time(x[2h])", "vector(1)[1d:1ms]"):
        with pytest.raises(ExecutionFailed, match="too many samples") as raised:
            trial.vector(f"count_over_time({query})" if query.endswith("]") else query, 4990)
        assert (raised.value.status, raised.value.error_type) == (422, "execution")


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_function_of_the_table_is_one_of_the_parsers(name: str) -> None:
    with pytest.raises(BadQuery) as raised:
        Trial().vector(f"{name}(1, 2, 3, 4, 5, 6)")
    assert "unknown function" not in str(raised.value)
