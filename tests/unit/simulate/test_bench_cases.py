"""Policy tests: what is scripted happens, and every kind of expectation holds, or says what there was instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.simulate.bench_texts import POLICY, misses, outcomes

from homeostat.model import entries as e

HEALS = "  after: {restart: {errors: 0.2%}}\n"
ASKING = """\
steps:
- {id: back, do: rollback, target: svc/a, approval: {from: boss, timeout: 5m}, verify: none}
"""
BY_HAND = """\
steps:
- {id: swap, manual: swap the disk, check: the light is green}
"""


@pytest.mark.parametrize(
    "expect",
    [
        "[{at: 1m, start: [again]}]",
        "[{at: 1m, start: [restart svc/a]}, {at: 0s, start: []}]",
        "[{order: [restart, rollback]}, {count: {again: 1, rollback: 1}}]",
        "[{at: 30s, state: confirming}, {at: 1m, state: acting}, {at: 1m30s, state: verifying}]",
        "[{at: 0s, result: open}, {result: escalated, to: oncall, severity: critical, reason: plan_failed}]",
        "[{decided: {cure: again}}, {at: 3m30s, decided: {cure: back}}]",
        "[{at: 3m30s, verdict: {again: ineffective}}]",
        "[{together: [again]}]",
    ],
)
def test_expectations_that_hold(tmp_path: Path, expect: str) -> None:
    assert misses(tmp_path, expect, "  signals: {phase: new}\n") == []


@pytest.mark.parametrize(
    ("expect", "complaint"),
    [
        ("[{at: 1m, start: [back]}]", "start at 1m: back expected, again started"),
        ("[{at: 1m, start: []}]", "start at 1m: nothing expected, again started"),
        ("[{at: 30s, start: [again]}]", "start at 30s: again expected, nothing started"),
        ("[{order: [rollback, restart]}]", "order: restart is not started after 3m30s; there was again at 1m, back at"),
        ("[{together: [again, back]}]", "together: again, back do not start in one tick"),
        ("[{never: [restart]}]", "never: again at 1m was started"),
        ("[{count: {back: 2}}]", "count: back 2 times expected, there were 1"),
        ("[{at: 1m, result: resolved}]", "result at 1m: resolved expected, it is open"),
        ("[{result: escalated, to: boss}]", "result: escalated with to boss expected, it is oncall"),
        ("[{result: escalated, reason: timeout}]", "with reason timeout expected, it is plan_failed"),
        ("[{at: 1m, state: verifying}]", "state at 1m: verifying expected, it is acting"),
        ("[{withheld: {back: condition_false}}]", "withheld: back condition_false expected, there was already_tried"),
        ("[{decided: {cure: none}}, {at: 1m, decided: {cure: back}}]", "cure: back expected, again chosen"),
        ("[{verdict: {back: effective}}]", "verdict: back: effective expected, ineffective"),
        ("[{at: 1m, asked: [back]}]", "asked at 1m: back expected, nothing asked"),
        ("[{refused: {back: too_late}}]", "refused: back: too_late expected, nothing refused"),
    ],
)
def test_expectations_that_do_not(tmp_path: Path, expect: str, complaint: str) -> None:
    (message,) = misses(tmp_path, expect, "  signals: {phase: new}\n")
    assert complaint in message


def test_nothing_is_none(tmp_path: Path) -> None:
    assert misses(tmp_path, "[{at: 5m, result: none}, {at: 5m, state: dormant}]", "  signals: {errors: 1%}\n") == []


def test_an_action_helps_only_where_the_test_says_so(tmp_path: Path) -> None:
    held = "[{at: 2m30s, result: open}, {at: 3m, result: recovered}, {verdict: {again: effective}}]"
    assert misses(tmp_path, held, HEALS) == []
    later = "[{at: 3m, result: open}, {at: 3m30s, result: recovered}]"
    assert misses(tmp_path, later, "  after: {again: {set: {errors: 0%}, delay: 1m}}\n") == []
    series = "[{verdict: {again: ineffective}}, {result: escalated}]"
    assert misses(tmp_path, series, "  after: {again: {errors: '0% 8%'}}\n") == []


@pytest.mark.parametrize(
    ("conduct", "expect"),
    [
        ("{takes: 90s}", "[{at: 2m, state: acting}, {at: 2m30s, state: verifying}]"),
        ("{fails: true}", "[{at: 1m30s, start: [back]}, {verdict: {again: ineffective}}]"),
        ("{hang: true}", "[{at: 3m, start: [back]}]"),
        ("{takes: 10m}", "[{at: 3m, start: [back]}]"),
        ("{deaf: true}", "[{result: escalated, reason: cancel_unconfirmed}, {never: [back]}]"),
        ("{lost: true}", "[{at: 3m30s, verdict: {again: unknown}}]"),
        ("{refused: true}", "[{at: 3m, verdict: {again: cancelled}}]"),
    ],
)
def test_how_actions_run(tmp_path: Path, conduct: str, expect: str) -> None:
    more = f"  signals: {{phase: new}}\n  actions: {{restart: {conduct}}}\n"
    assert misses(tmp_path, expect, more) == []


@pytest.mark.parametrize(("fails", "count"), [("1", 2), ("2", 3), ("[1, 2, 3]", 3), ("[2]", 1), ("false", 1)])
def test_which_attempts_fail(tmp_path: Path, fails: str, count: int) -> None:
    steps = "steps:\n- {id: again, do: restart, target: svc/a, retry: {times: 2}, verify: none}\n"
    more = f"  actions: {{again: {{takes: 0s, fails: {fails}}}}}\n"
    assert misses(tmp_path, f"[{{count: {{again: {count}}}}}]", more, steps) == []


def test_the_most_exact_name_counts(tmp_path: Path) -> None:
    more = "  actions: {restart: {fails: true}, restart svc/a: {takes: 1m30s}, rollback: {fails: true}}\n"
    assert misses(tmp_path, "[{at: 2m30s, state: verifying}]", more) == []
    more = "  actions: {again: {takes: 2m}, restart svc/a: {takes: 1m30s}}\n"
    assert misses(tmp_path, "[{at: 2m30s, state: acting}]", more) == []


def test_people_approve_and_deny(tmp_path: Path) -> None:
    people = "  people: {boss: [ann]}\n"
    yes = people + "  answers: [{at: 2m, approve: back, by: ann}]\n"
    assert misses(tmp_path, "[{at: 1m, asked: [back]}, {at: 2m, start: [back]}]", yes, ASKING) == []
    no = people + "  answers: [{at: 2m, deny: back, by: ann}]\n"
    assert misses(tmp_path, "[{at: 2m, result: escalated}, {never: [back]}]", no, ASKING) == []
    stranger = people + "  answers: [{at: 2m, approve: back, by: bob}]\n"
    expect = "[{refused: {back: not_an_approver}}, {never: [back]}, {at: 6m, result: escalated}]"
    assert misses(tmp_path, expect, stranger, ASKING) == []


def test_people_request_what_is_only_suggested(tmp_path: Path) -> None:
    more = "  mode: suggest\n  answers: [{at: 3m, request: again, by: ann}]\n"
    assert misses(tmp_path, "[{at: 1m, withheld: {again: mode_suggest}}, {at: 3m, start: [again]}]", more) == []


def test_people_pull_the_kill_switch(tmp_path: Path) -> None:
    more = "  answers: [{at: 30s, pause: all, by: ann}, {at: 4m, resume: all, by: ann}]\n"
    assert misses(tmp_path, "[{at: 1m, withheld: {again: paused}}, {at: 4m, start: [again]}]", more) == []


def test_who_takes_an_incident_over_has_it_alone(tmp_path: Path) -> None:
    more = "  answers: [{at: 1m, take_over: p, by: ann}]\n"
    assert misses(tmp_path, "[{result: escalated, reason: taken_over}, {never: [again]}]", more) == []
    assert misses(tmp_path, "[{never: [again]}]", "") != []


def test_people_carry_out_their_own_steps(tmp_path: Path) -> None:
    done = "  answers: [{at: 9m, done: swap, by: bob}]\n  after: {swap: {errors: 0%}}\n"
    assert misses(tmp_path, "[{at: 8m30s, state: acting}, {result: recovered}]", done, BY_HAND) == []
    failed = "  answers: [{at: 9m, failed: swap, by: bob}]\n"
    assert misses(tmp_path, "[{at: 9m, result: escalated}]", failed, BY_HAND) == []
    nobody = misses(tmp_path, "[{result: escalated}, {verdict: {swap: ineffective}}]", "", BY_HAND)
    assert nobody == []
    takes = "  actions: {swap: {takes: 5m}}\n"
    assert (
        misses(tmp_path, "[{at: 5m30s, state: acting}, {at: 6m, verdict: {swap: inconclusive}}]", takes, BY_HAND) == []
    )


def test_an_answer_that_nobody_waits_for_fails_the_test(tmp_path: Path) -> None:
    more = "  answers: [{at: 0s, done: swap, by: bob}]\n"
    (message,) = misses(tmp_path, "[{at: 1m, start: [swap]}]", more, BY_HAND)
    assert "nobody is at work on it" in message


def test_guards_clock_and_modes(tmp_path: Path) -> None:
    days = "days: [mon, tue, wed, thu, fri, sat, sun]"
    inline = f"  guards: {{maintenance: [{{name: night, {days}, from: '22:00', to: '23:00'}}]}}\n"
    night = inline + "  clock: 2026-12-01T22:55:00Z\n"
    assert misses(tmp_path, "[{at: 1m, withheld: {again: maintenance}}, {at: 5m, start: [again]}]", night) == []
    day = inline + "  clock: 2026-12-01T12:00:00Z\n"
    assert misses(tmp_path, "[{at: 1m, start: [again]}]", day) == []
    (tmp_path / "guards.yaml").write_text("rates: [{per: [], max: 1, within: 1h}]\n")
    once = "  guards: guards.yaml\n  signals: {phase: new}\n"
    assert misses(tmp_path, "[{count: {again: 1}}, {never: [back]}, {withheld: {back: rate_limit}}]", once) == []
    assert misses(tmp_path, "[{withheld: {again: mode_observe}}, {never: [again]}]", "  mode: observe\n") == []


def test_guards_have_signals_of_their_own(tmp_path: Path) -> None:
    more = "  guards: {telemetry: {if: source_up == 1}, signals: {source_up: up}}\n  signals: {source_up: 0}\n"
    assert misses(tmp_path, "[{at: 1m, withheld: {'': telemetry_freeze}}]", more) == []


def test_environments(tmp_path: Path) -> None:
    top = POLICY.replace("errors > 5%", "errors > limit")
    top += "parameters: {limit: 5%}\nenvironments: {staging: {limit: 50%}}\n"
    assert misses(tmp_path, "[{at: 0s, result: open}]", top=top) == []
    assert misses(tmp_path, "[{at: 5m, result: none}]", "  environment: staging\n", top=top) == []


def test_until_ends_a_test(tmp_path: Path) -> None:
    (outcome,) = outcomes(tmp_path, "- name: t\n  until: 90s\n  expect: [{result: open}]\n")
    assert outcome.passed
    assert outcome.course.duration_s == 90.0


def test_what_a_file_says_holds_for_all_tests_that_say_nothing_else(tmp_path: Path) -> None:
    tests = """\
- name: as the file says
  expect: [{result: recovered}]
- name: no effect
  after: {restart: {}}
  expect: [{result: escalated}]
- name: another action
  actions: {restart: {fails: true}}
  expect: [{at: 1m30s, verdict: {again: ineffective}}]
"""
    head = "after: {restart: {errors: 0%}}\nactions: {restart: {takes: 0s}}\n"
    assert [outcome.misses for outcome in outcomes(tmp_path, tests, head=head)] == [[], [], []]


def test_a_bug_in_the_loop_fails_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("nothing by nothing")

    monkeypatch.setattr("homeostat.loop.turns.step", broken)
    found = misses(tmp_path, "[{at: 0s, result: none}]")
    assert any("ZeroDivisionError" in message for message in found)


def test_the_same_test_gives_the_same_journal(tmp_path: Path) -> None:
    runs = [outcomes(tmp_path, "- name: t\n  expect: [{result: escalated}]\n")[0].course.entries for _ in range(2)]
    assert runs[0] == runs[1]
    assert any(isinstance(entry, e.Escalated) for _, entry in runs[0])


def test_a_test_without_end_is_cut_off_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeostat.simulate.bench.case.TICKS_MAX", 5)
    (message,) = misses(tmp_path, "[{result: open}]", "  until: 1h\n")
    assert "cut off after 5 ticks" in message


def test_what_the_signals_still_do_after_the_first_incident_counts(tmp_path: Path) -> None:
    """A series is what the author wants tried: `never` must not pass because the rest of it was left out."""
    test = "- {name: t, signals: {errors: '8% 0%x8 8%x5 0%x20'}, expect: [{never: [again]}]}"
    (outcome,) = outcomes(tmp_path, test)
    assert "again at 6m was started" in outcome.misses[0].message
