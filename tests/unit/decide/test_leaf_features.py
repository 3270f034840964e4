"""wait, fallback, undo, approvals and modes, each through the real step."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.decide.builders import ERRORS_LOW, FAILED, OK, Driver, above, below, do, policy, undo_of

from homeostat.model import entries as e
from homeostat.model.answers import AnswerKind
from homeostat.model.commands import Done, NeverStarted
from homeostat.model.policy import Approval, Dag, Do, Effect, Escalate, Mode, Retry, Steps, Try, Verify, Wait
from homeostat.model.reasons import AnswerRefusal, EscalationReason, OutcomeStatus, Phase, Reason, Result

DBA = Approval(("dba", "lead"), 100.0)


def withheld(driver: Driver) -> list[Reason | None]:
    return [entry.reason for entry in driver.entries if isinstance(entry, e.DecisionWithheld)]


def refusals(driver: Driver) -> list[AnswerRefusal]:
    return [entry.reason for entry in driver.entries if isinstance(entry, e.AnswerRefused)]


def guard_reasons(driver: Driver) -> list[Reason | None]:
    made = [entry for entry in driver.entries if isinstance(entry, e.Decided) and entry.kind == "guard"]
    return [entry.options[0].reason for entry in made]


def asked(leaf: Do | None = None, **people: str) -> Driver:
    """An incident that has come to a step which needs approval."""
    driver = Driver(policy(leaf or do("restore", approval=DBA), do("next")))
    driver.people = {role: frozenset(names.split()) for role, names in people.items()}
    driver.confirm()
    return driver


class TestWait:
    def test_it_lets_time_pass_and_goes_on(self) -> None:
        driver = Driver(policy(Wait("pause", 30.0), do("restart")))
        driver.confirm()
        driver.ticks(5)
        assert driver.names() == []
        driver.tick()
        assert driver.names() == ["restart"]

    def test_its_condition_must_hold_for_its_window(self) -> None:
        driver = Driver(policy(Wait("settled", 10.0, above("hint", 5), 100.0), do("restart")))
        driver.confirm()
        driver.tick(hint=10.0)
        driver.tick(hint=0.0)
        driver.ticks(2, hint=10.0)
        assert driver.names() == []
        driver.tick()
        assert driver.names() == ["restart"]

    def test_in_vain_it_fails_and_the_plan_with_it(self) -> None:
        driver = Driver(policy(Wait("settled", 10.0, above("hint", 5), 20.0), do("restart")))
        driver.confirm()
        driver.ticks(5)
        assert driver.names() == []
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED

    def test_missing_data_never_ends_it_well(self) -> None:
        driver = Driver(policy(Wait("settled", 0.0, above("hint", 5), 20.0), do("restart")))
        driver.confirm()
        driver.ticks(6, hint=None)
        assert driver.names() == []
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED

    def test_how_it_ended_is_latched(self) -> None:
        driver = Driver(policy(Wait("settled", 0.0, above("hint", 5), 100.0), do("one"), do("two")))
        driver.confirm()
        driver.tick(hint=10.0)
        driver.finish()
        driver.ticks(4, hint=0.0)
        assert driver.names() == ["one"]
        assert len(driver.of(e.WaitEnded)) == 1


class TestFallback:
    def test_it_runs_when_the_step_has_failed_for_good(self) -> None:
        leaf = do("restore", retry=Retry(1, explicit=True), fallback=do("replica"))
        driver = Driver(policy(leaf))
        driver.confirm()
        driver.finish(FAILED)
        driver.tick()
        driver.finish(FAILED)
        driver.ticks(2)
        assert driver.names() == ["restore", "restore", "replica"]
        driver.finish()
        driver.ticks(15, errors=0.0)
        assert driver.incident.result is Result.RECOVERED

    def test_it_is_not_touched_when_the_step_works(self) -> None:
        driver = Driver(policy(do("restore", fallback=do("replica"))))
        driver.confirm()
        driver.finish()
        driver.ticks(15, errors=0.0)
        assert driver.names() == ["restore"]

    def test_when_it_fails_too_the_step_has_failed(self) -> None:
        driver = Driver(policy(do("restore", fallback=do("replica"))))
        driver.confirm()
        driver.finish(FAILED)
        driver.ticks(2)
        driver.finish(FAILED)
        driver.ticks(2)
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED

    def test_a_sequence_and_a_candidate_have_theirs(self) -> None:
        sequence = Steps("sequence", (do("a"), do("b")), fallback=do("c"))
        driver = Driver(policy(Try("try", (sequence, do("d")))))
        driver.confirm()
        for expected in (["a"], ["a", "c"], ["a", "c", "d"]):
            assert driver.names() == expected
            driver.finish(FAILED)
            driver.ticks(2)

    def test_an_escalation_may_be_one(self) -> None:
        driver = Driver(policy(do("restore", fallback=Escalate("call", "dba"))))
        driver.confirm()
        driver.finish(FAILED)
        driver.ticks(2)
        assert driver.incident.escalation is EscalationReason.PLAN_SAYS_SO


class TestUndo:
    def test_an_action_that_does_not_help_is_taken_back_before_the_next_one(self) -> None:
        driver = Driver(policy(Try("try", (do("scale", undo=undo_of("scale")), do("restart")))))
        driver.confirm()
        driver.finish()
        driver.ticks(14)
        assert driver.names() == ["scale", "scale.undo"]
        assert driver.started[-1].target == driver.started[0].target
        driver.finish()
        driver.ticks(2)
        assert driver.names() == ["scale", "scale.undo", "restart"]

    def test_harm_is_taken_back(self) -> None:
        driver = Driver(policy(do("scale", undo=undo_of("scale")), harm=above("harm", 5)))
        driver.confirm()
        driver.tick(harm=10.0)
        driver.finish()
        driver.ticks(3)
        assert driver.names() == ["scale", "scale.undo"]

    @pytest.mark.parametrize("harmful", [True, False])
    def test_nothing_is_left_behind_where_the_incident_ends_by_itself(self, harmful: bool) -> None:
        leaf = do("scale", undo=undo_of("scale"), verify=Verify(above("hint", 5), 0, 10.0))
        driver = Driver(policy(Dag("dag", (leaf, do("next"))), harm=above("harm", 5)))
        driver.confirm()
        driver.end("next", FAILED)
        driver.tick()
        driver.end("scale")
        driver.tick(errors=0.0)
        driver.ticks(3, harm=10.0 if harmful else 0.0)
        assert driver.names() == ["scale", "next", "scale.undo"]
        driver.ticks(10)
        assert not driver.of(e.Closed), "it is not over before that is taken back"
        driver.finish()
        driver.ticks(8)
        assert driver.incident.result is Result.SELF_HEALED
        assert driver.names() == ["scale", "next", "scale.undo"]

    def test_one_that_fails_calls_people_although_all_is_well(self) -> None:
        leaf = do("scale", undo=undo_of("scale", effect=Effect.UNSAFE), verify=Verify(above("hint", 5), 0, 10.0))
        driver = Driver(policy(leaf, do("next")))
        driver.confirm()
        driver.finish()
        driver.ticks(4, errors=0.0)
        assert driver.names() == ["scale", "scale.undo"]
        driver.finish(FAILED)
        driver.ticks(2)
        assert driver.incident.escalation is EscalationReason.UNDO_FAILED

    def test_what_helped_or_never_ran_is_not_taken_back(self) -> None:
        for report, errors in ((OK, 0.0), (FAILED, 10.0)):
            driver = Driver(policy(do("scale", undo=undo_of("scale"))))
            driver.confirm()
            driver.finish(report)
            driver.ticks(16, errors=errors)
            assert driver.names() == ["scale"]

    def test_each_attempt_is_taken_back_once(self) -> None:
        leaf = do("scale", retry=Retry(1, explicit=True), undo=undo_of("scale"))
        driver = Driver(policy(leaf))
        driver.confirm()
        for _ in range(2):
            driver.finish()
            driver.ticks(15)
            driver.finish()
            driver.ticks(3)
        assert driver.names() == ["scale", "scale.undo", "scale", "scale.undo"]
        undone = [entry.undoes for entry in driver.entries if isinstance(entry, e.ActionIntended) and entry.undoes]
        assert undone == [driver.started[0].key, driver.started[2].key]
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED

    def test_one_that_fails_calls_people(self) -> None:
        driver = Driver(policy(Try("try", (do("scale", undo=undo_of("scale", effect=Effect.UNSAFE)), do("restart")))))
        driver.confirm()
        driver.finish()
        driver.ticks(14)
        driver.finish(FAILED)
        driver.ticks(2)
        assert driver.incident.escalation is EscalationReason.UNDO_FAILED
        assert driver.names() == ["scale", "scale.undo"]

    def test_a_safe_one_is_tried_once_more(self) -> None:
        driver = Driver(policy(do("scale", undo=undo_of("scale"))))
        driver.confirm()
        driver.finish()
        driver.ticks(14)
        driver.finish(FAILED)
        driver.ticks(2)
        assert driver.names() == ["scale", "scale.undo", "scale.undo"]

    def test_it_counts_against_no_bound_and_is_no_safe_points_end(self) -> None:
        driver = Driver(policy(do("scale", undo=undo_of("scale")), attempts_max=1))
        driver.confirm()
        driver.finish()
        driver.ticks(14)
        driver.finish()
        driver.ticks(2, errors=0.0)
        driver.ticks(5)
        assert driver.incident.result is Result.SELF_HEALED

    def test_a_crash_does_not_double_it(self) -> None:
        driver = Driver(policy(do("scale", undo=undo_of("scale"))))
        driver.confirm()
        driver.finish()
        driver.ticks(14)
        driver.restart()
        driver.ticks(2)
        assert driver.names() == ["scale", "scale.undo"]

    def test_missing_data_does_not_hold_it_up(self) -> None:
        driver = Driver(policy(do("scale", undo=undo_of("scale"))))
        driver.confirm()
        driver.finish()
        driver.ticks(14, errors=None, hint=None, harm=None)
        assert driver.names() == ["scale", "scale.undo"]


class TestApproval:
    def test_nothing_starts_before_a_yes(self) -> None:
        driver = asked(dba="dana")
        driver.ticks(3)
        assert driver.names() == []
        assert driver.incident.phase is Phase.AWAITING_APPROVAL
        assert driver.incident.withheld["restore"].reason is Reason.APPROVAL_PENDING
        driver.say(AnswerKind.APPROVE, "restore", "dana")
        driver.tick()
        assert driver.names() == ["restore"]

    def test_a_name_may_be_written_out(self) -> None:
        driver = asked()
        driver.say(AnswerKind.APPROVE, "restore", "lead")
        driver.tick()
        assert driver.names() == ["restore"]

    @pytest.mark.parametrize("by", ["mallory", "", "DANA"])
    def test_others_cannot_agree_or_refuse(self, by: str) -> None:
        driver = asked(dba="dana")
        driver.say(AnswerKind.APPROVE, "restore", by)
        driver.say(AnswerKind.DENY, "restore", by)
        driver.tick()
        assert driver.names() == []
        assert refusals(driver) == [AnswerRefusal.NOT_AN_APPROVER] * 2

    def test_a_role_is_no_person(self) -> None:
        driver = asked(dba="dana")
        driver.say(AnswerKind.APPROVE, "restore", "dba")
        driver.tick()
        assert driver.names() == []
        assert refusals(driver) == [AnswerRefusal.NOT_AN_APPROVER]

    @pytest.mark.parametrize("by", ["dana", "Dana", " dana", "dana ", "DANA"])
    def test_who_asked_does_not_agree_however_the_name_is_written(self, by: str) -> None:
        driver = asked(do("restore", approval=DBA, mode=Mode.SUGGEST), dba="dana eli")
        driver.say(AnswerKind.REQUEST, "restore", by)
        driver.tick()
        driver.say(AnswerKind.APPROVE, "restore", "dana")
        driver.tick()
        assert driver.names() == []
        assert refusals(driver) == [AnswerRefusal.IS_THE_REQUESTER]
        driver.say(AnswerKind.APPROVE, "restore", "eli")
        driver.tick()
        assert driver.names() == ["restore"]

    def test_who_asked_after_the_question_was_put_does_not_agree_either(self) -> None:
        driver = asked(dba="dana eli")
        driver.mode = Mode.SUGGEST
        driver.tick()
        driver.say(AnswerKind.REQUEST, "restore", "dana")
        driver.tick()
        driver.say(AnswerKind.APPROVE, "restore", "dana")
        driver.tick()
        assert driver.names() == []
        assert refusals(driver) == [AnswerRefusal.IS_THE_REQUESTER]

    def test_who_agreed_is_not_the_one_who_asks_for_it_later(self) -> None:
        driver = asked(dba="dana eli")
        driver.mode = Mode.SUGGEST
        driver.say(AnswerKind.APPROVE, "restore", "dana")
        driver.tick()
        driver.say(AnswerKind.REQUEST, "restore", "dana")
        driver.tick()
        assert driver.names() == []
        driver.say(AnswerKind.REQUEST, "restore", "eli")
        driver.tick()
        assert driver.names() == ["restore"]

    def test_a_yes_gets_stale_also_when_its_start_never_came_about(self) -> None:
        driver = asked(dba="dana")
        driver.say(AnswerKind.APPROVE, "restore", "dana")
        driver.tick()
        (first,) = driver.started
        driver.reports[first.key] = NeverStarted()
        driver.tick(101.0)
        driver.reports[first.key] = Done(OutcomeStatus.CANCELLED, 0.0)
        driver.ticks(2)
        assert driver.names() == ["restore"]
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED

    def test_a_no_is_a_failure(self) -> None:
        driver = asked(do("restore", approval=DBA, fallback=do("replica")), dba="dana")
        driver.say(AnswerKind.DENY, "restore", "dana")
        driver.tick()
        assert driver.names() == ["replica"]

    def test_silence_is_a_no(self) -> None:
        driver = asked(dba="dana")
        driver.ticks(21)
        assert driver.names() == []
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED
        driver.say(AnswerKind.APPROVE, "restore", "dana")
        driver.tick()
        assert refusals(driver) == [AnswerRefusal.NOTHING_ASKED]

    def test_an_answer_at_the_last_moment_is_too_late(self) -> None:
        driver = asked(dba="dana")
        driver.say(AnswerKind.APPROVE, "restore", "dana")
        driver.tick(100.0)
        assert refusals(driver) == [AnswerRefusal.TOO_LATE]
        assert driver.names() == []

    def test_a_second_answer_changes_nothing(self) -> None:
        driver = asked(dba="dana eli")
        driver.say(AnswerKind.APPROVE, "restore", "dana")
        driver.tick()
        driver.say(AnswerKind.DENY, "restore", "eli")
        driver.tick()
        assert refusals(driver) == [AnswerRefusal.ALREADY_DECIDED]
        assert driver.names() == ["restore"]

    def test_a_no_after_a_yes_counts_until_the_start(self) -> None:
        driver = asked(dba="dana eli")
        driver.error = "connection refused"
        driver.say(AnswerKind.APPROVE, "restore", "dana")
        driver.tick()
        driver.say(AnswerKind.DENY, "restore", "eli")
        driver.tick()
        driver.error = None
        driver.ticks(2)
        assert refusals(driver) == []
        assert driver.names() == []
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED

    def test_an_answer_that_is_delivered_twice_is_taken_once(self) -> None:
        driver = asked(dba="dana")
        for _ in range(2):
            driver.say(AnswerKind.APPROVE, "restore", "dana", answer="a1")
            driver.tick()
        assert refusals(driver) == []
        assert driver.names() == ["restore"]

    def test_an_answer_about_another_version_of_the_plan_does_not_count(self) -> None:
        driver = asked(dba="dana")
        driver.say(AnswerKind.APPROVE, "restore", "dana", plan="another")
        driver.tick()
        assert refusals(driver) == [AnswerRefusal.OTHER_PLAN]
        driver.say(AnswerKind.APPROVE, "restore", "dana", answer="a2", plan=driver.policy.hash)
        driver.tick()
        assert driver.names() == ["restore"]

    def test_an_upgrade_that_hashes_otherwise_hears_answers_about_open_incidents(self) -> None:
        driver = asked(dba="dana")
        pinned = driver.policy.hash
        driver.policy = replace(driver.policy, hash="as the next release hashes the same sources")
        driver.say(AnswerKind.APPROVE, "restore", "dana", plan=pinned)
        driver.tick()
        assert driver.names() == ["restore"]

    def test_it_is_not_asked_for_where_its_condition_is_false(self) -> None:
        guarded = Approval(("dba",), 100.0, above("hint", 5))
        assert asked(do("restore", approval=guarded)).names() == ["restore"]

    def test_an_unknown_condition_asks(self) -> None:
        driver = Driver(policy(do("restore", approval=Approval(("dba",), 100.0, above("hint", 5)))))
        driver.signals["hint"] = None
        driver.confirm()
        assert driver.names() == []
        assert driver.incident.phase is Phase.AWAITING_APPROVAL

    def test_a_yes_gets_stale(self) -> None:
        driver = asked(dba="dana")
        driver.error = "connection refused"
        driver.say(AnswerKind.APPROVE, "restore", "dana")
        driver.tick()
        assert driver.names() == []
        driver.error = None
        driver.tick(101.0)
        assert driver.names() == []
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED

    def test_a_crash_forgets_neither_question_nor_answer(self) -> None:
        driver = asked(dba="dana")
        driver.restart()
        driver.say(AnswerKind.APPROVE, "restore", "dana")
        driver.tick()
        driver.restart()
        driver.ticks(3)
        assert driver.names() == ["restore"]
        assert len(driver.of(e.ApprovalRequested)) == 1

    def test_recovery_at_a_safe_point_needs_no_answer(self) -> None:
        driver = asked(dba="dana")
        driver.ticks(6, errors=0.0)
        assert driver.incident.result is Result.SELF_HEALED

    def test_approve_mode_asks_whom_the_policy_calls(self) -> None:
        driver = Driver(policy(do("restart")), mode=Mode.APPROVE)
        driver.confirm()
        assert driver.names() == []
        driver.say(AnswerKind.APPROVE, "restart", "oncall")
        driver.tick()
        assert driver.names() == ["restart"]


class TestModes:
    def test_a_suggestion_waits_for_a_person(self) -> None:
        driver = Driver(policy(do("restart", mode=Mode.SUGGEST)))
        driver.confirm()
        driver.ticks(5)
        assert driver.names() == []
        assert driver.incident.withheld["restart"].reason is Reason.MODE_SUGGEST
        driver.say(AnswerKind.REQUEST, "restart", "eli")
        driver.tick()
        assert driver.names() == ["restart"]

    def test_who_requests_cannot_approve(self) -> None:
        driver = Driver(policy(do("restore", mode=Mode.SUGGEST, approval=DBA)))
        driver.people = {"dba": frozenset({"dana", "eli"})}
        driver.confirm()
        driver.say(AnswerKind.REQUEST, "restore", "dana")
        driver.tick()
        driver.say(AnswerKind.APPROVE, "restore", "dana")
        driver.tick()
        assert refusals(driver) == [AnswerRefusal.IS_THE_REQUESTER]
        assert driver.names() == []
        driver.say(AnswerKind.APPROVE, "restore", "eli")
        driver.tick()
        assert driver.names() == ["restore"]

    def test_a_request_for_what_was_not_suggested_changes_nothing(self) -> None:
        driver = Driver(policy(do("restart")))
        driver.confirm()
        driver.say(AnswerKind.REQUEST, "restart", "eli")
        driver.tick()
        assert refusals(driver) == [AnswerRefusal.NOTHING_ASKED]

    @pytest.mark.parametrize("who", ["agent", "policy", "step"])
    def test_the_strictest_mode_rules(self, who: str) -> None:
        step_mode = Mode.OBSERVE if who == "step" else None
        policy_mode = Mode.OBSERVE if who == "policy" else Mode.APPROVE
        driver = Driver(policy(do("restart", mode=step_mode), mode=policy_mode))
        driver.mode = Mode.OBSERVE if who == "agent" else Mode.AUTO
        driver.confirm()
        driver.ticks(3)
        assert driver.names() == []
        assert Reason.MODE_OBSERVE in withheld(driver)


def test_a_timed_out_wait_for_data_withdraws_nothing_that_ran() -> None:
    driver = Driver(policy(do("a", verify=Verify(ERRORS_LOW, 10.0, 60.0)), do("b", condition=below("hint", 1))))
    driver.confirm()
    driver.finish(Done(OutcomeStatus.OK, 1.0))
    driver.ticks(5, errors=0.0)
    assert driver.names() == ["a", "b"]
