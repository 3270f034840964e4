"""What is wrong with a test file is said with its place, its code and the nearest right thing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.simulate.bench_texts import STEPS, suite_in, write

from homeostat.model.errors import PolicyError, UsageError
from homeostat.simulate.bench.coverage import coverage_of
from homeostat.simulate.bench.suite import load_suite
from homeostat.simulate.bench.testing import load_suites, run_suites


def problem_in(folder: Path, test: str, head: str = "") -> str:
    suite = suite_in(folder, test, head=head)
    assert suite.cases == []
    assert suite.problems
    return "\n".join(str(problem) for problem in suite.problems).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("test", "complaint"),
    [
        ("- {name: t, expct: []}", "E110 unknown key 'expct'; did you mean 'expect'?"),
        ("- {name: t, expect: []}", "p.test.yaml:4:21: E112 a list of 1 to"),
        ("- {expect: [{result: open}]}", "E111 the key 'name' is missing"),
        ("- {name: t, expect: [{}]}", "E112 an expectation says one of start, order"),
        ("- {name: t, expect: [{at: 1m, start: [agan]}]}", "4:39: E191 no step or action of this policy"),
        ("- {name: t, expect: [{at: 1m, start: [agan]}]}", "did you mean 'again'?"),
        ("- {name: t, expect: [{at: 45s, start: []}]}", "4:27: E192 45s is no tick: ticks are every 30s"),
        ("- {name: t, expect: [{never: []}]}", "E112 'never' names nothing, so nothing is expected"),
        ("- {name: t, expect: [{count: {}}]}", "E112 'count' names nothing"),
        ("- {name: t, expect: [{verdict: {}}]}", "E112 'verdict' names nothing"),
        ("- {name: t, until: 1m, expect: [{at: 5m, start: []}]}", "4:38: E192 5m is after the test's end, at 1m"),
        ("- {name: t, expect: [{start: [again]}]}", "E111 'start' is expected at a time"),
        ("- {name: t, expect: [{at: 1m, never: [again]}]}", "goes without 'at'"),
        ("- {name: t, expect: [{result: won}]}", "E112 'won' will not do: it is one of none, open, resolved"),
        ("- {name: t, expect: [{result: open, to: x}]}", "go with 'result: escalated'"),
        ("- {name: t, expect: [{withheld: {again: condition_fals}}]}", "did you mean 'condition_false'?"),
        ("- {name: t, expect: [{decided: {cure: agan}}]}", "E191"),
        ("- {name: t, signals: {eror: 1}, expect: [{result: none}]}", "unknown signal 'eror'; did you mean 'errors'?"),
        ("- {name: t, signals: {errors: high}, expect: [{result: none}]}", "4:31: E190 'errors': 'high' is no sample"),
        ("- {name: t, signals: {phase: 3}, expect: [{result: none}]}", "E190 'phase': this is a text signal"),
        ("- {name: t, actions: {restrat: {takes: 0s}}, expect: [{result: none}]}", "did you mean 'restart'?"),
        ("- {name: t, actions: {restart: {fails: often}}, expect: [{result: none}]}", "true, a number of first"),
        ("- {name: t, actions: {restart: {takes: 5}}, expect: [{result: none}]}", "E113 5 is not a duration"),
        ("- {name: t, after: {restart: {eror: 1}}, expect: [{result: none}]}", "E121 unknown signal 'eror'"),
        ("- {name: t, after: {restart: 1}, expect: [{result: none}]}", "E112 a mapping from signals to series"),
        ("- {name: t, after: {restart: {set: {errors: 1}, dely: 1m}}, expect: [{result: none}]}", "'delay'"),
        ("- {name: t, answers: [{at: 1m, approve: agan, by: x}], expect: [{result: none}]}", "did you mean 'again'?"),
        ("- {name: t, answers: [{at: 1m, by: x}], expect: [{result: none}]}", "E112 an answer says one of approve"),
        ("- {name: t, answers: [{at: 7s, pause: all, by: x}], expect: [{result: none}]}", "E192 7s is no tick"),
        ("- {name: t, answers: [{at: 30s, pause: q, by: x}], expect: [{result: none}]}", "E191"),
        ("- {name: t, answers: [{at: 30s, take_over: all, by: x}], expect: [{result: none}]}", "E191"),
        ("- {name: t, clock: yesterday, expect: [{result: none}]}", "write it like 2026-12-01T22:15:00Z"),
        ("- {name: t, mode: autom, expect: [{result: none}]}", "did you mean 'auto'?"),
        ("- {name: t, guards: nowhere.yaml, expect: [{result: none}]}", "E100"),
        ("- {name: t, guards: {rats: []}, expect: [{result: none}]}", "did you mean 'rates'?"),
        ("- {name: t, environment: staging, expect: [{result: none}]}", "E161"),
        ("- {name: t, expect: [{result: none}]}\n- {name: t, expect: [{result: none}]}", "E140 another test is"),
        ("- just words", "a mapping is wanted"),
    ],
)  # fmt: skip
def test_problems(tmp_path: Path, test: str, complaint: str) -> None:
    assert complaint in problem_in(tmp_path, test)


def test_an_interval_no_window_can_hold_over(tmp_path: Path) -> None:
    found = problem_in(tmp_path, "- {name: t, expect: [{result: none}]}", "interval: 5m\n")
    assert "E192 'errors' has max_age 60s" in found


def test_files_that_are_not_there(tmp_path: Path) -> None:
    (problem,) = load_suite(tmp_path / "p.test.yaml").problems
    assert problem.code == "E100"
    suite = load_suite(
        write(tmp_path, "p.test.yaml", "policy: q.homeostat.yaml\ntests: [{name: t, expect: [{result: none}]}]\n")
    )
    assert [found.code for found in suite.problems] == ["E100"]


def test_a_policy_that_is_wrong_is_the_problem(tmp_path: Path) -> None:
    suite = suite_in(tmp_path, "- {name: t, expect: [{result: none}]}", STEPS.replace("do: restart", "do: restrat"))
    assert [problem.code for problem in suite.problems] == ["E130"]


@pytest.mark.parametrize("text", ["", "{", "- a\n", "a: &b 1\n", "\0", "policy: 1\n", "tests: {}\n", "[" * 60])
def test_any_text_is_refused_with_a_place(tmp_path: Path, text: str) -> None:
    suite = load_suite(write(tmp_path, "p.test.yaml", text))
    assert suite.problems
    assert all(problem.position.line >= 1 for problem in suite.problems)


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no"):
        load_suites([tmp_path])
    suite_in(tmp_path, "- {name: t, expect: [{result: open, at: 0s}]}")
    assert len(load_suites([tmp_path])[0].cases) == 1
    write(tmp_path, "q.test.yaml", "policy: q\n")
    with pytest.raises(PolicyError, match="tests"):
        load_suites([tmp_path])


COVERED = """\
steps:
- id: which
  decide:
  - if: phase == "new"
    id: back
    do: rollback
    target: svc/a
    verify: none
    fallback: {id: plain, do: restart, target: svc/a, verify: none}
  - {else: {id: again, do: restart, target: svc/a, verify: {if: errors < 1%, for: 30s, within: 2m}}}
"""


def test_coverage_names_what_was_not_reached(tmp_path: Path) -> None:
    suite = suite_in(tmp_path, "- {name: t, expect: [{result: escalated}]}", COVERED)
    (covered,) = run_suites([suite]).coverage.values()
    assert {str(item) for item in covered.missed} == {
        "branch which: back",
        "condition back: branch is true",
        "condition again: verify is true",
        "condition resolved is true",
        "condition trigger is false",
        "fallback back: plain",
        "step back",
        "step plain",
    }
    assert covered.counts("step") == (1, 3)
    assert 0.4 < covered.share < 0.6


def test_coverage_is_complete_when_everything_was_reached(tmp_path: Path) -> None:
    tests = """\
- {name: blip, signals: {errors: '8% 0'}, expect: [{result: dismissed}]}
- {name: old, after: {again: {errors: 0}}, expect: [{result: resolved}]}
- {name: old and no help, expect: [{result: escalated}]}
- {name: new, signals: {phase: new}, actions: {back: {fails: true}}, expect: [{result: escalated}]}
"""
    suite = suite_in(tmp_path, tests, COVERED)
    tested = run_suites([suite])
    assert tested.failed == []
    assert tested.coverage["p"].missed == []
    assert tested.coverage["p"].share == 1.0
    assert coverage_of(suite.cases[0].policy).share == 0.0
