"""A person takes an incident over: nothing more is begun, undos neither, and what runs is looked after to its end."""

from __future__ import annotations

import pytest
from tests.unit.decide.builders import FAILED, OK, Driver, do, policy

from homeostat.model import entries as e
from homeostat.model.answers import AnswerKind
from homeostat.model.commands import NeverStarted
from homeostat.model.policy import Mode, Policy
from homeostat.model.reasons import AnswerRefusal, AttemptVerdict, EscalationReason, Phase, Result


def plan() -> Policy:
    return policy(do("drain", undo=do("undrain", verify=None)), do("restart"))


def take_over(driver: Driver, by: str = "ann") -> None:
    driver.say(AnswerKind.TAKE_OVER, "", by)


def test_nothing_more_is_begun_and_what_ran_is_not_taken_back() -> None:
    driver = Driver(plan())
    driver.confirm()
    assert driver.names() == ["drain"]
    take_over(driver)
    driver.tick()
    assert driver.incident.phase is Phase.ESCALATED
    assert driver.incident.escalation is EscalationReason.TAKEN_OVER
    assert driver.incident.taken_over_by == "ann"
    driver.finish(OK)
    driver.ticks(40)
    assert driver.names() == ["drain"], "neither its undo nor the next step"
    assert driver.cancelled == [], "what ran went on to its end"
    ended = [entry for entry in driver.entries if isinstance(entry, e.AttemptEnded)]
    assert [entry.verdict for entry in ended] == [AttemptVerdict.INEFFECTIVE]
    driver.ticks(10, errors=0.0)
    assert driver.incident.result is Result.ESCALATED


def test_without_it_the_undo_would_have_run() -> None:
    driver = Driver(plan())
    driver.confirm()
    driver.finish(OK)
    driver.ticks(40)
    assert "undrain" in driver.names()


def test_it_can_be_said_before_anything_is_confirmed() -> None:
    driver = Driver(plan())
    driver.tick(errors=10.0)
    assert driver.incident.phase is Phase.CONFIRMING
    take_over(driver)
    driver.ticks(10)
    assert driver.incident.escalation is EscalationReason.TAKEN_OVER
    assert driver.names() == []


def test_a_start_that_was_decided_and_not_made_is_given_up() -> None:
    driver = Driver(plan())
    driver.confirm()
    (intended,) = driver.started
    driver.reports[intended.key] = NeverStarted()  # the agent died before the actuator heard of it
    driver.restart()
    take_over(driver)
    driver.ticks(5)
    assert driver.started == [intended]
    assert {command.key for command in driver.cancelled} == {intended.key}


def test_what_the_plan_has_handed_to_people_is_taken_over_too() -> None:
    driver = Driver(policy(do("drain", undo=do("undrain", verify=None))))
    driver.confirm()
    driver.finish(FAILED)
    driver.tick()
    assert driver.incident.escalation is EscalationReason.PLAN_FAILED
    take_over(driver)
    driver.ticks(3)
    assert driver.incident.escalation is EscalationReason.PLAN_FAILED, "why people were called stays what it was"
    assert driver.incident.taken_over_by == "ann"


def test_it_goes_from_hand_to_hand_and_is_noted_once_a_hand() -> None:
    driver = Driver(plan())
    driver.confirm()
    for name in ("ann", "Ann ", "ben", "ben"):
        take_over(driver, name)
        driver.tick()
    said = [entry.by for entry in driver.entries if isinstance(entry, e.TakenOver)]
    assert said == ["ann", "ben"]
    assert len(driver.of(e.Escalated)) == 1
    assert driver.of(e.AnswerRefused) == []


def test_what_was_only_suggested_is_not_asked_for_any_more() -> None:
    driver = Driver(plan(), mode=Mode.SUGGEST)
    driver.confirm()
    take_over(driver)
    driver.tick()
    driver.say(AnswerKind.REQUEST, "drain", "ben")
    driver.tick()
    (refused,) = driver.of(e.AnswerRefused)
    assert isinstance(refused, e.AnswerRefused)
    assert refused.reason is AnswerRefusal.NOTHING_ASKED


def test_questions_lapse_and_late_answers_change_nothing() -> None:
    driver = Driver(plan(), mode=Mode.APPROVE)
    driver.confirm()
    assert driver.incident.questions
    take_over(driver)
    driver.tick()
    driver.say(AnswerKind.APPROVE, "drain", "oncall")
    driver.ticks(5)
    (refused,) = driver.of(e.AnswerRefused)
    assert isinstance(refused, e.AnswerRefused)
    assert refused.reason is AnswerRefusal.NOTHING_ASKED
    assert driver.names() == []


@pytest.mark.parametrize("errors", [0.0, 10.0])
def test_it_is_nobodys_once_it_is_over(errors: float) -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    driver.finish(OK)
    driver.ticks(20, errors=0.0)
    assert driver.incident.phase is Phase.CLOSED
    take_over(driver)
    driver.tick(errors=errors)
    (refused,) = driver.of(e.AnswerRefused)
    assert isinstance(refused, e.AnswerRefused)
    assert refused.reason is AnswerRefusal.NO_SUCH_INCIDENT
