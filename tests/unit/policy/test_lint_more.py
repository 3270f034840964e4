from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from tests.unit.policy.policy_texts import FILE, VERIFY, load, policy_text

from homeostat.model.policy import Dag
from homeostat.policy.lint import Report, WorstCase, lint_all
from homeostat.policy.lint_dag import width

TODAY = date(2026, 11, 27)
ACTION = "{actuator: command, argv: [run], effect: safe, timeout: 1m"
RESTART = f"{{restart: {ACTION}}}}}"
DO = f"do: restart, target: a/b, {VERIFY}"
BASE = {"signals": "{http_5xx: errors, rps: x}", "actions": RESTART}


def reports_on(folder: Path, *paths: Path, environment: str | None = None) -> list[Report]:
    return lint_all(list(paths) or [folder / FILE], today=TODAY, environment=environment)


def write(folder: Path, name: str = FILE, steps: str = f"[{{{DO}}}]", **top: str | None) -> Path:
    path = folder / name
    path.write_text(policy_text(steps, **{**BASE, **top}))
    return path


def told(report: Report) -> list[str]:
    return [f"{finding.problem.code} {finding.problem.message}" for finding in report.findings]


PARAMETERS = {
    "parameters": "{patience: {type: duration, default: 1m}}",
    "environments": "{staging: {patience: 20m}, live: {patience: 2m}}",
    "steps": f"[{{{DO}, timeout: {{param: patience}}}}]",
    "rto": "20m",
}


def test_every_environment_is_looked_at_and_what_only_one_has_says_so(tmp_path: Path) -> None:
    write(tmp_path, **PARAMETERS)
    (report,) = reports_on(tmp_path)
    assert told(report) == ["W206 the worst case takes 35m, longer than the rto of 20m (in staging)"]
    assert report.worst_cases == {
        None: WorstCase(1, 960.0),
        "staging": WorstCase(1, 2100.0),
        "live": WorstCase(1, 1020.0),
    }
    assert report.worst_case == WorstCase(1, 2100.0)


def test_one_environment_alone(tmp_path: Path) -> None:
    write(tmp_path, **PARAMETERS)
    assert told(reports_on(tmp_path, environment="live")[0]) == []
    assert told(reports_on(tmp_path, environment="stagin")[0]) == [
        "E161 no environment 'stagin'; did you mean 'staging'?"
    ]


def test_a_policy_that_needs_an_environment_is_not_wrong_without_one(tmp_path: Path) -> None:
    write(tmp_path, **{**PARAMETERS, "parameters": "{patience: {type: duration}}", "rto": "1h"})
    (report,) = reports_on(tmp_path)
    assert told(report) == []
    assert list(report.worst_cases) == ["staging", "live"]


@pytest.mark.parametrize(
    ("needs", "most"),
    [
        ({}, 4),
        ({"b": ("a",), "c": ("b",), "d": ("c",)}, 1),
        ({"c": ("a", "b"), "d": ("c",)}, 2),
        ({"b": ("a",), "d": ("c",)}, 2),
        ({"d": ("a", "b", "c")}, 3),
        ({"b": ("a",), "c": ("a",)}, 3),
    ],
)
def test_the_width_of_a_dag(needs: dict[str, tuple[str, ...]], most: int) -> None:
    children = load("[{id: a, wait: 1s}, {id: b, wait: 1s}, {id: c, wait: 1s}, {id: d, wait: 1s}]").root.children
    assert width(Dag("dag", children, needs)) == most


def test_a_conflict_is_seen_below_the_children_and_not_where_there_is_an_order(tmp_path: Path) -> None:
    one = f"{{id: one, steps: [{{{DO}}}]}}"
    between = "{id: between, wait: 1s, needs: one}"
    write(tmp_path, steps=f"[{{dag: [{one}, {between}, {{id: two, needs: between, {DO}}}]}}]")
    assert told(reports_on(tmp_path)[0]) == []
    write(tmp_path, steps=f"[{{dag: [{one}, {{id: between, wait: 1s}}, {{id: two, needs: between, {DO}}}]}}]")
    assert [text[:4] for text in told(reports_on(tmp_path)[0])] == ["W215"]


def test_policies_that_set_each_other_off(tmp_path: Path) -> None:
    up = {"trigger": "{if: rps > 100}", "resolved": "{if: rps < 10}"}
    down = {"trigger": "{if: rps < 10}", "resolved": "{if: rps > 100}"}
    paths = [write(tmp_path, **up), write(tmp_path, "other.homeostat.yaml", policy="other", **down)]
    first, second = reports_on(tmp_path, *paths)
    assert [text for text in told(first) if "W219" in text] == [
        "W219 the cure of this policy is the trigger of 'other', and its cure the trigger of this one"
    ]
    assert any("trigger of 'p'" in text for text in told(second))


def test_policies_that_take_back_what_the_other_does(tmp_path: Path) -> None:
    (tmp_path / "actions.yaml").write_text(f"drain: {ACTION}, undo: {{do: undrain}}}}\nundrain: {ACTION}}}\n")
    steps = [f"[{{do: {name}, target: lb/shop, {VERIFY}}}]" for name in ("drain", "undrain")]
    paths = [
        write(tmp_path, steps=steps[0], actions="actions.yaml"),
        write(tmp_path, "other.homeostat.yaml", steps[1], policy="other", actions="actions.yaml"),
    ]
    assert told(reports_on(tmp_path, *paths)[0]) == [
        "W219 'drain' takes back on lb/shop what 'undrain' of 'other' does"
    ]


def test_shared_procedures_and_actions_are_unused_only_if_no_policy_uses_them(tmp_path: Path) -> None:
    (tmp_path / "actions.yaml").write_text(f"restart: {ACTION}}}\nother: {ACTION}}}\nidle: {ACTION}}}\n")
    (tmp_path / "procedures.yaml").write_text(f"cure: [{{use: inner}}]\ninner: [{{{DO}}}]\nidle: [{{{DO}}}]\n")
    shared = {"actions": "actions.yaml", "procedures": "procedures.yaml"}
    write(tmp_path, steps="[{use: cure}]", **shared)
    write(tmp_path, "other.homeostat.yaml", f"[{{do: other, target: a/b, {VERIFY}}}]", policy="other", **shared)
    assert told(reports_on(tmp_path)[0]) == [
        "W228 the action 'idle' is not used by any policy beside it",
        "W227 the procedure 'idle' is not used by any policy beside it",
    ]


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ("[{wait: 20m}]", 1200),
        ("[{wait: {if: rps > 1, within: 15m}}]", 900),
        ("[{manual: x, check: y, timeout: 2h}]", 7200),
        (f"[{{{DO}, approval: {{from: x, timeout: 30m}}}}]", 1800 + 300),
        ("[{dag: [{id: a, wait: 10m}, {id: b, wait: 20m}, {id: c, wait: 5m, needs: a}]}]", 1200),
        ("[{dag: [{id: a, wait: 10m}, {id: b, wait: 20m}], concurrency: 1}]", 1800),
        (f"[{{{DO}, fallback: {{wait: 10m}}}}]", 300 + 600),
    ],
)
def test_the_worst_case_counts_every_kind(tmp_path: Path, steps: str, seconds: float) -> None:
    write(tmp_path, steps=steps)
    worst = reports_on(tmp_path)[0].worst_case
    assert worst is not None
    assert worst.seconds == 60 + seconds + 600


def test_wrong_guards_are_found_with_the_policies_they_guard(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "guards.yaml").write_text("storm: {incidents: 5}\n")
    (report,) = reports_on(tmp_path)
    assert [text[:4] for text in told(report)] == ["E111"]
    assert report.has_errors
