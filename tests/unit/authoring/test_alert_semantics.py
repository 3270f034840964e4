"""An imported trigger is true exactly when the alert fires, false while its series are there, and else unknown."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.simulate.promql_trial import T0, Trial

from homeostat.authoring.alert_policy import policies_of_rules
from homeostat.authoring.alert_rules import read_rule_file
from homeostat.model.policy import Policy
from homeostat.model.signals import Snapshot, Truth, Value
from homeostat.policy.load import load_policy_sources
from homeostat.sense.envelope import Series
from homeostat.sense.freshness import freshness_queries
from homeostat.sense.inquiry import Findings
from homeostat.sense.promql import read_expression
from homeostat.sense.readings import make_reading
from homeostat.simulate.sandbox.promql import ScalarResult, VectorResult

AT_S = 600
EXACT = [
    "a > 5",
    "a >= 5",
    "5 < a",
    "a < 5",
    "(a <= -1)",
    "a == 0",
    "a != 5",
    "a > 2 * 2.5",
    "sum(a) > 5",
    "sum(a) == 5",
    "min(a) != 5",
    "max by (x) (a) > 5",
    "avg without (x) (a) < 3",
    "-a > 1",
    "a - 1 > 4",
    "abs(a) > 5",
    "count(a) < 2",
    "sum(a > 1) > 5",
    "a > bool 5",
    "a > 5 > 3",
    "a > 5 < 7",
    "a > 5 and b < 3",
    "a > 5 or b > 5",
    "a > 5 unless b > 5",
    "a / 2 > 2",
    "a / -(2 - 1) < -5",
    "a / b > 1",
    "a / b < 1",
    "a > b",
    "a > scalar(sum(b))",
    "max_over_time(a[1m]) > 5",
    "rate(a[5m]) > 0",
    "topk(1, a) > 5",
    "quantile(0.5, a) > 5",
    "a offset 1m > 5",
    'a{x="p"} > 5 # only one',
    "a > 5 and on() sum(b) > 5",
]
DIVIDED = ["sum(a) / sum(b) > 1", "sum(a) / sum(b) < 1", "1 / sum(a) > 0.1"]
samples = st.one_of(st.sampled_from([0.0, 5.0, -1.0, 1.0, math.nan]), st.floats(-10, 10))
worlds = st.fixed_dictionaries({name: st.none() | samples for name in ("a{x=p}", "a{x=q}", "b{x=p}", "b{x=q}")})


@functools.cache
def imported(expr: str, *, rest: str = "") -> Policy:
    indented = expr.replace("\n", "\n      ")
    rule = f"groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |-\n      {indented}\n{rest}"
    written = policies_of_rules(read_rule_file(rule, "rules.yml"), source="rules.yml")
    return load_policy_sources(written.files, "A.homeostat.yaml")


def world(series: dict[str, float | None]) -> Trial:
    trial = Trial()
    for name, value in series.items():
        trial.load(name, [value] * 11, every_s=60)
    return trial


def fires(trial: Trial, expr: str) -> bool:
    """As Prometheus sees it: any series, whatever its value; a scalar always is one."""
    result = trial.engine.instant(expr, (T0 + AT_S) * 1000)
    return isinstance(result, ScalarResult) or (isinstance(result, VectorResult) and bool(result.elements))


def values(trial: Trial, policy: Policy) -> dict[str, Value]:
    """As the sensor reads them: one finite value of a live sample, or nothing."""
    readings = {}
    for name, spec in policy.signals.items():
        expression = read_expression(spec.expr)
        findings = Findings(answered=True)
        for query in (expression.query, *freshness_queries(expression)):
            findings.series[query] = list(answered(trial, query))
        readings[name] = make_reading(spec, expression, findings, T0 + AT_S)
    return Snapshot(at=T0 + AT_S, readings=readings).values(policy.signals, T0 + AT_S)


def answered(trial: Trial, query: str) -> Iterable[Series]:
    result = trial.engine.instant(query, (T0 + AT_S) * 1000)
    assert isinstance(result, VectorResult)
    for labels, value in result.elements:
        text = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else repr(value))
        yield Series(dict(labels), (T0 + AT_S, text))


def trigger(trial: Trial, policy: Policy) -> Truth:
    return policy.trigger.condition.evaluate(values(trial, policy))


def resolved(trial: Trial, policy: Policy) -> Truth:
    return policy.resolved.condition.evaluate(values(trial, policy))


@pytest.mark.parametrize("expr", EXACT)
@settings(max_examples=12, deadline=None)
@given(series=worlds)
def test_the_trigger_is_true_exactly_when_the_alert_fires(expr: str, series: dict[str, float | None]) -> None:
    policy, trial = imported(expr), world(series)
    assert (trigger(trial, policy) is True) == fires(trial, expr)


@pytest.mark.parametrize("expr", [*EXACT, *DIVIDED])
@settings(max_examples=8, deadline=None)
@given(series=worlds)
def test_nothing_is_resolved_while_the_alert_fires(expr: str, series: dict[str, float | None]) -> None:
    policy, trial = imported(expr), world(series)
    if fires(trial, expr):
        assert resolved(trial, policy) is not True


@pytest.mark.parametrize("expr", DIVIDED)
@settings(max_examples=40, deadline=None)
@given(series=worlds)
def test_a_division_differs_only_where_it_has_no_finite_value(expr: str, series: dict[str, float | None]) -> None:
    policy, trial = imported(expr), world(series)
    told = trigger(trial, policy)
    if told is None:
        undivided = answered(trial, expr.rpartition(" > ")[0] or expr.rpartition(" < ")[0])
        numbers = [one.number() for one in undivided]
        assert not numbers or not math.isfinite(numbers[0] or 0.0)
    else:
        assert told == fires(trial, expr)


@pytest.mark.parametrize("expr", [expr for expr in EXACT if "bool" not in expr])
def test_all_is_well_is_false_and_not_unknown(expr: str) -> None:
    calm = next(
        series
        for a in (3.0, 9.0, 0.0, 5.0)
        for b in (9.0, 2.0, -9.0)
        for series in ({"a{x=p}": a, "b{x=p}": b}, {"a{x=p}": a, "a{x=q}": 1.0, "b{x=p}": b, "b{x=q}": b})
        if not fires(world(dict(series)), expr)
    )
    policy, trial = imported(expr), world(dict(calm))
    assert trigger(trial, policy) is False
    assert resolved(trial, policy) is True


@pytest.mark.parametrize("expr", EXACT)
def test_no_data_at_all_is_unknown_and_resolves_nothing(expr: str) -> None:
    policy, trial = imported(expr), world({})
    assert trigger(trial, policy) is None
    assert resolved(trial, policy) is not True


def test_absence_needs_a_witness() -> None:
    expr = 'absent(a{x="p"})'
    policy = imported(expr)
    gone, blind = world({"up{job=j}": 1.0}), world({})
    assert fires(gone, expr)
    assert trigger(gone, policy) is True
    assert resolved(gone, policy) is not True
    assert fires(blind, expr)
    assert trigger(blind, policy) is None, "without anything scraped, nobody can say that it is gone"
    back = world({"up{job=j}": 1.0, "a{x=p}": 1.0})
    assert trigger(back, policy) is False
    assert resolved(back, policy) is True


@pytest.mark.parametrize("expr", ["vector(1)", "1", "1 > bool 2"])
def test_an_alert_that_always_fires_does_so_and_never_resolves(expr: str) -> None:
    policy, trial = imported(expr), world({})
    assert fires(trial, expr)
    assert trigger(trial, policy) is True
    assert resolved(trial, policy) is False


def test_for_and_keep_firing_for_become_the_windows() -> None:
    policy = imported("a > 5", rest="    for: 5m\n    keep_firing_for: 1h30m\n")
    assert policy.trigger.for_s == 300
    assert policy.resolved.for_s == 5400
    assert imported("a > 5").trigger.for_s == 0
    assert imported("a > 5", rest="    for: 1w\n").trigger.for_s == 7 * 86400
