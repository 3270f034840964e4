"""The questions of a tabletop, and what answers to them come to."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.simulate.bench_texts import POLICY, STEPS, suite_in

from homeostat.model.drill_entries import TabletopVerdict
from homeostat.model.errors import UsageError
from homeostat.model.reasons import Result
from homeostat.policy.load import load_policy
from homeostat.record.recording import read_recording
from homeostat.simulate.bench.case import run_case
from homeostat.simulate.replay import replay
from homeostat.simulate.tabletop import ESCALATE, NOTHING, OTHER, Question, Scenario, scenario_of, steps_of

ROOT = Path(__file__).parents[3]
AGREES, PARTLY, DIFFERS, FORBIDDEN = TabletopVerdict


def scenario(folder: Path, test: str, steps: str = STEPS, head: str = "interval: 30s\n") -> Scenario:
    suite = suite_in(folder, f"- {{name: t, expect: [{{result: none}}], {test}}}\n", steps, head)
    assert suite.problems == []
    (case,) = suite.cases
    course = run_case(case)
    return scenario_of("t", case.policy, next(iter(course.streams().values()), ()))


def asked(found: Scenario) -> list[tuple[float, tuple[str, ...]]]:
    return [(question.after_s, question.expected) for question in found.questions]


def test_every_decision_is_asked_once_and_the_end_is_told(tmp_path: Path) -> None:
    found = scenario(tmp_path, "signals: {phase: new}, after: {back: {errors: 0%}}")
    assert asked(found) == [(0.0, (NOTHING,)), (60.0, ("again",)), (210.0, ("back",))]
    assert found.result is Result.RECOVERED
    assert found.ended_s == 360.0
    assert [type(entry).__name__ for entry in found.after][-2:] == ["Recovered", "Closed"]
    assert found.questions[2].values == {"errors": 0.08, "phase": "new"}


def test_what_the_policy_would_refuse_is_forbidden_and_says_why(tmp_path: Path) -> None:
    first, start, last = scenario(tmp_path, "").questions
    assert start.refusals == {"back": 'its condition phase == "new" is not true'}
    assert start.verdict(["back"]) is FORBIDDEN
    assert start.verdict(["again"]) is AGREES
    assert [start.verdict([word]) for word in (NOTHING, ESCALATE, OTHER)] == [DIFFERS] * 3
    assert start.verdict(["again", "back"]) is FORBIDDEN
    assert first.verdict(["again"]) is DIFFERS
    assert last.expected == (ESCALATE,)
    assert last.refusals["again"] == "it was tried already, and did not help"
    assert last.verdict(["again"]) is FORBIDDEN


def test_acting_on_missing_data_is_forbidden(tmp_path: Path) -> None:
    found = scenario(tmp_path, "signals: {errors: '8%x1 _'}")
    assert asked(found)[1:] == [(60.0, (NOTHING,))]
    assert found.questions[1].values["errors"] is None
    assert found.questions[1].verdict(["again"]) is FORBIDDEN
    assert "telemetry_blind" in found.questions[1].refusals["again"]
    assert found.questions[1].verdict([NOTHING]) is AGREES


DAG = """\
steps:
- id: both
  dag:
  - {id: one, do: restart, target: svc/a, verify: none}
  - {id: two, do: rollback, target: svc/b, verify: none}
  - {id: three, do: restart, target: svc/c, needs: [one], verify: none}
"""


def test_of_parallel_steps_some_are_a_part_and_what_runs_is_not_started_again(tmp_path: Path) -> None:
    found = scenario(tmp_path, "", DAG)
    assert asked(found) == [(0.0, (NOTHING,)), (60.0, ("one", "two")), (90.0, ("three",)), (420.0, (ESCALATE,))]
    together, then = found.questions[1:3]
    assert together.verdict(["two", "one"]) is AGREES
    assert together.verdict(["two"]) is PARTLY
    assert together.verdict(["two", "three"]) is DIFFERS
    assert then.refusals == {"one": "it has been done already", "two": "it is running already"}
    assert then.verdict(["two"]) is FORBIDDEN


APPROVAL = """\
steps:
- {id: back, do: rollback, target: svc/a, approval: {from: dba, timeout: 10m}, verify: none}
"""


def test_a_start_after_a_yes_is_no_new_question(tmp_path: Path) -> None:
    said = "people: {dba: [ann]}, answers: [{at: 3m, by: ann, approve: back}], after: {back: {errors: 0%}}"
    found = scenario(tmp_path, said, APPROVAL)
    assert asked(found) == [(0.0, (NOTHING,)), (60.0, ("back",))]
    assert found.result is Result.RECOVERED


def test_what_is_only_suggested_is_what_the_policy_chose(tmp_path: Path) -> None:
    found = scenario(tmp_path, "mode: suggest, until: 10m", STEPS)
    assert asked(found)[:2] == [(0.0, (NOTHING,)), (60.0, ("again",))]


def test_a_wait_is_a_decision_to_do_nothing(tmp_path: Path) -> None:
    waiting = "steps:\n- {id: pause, wait: 5m}\n- {id: again, do: restart, target: svc/a, verify: none}\n"
    found = scenario(tmp_path, "", waiting)
    assert asked(found)[:3] == [(0.0, (NOTHING,)), (60.0, (NOTHING,)), (360.0, ("again",))]


def test_without_an_incident_or_with_a_step_that_is_named_like_an_answer_there_is_nothing_to_ask(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match="the trigger of p is never true"):
        scenario(tmp_path, "signals: {errors: 1%}, until: 5m")
    named = scenario(tmp_path, "", "steps:\n- {id: nothing, do: restart, target: svc/a, verify: none}\n")
    with pytest.raises(UsageError, match="has the id 'nothing'"):
        steps_of(named.policy)


def test_where_a_policy_parts_from_a_recording_its_choice_is_asked_and_the_scenario_ends(tmp_path: Path) -> None:
    recorded = read_recording(next(iter(sorted((ROOT / "history").glob("payments-5xx-*.jsonl")))))
    for name in ("actions.yaml", "signals.yaml"):
        (tmp_path / name).write_text((ROOT / "policies" / name).read_text())
    text = (ROOT / "policies/payments-5xx.homeostat.yaml").read_text()
    head, _, _ = text.partition("steps:")
    other = tmp_path / "payments-5xx.homeostat.yaml"
    other.write_text(f"{head}steps:\n- {{id: shift, do: traffic.shift, target: route/pay, verify: none}}\n")
    policy = load_policy(other)
    replayed = replay(policy, recorded.entries, None)
    found = scenario_of("i", policy, replayed.entries, replayed.why)
    assert found.questions[-1].expected == ("shift",)
    assert (found.result, found.ended_s) == (None, None)
    assert "traffic.shift" in found.why


def test_the_frame_of_these_tests_is_that_of_the_policy(tmp_path: Path) -> None:
    """Steps are listed whole and in written order, whatever is open."""
    assert steps_of(scenario(tmp_path, "").policy) == ("again", "back")
    assert "rto: 30m" in POLICY


def test_what_the_policy_tries_once_more_is_not_forbidden_though_it_was_tried() -> None:
    question = Question(5.0, (), {}, ("again", "back"), {"again": "it was tried already", "other": "held back"}, ())
    assert question.verdict(["again"]) is PARTLY
    assert question.verdict(["again", "other"]) is FORBIDDEN


def test_how_it_ended_is_not_said_where_a_replay_parted_from_what_was_done(tmp_path: Path) -> None:
    (case,) = suite_in(tmp_path, "- {name: t, expect: [{result: none}], after: {back: {errors: 0%}}}\n").cases
    entries = next(iter(run_case(case).streams().values()))
    assert scenario_of("t", case.policy, entries).result is not None
    parted = scenario_of("t", case.policy, entries, "from here on it was done otherwise")
    assert (parted.result, parted.ended_s) == (None, None)


def test_what_holds_back_now_and_then_for_one_reason_is_asked_about_once(tmp_path: Path) -> None:
    found = scenario(tmp_path, "signals: {errors: '8% _ 8% _ 8%x90', phase: new}")
    assert asked(found)[:3] == [(0.0, (NOTHING,)), (30.0, (NOTHING,)), (180.0, ("again",))]
