from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.authoring.alert_expression import Form, read_alert_expression
from homeostat.authoring.alert_policy import policies_of_rules
from homeostat.authoring.alert_rules import read_rule_file, readable
from homeostat.authoring.workspace_files import Written, put
from homeostat.model.errors import PolicyError, UsageError
from homeostat.model.policy import Policy
from homeostat.policy.lint import lint_all
from homeostat.policy.load import load_policy, policy_paths

RULES = """\
groups:
- name: shop
  interval: 2m
  rules:
  - record: job:requests:rate5m
    expr: sum by (job) (rate(requests_total[5m]))
  - alert: HighErrorRate
    expr: sum(rate(errors_total[5m])) / sum(rate(requests_total[5m])) > 0.05
    for: 5m
    keep_firing_for: 10m
    labels: {severity: page, team: payments}
    annotations:
      summary: 'Errors on {{ $labels.job }} are {{ $value | humanizePercentage }}'
      runbook_url: https://runbooks.example/errors
  - alert: InstanceDown
    expr: up{job="api"} == 0
    labels: {severity: warning}
  - alert: InstanceDown
    expr: up{job="db"} == 0
    labels: {severity: critical}
"""


def imported(text: str, alert: str | None = None) -> Written:
    return policies_of_rules(read_rule_file(text, "rules.yml", alert), source="rules.yml")


def written(folder: Path, text: str) -> dict[str, Policy]:
    put(imported(text).files, folder)
    return {path.name.partition(".")[0]: load_policy(path) for path in policy_paths(folder)}


def test_every_alert_becomes_a_policy_and_a_recording_rule_is_told_of(tmp_path: Path) -> None:
    policies = written(tmp_path, RULES)
    assert sorted(policies) == ["HighErrorRate", "InstanceDown", "InstanceDown-critical"]
    assert any(
        "rules.yml:5:5: the recording rule 'job:requests:rate5m' is passed over" in n for n in imported(RULES).notes
    )
    high = policies["HighErrorRate"]
    assert high.trigger.condition.text == "high_error_rate > 0.05"
    assert (high.trigger.for_s, high.resolved.for_s) == (300, 600)
    assert high.owner == high.escalate.to == "payments"
    assert high.escalate.severity == "critical"
    assert high.escalate.message == "Errors on <job> are <value>"
    (step,) = high.leaves.values()
    assert step.is_manual
    assert "https://runbooks.example/errors" in str(step.action.parameters["instructions"])
    assert policies["InstanceDown"].escalate.severity == "warning"
    assert high.signals["high_error_rate"].max_age_s == 240, "two evaluations of the group"


def test_the_policies_lint_without_a_finding(tmp_path: Path) -> None:
    written(tmp_path, RULES)
    reports = lint_all(policy_paths(tmp_path), today=date(2026, 11, 27))
    assert len(reports) == 3
    assert [finding for report in reports for finding in report.findings] == []


def test_nothing_that_exists_is_touched(tmp_path: Path) -> None:
    (tmp_path / "signals.yaml").write_text("x: up\n")
    with pytest.raises(UsageError, match="exists already"):
        put(imported(RULES).files, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["signals.yaml"]


def test_a_rule_of_the_operator_is_read_too() -> None:
    nested = yaml.safe_dump({"kind": "PrometheusRule", "spec": yaml.safe_load(RULES)})
    assert len(imported(nested).files) == 4


def test_one_alert_can_be_picked_and_the_nearest_is_named() -> None:
    assert len(imported(RULES, "HighErrorRate").files) == 2
    with pytest.raises(PolicyError, match="no alert is named 'HighErorRate'; did you mean 'HighErrorRate'"):
        imported(RULES, "HighErorRate")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "rules.yml:1:1: E100"),
        ("groups: [", "rules.yml:2:1: E101"),
        ("groups: &a []\n", "E102"),
        ("rules: []\n", "rules.yml:1:1: E111"),
        ("groups: 5\n", "E111"),
        ("groups: [5]\n", "rules.yml:1:10: E112"),
        ("groups: [{rules: [5]}]\n", "rules.yml:1:19: E112"),
        ("groups: [{rules: []}]\n", "it holds no alerting rule"),
        ("groups: [{rules: [{expr: up}]}]\n", "E111 an alerting rule has a name"),
        ("groups: [{rules: [{alert: A}]}]\n", "E111 a rule has PromQL under 'expr', not nothing"),
        ("groups: [{rules: [{alert: A, expr: up, fro: 5m}]}]\n", "rules.yml:1:40: E110 an alerting rule has no key"),
        ("groups: [{rules: [{alert: A, expr: up, for: 5}]}]\n", "rules.yml:1:45: E113 5 is not a duration"),
        ("groups: [{rules: [{alert: A, expr: up, for: 9y}]}]\n", "E113 '9y' is longer than 30d"),
        (f"groups: [{{rules: [{{alert: A, expr: up, for: {'9' * 5000}y}}]}}]\n", "E113"),
        ("groups: [{rules: [{alert: A, expr: up, labels: [x]}]}]\n", "rules.yml:1:48: E112"),
        ("groups: [{rules: [{alert: A, expr: up, labels: {x: [y]}}]}]\n", "E112 text is wanted"),
        ("groups: [{rules: [{alert: A, expr: 'up >'}]}]\n", "rules.yml:1:36: E134"),
        ("groups: [{rules: [{alert: A, expr: 'up[5m]'}]}]\n", "rules.yml:1:36: E134"),
        ("groups: [{rules: [{alert: A, expr: '\"text\"'}]}]\n", "rules.yml:1:36: E134"),
        (f"groups: [{{rules: [{{alert: A, expr: 'up{' + up' * 500}'}}]}}]\n", "longer than the 2000 characters"),
        (f"groups: [{{rules: [{{alert: A, expr: '{'(' * 100}up{')' * 100}'}}]}}]\n", "E134"),
        ("groups:\n- rules:\n" + "  - {alert: A, expr: up}\n" * 501, "rules.yml:503:5: E104"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_its_place(text: str, expected: str) -> None:
    with pytest.raises(PolicyError) as caught:
        imported(text)
    assert expected in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    text = "groups: [{rules: [{alert: A, expr: 'up >', for: x}, {alert: B, expr: up, for: y}]}]\n"
    with pytest.raises(PolicyError) as caught:
        imported(text)
    assert len(caught.value.problems) == 2


def test_templates_become_words() -> None:
    assert (
        readable("{{ $labels.pod }} in {{$labels.ns}} is at {{ $value | humanize }}") == "<pod> in <ns> is at <value>"
    )
    assert readable("{{ .Labels.x }} {{ if gt 1.0 2.0 }}y{{ end }}") == "<x> <...>y<...>"
    assert readable("{{" * 5000) == "{{" * 5000


def test_the_value_is_kept_where_that_is_safe() -> None:
    safe = read_alert_expression("sum(a) > 5")
    assert (safe.form, safe.expr, safe.comparison, safe.limit) == (Form.VALUE, "sum(a)", ">", 5.0)
    assert read_alert_expression("5 < max by (x) (a)").expr == "max(max by (x) (a))"
    assert read_alert_expression("a < 1").expr == "min(a)"
    for unsafe in ("a == 0", "a != 1", "a / b > 1", "a > 5 > 3", "a > bool 5", "a > b", "a and b > 1", "absent(a) > 0"):
        assert read_alert_expression(unsafe).form is Form.COUNT, unsafe


QUANTILE = "histogram_quantile(0.99, sum by ({labels}) (rate(latency_bucket[5m]))) > 2"


@pytest.mark.parametrize(
    ("expr", "yields_many"),
    [
        (QUANTILE.format(labels="le"), False),
        (QUANTILE.format(labels="le, job"), True),
        ("histogram_quantile(0.99, sum(rate(latency[5m]))) > 2", False),
        ("histogram_quantile(0.99, rate(latency_bucket[5m])) > 2", True),
        ("histogram_quantile(0.99, sum without (job) (rate(latency_bucket[5m]))) > 2", True),
    ],
)
def test_a_quantile_over_buckets_alone_is_one_series(expr: str, yields_many: bool) -> None:
    assert read_alert_expression(expr).yields_many is yields_many


def notes_of(expr: str) -> str:
    return "\n".join(imported(f"groups: [{{rules: [{{alert: A, expr: '{expr}'}}]}}]\n").notes)


@pytest.mark.parametrize(
    "expr", ["vector(1)", "1", "-1", "1 > bool 2", "vector(1) * 2", "up or vector(1)", "(vector(1))"]
)
def test_an_alert_that_always_fires_is_told_to(expr: str) -> None:
    assert "this always fires, like a Watchdog" in notes_of(expr)


@pytest.mark.parametrize(
    "expr", ["up", "vector(1) > 2", "up and vector(1)", "up > bool 1", "absent(up)", "sum(up) > 1"]
)
def test_one_that_may_be_silent_is_not(expr: str) -> None:
    assert "always fires" not in notes_of(expr)


def test_the_evidence_of_several_selectors_is_called_what_it_is() -> None:
    def signals(expr: str) -> str:
        return imported(f"groups: [{{rules: [{{alert: A, expr: '{expr}'}}]}}]\n").files["signals.yaml"]

    assert "# The product of the counts of what it reads" in signals("a and b and c")
    assert "count(a) * count(b) * count(c)" in signals("a and b and c")
    assert "# How many series it reads." in signals("a == 1")


def test_names_that_mean_something_in_conditions_or_yaml_are_kept_apart(tmp_path: Path) -> None:
    names = ["known", "Min", "lambda", "true", "null", "12", "Ünïcode", "...", "A B"]
    rules_text = "".join(f"  - {{alert: '{name}', expr: up > 1}}\n" for name in names)
    policies = written(tmp_path, f"groups:\n- rules:\n{rules_text}")
    assert len(policies) == len(names)


def test_signs_inside_strings_and_comments_are_no_comparison() -> None:
    reading = read_alert_expression('a{x="y > 1"} # z > 2\n> 3 # w > 4')
    assert (reading.form, reading.limit) == (Form.VALUE, 3.0)
    assert 'a{x="y > 1"}' in reading.expr


texts = st.text(max_size=60)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
expressions = st.one_of(
    texts, st.sampled_from(["up", "a > 5", "absent(a)", "a / b > 1", "1", "a[5m]", "a > bool 1", "-a<-1", "((a)) >= 2"])
)
rules = st.dictionaries(
    st.sampled_from(["alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations", "x"]),
    st.one_of(scalars, st.dictionaries(texts, scalars, max_size=3), st.sampled_from(["5m", "1w", "0s"])),
    max_size=7,
)
good = st.fixed_dictionaries(
    {"alert": st.text(min_size=1, max_size=80), "expr": expressions},
    optional={
        "for": st.sampled_from(["1m", "1y", "2h30m", "x"]),
        "labels": st.dictionaries(st.sampled_from(["severity", "team", "x"]), texts, max_size=3),
        "annotations": st.dictionaries(st.sampled_from(["summary", "runbook_url", "description"]), texts, max_size=3),
    },
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(rules, good), max_size=5))
def test_any_rules_give_policies_or_problems_with_places(given_rules: list[dict[str, object]]) -> None:
    check(yaml.safe_dump({"groups": [{"name": "g", "rules": given_rules}]}, allow_unicode=True))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_mutated_file_gives_policies_or_problems_with_places(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(RULES)))
    end = data.draw(st.integers(start, min(start + 20, len(RULES))))
    check(RULES[:start] + data.draw(st.text(max_size=10)) + RULES[end:])


def check(text: str) -> None:
    try:
        made = imported(text)
    except PolicyError as error:
        problems, files = error.problems, 2
    else:
        problems, files = [], len(made.files)  # every policy among them went through the loader
    assert files >= 2
    assert all(problem.position.file == "rules.yml" and problem.position.line >= 1 for problem in problems)
    assert all(problem.message.isprintable() for problem in problems)
