"""What broke and no other test noticed: limits met exactly, and what draining, undos and questions do to each other."""

from __future__ import annotations

import pytest
from tests.unit.decide.builders import FAILED, START, Driver, above, do, policy, undo_of
from tests.unit.decide.test_shared_guards import full, guarded, opened, refused, withheld

from homeostat.decide.ledger import account
from homeostat.model import entries as e
from homeostat.model.answers import AnswerKind
from homeostat.model.commands import InDoubt
from homeostat.model.guards import Guards, Rate, Recurrence, Storm, Telemetry
from homeostat.model.incident import Ledger, Lock
from homeostat.model.policy import Approval, Branch, Dag, Decide, Effect, Retry, Steps, Try, Verify, Wait
from homeostat.model.reasons import AnswerRefusal, EscalationReason, Phase, Reason

DECIDED = START + 15.0
"""When a driver's incident is confirmed."""
DBA = Approval(("dana",), 1000.0)


class TestLimitsMetExactly:
    @pytest.mark.parametrize(("others", "names"), [(2, ["restart"]), (3, [])])
    def test_a_storm_is_more_than_so_many(self, others: int, names: list[str]) -> None:
        ledger = Ledger()
        for number in range(others):
            ledger = opened(ledger, START, f"i{number}")
        assert guarded(Guards(storm=Storm(3, 60.0)), ledger).names() == names

    def test_an_opening_as_old_as_the_window_no_longer_counts(self) -> None:
        ledger = opened(Ledger(), DECIDED - 60.0, "other")
        assert guarded(Guards(storm=Storm(1, 60.0)), ledger).names() == ["restart"]

    @pytest.mark.parametrize(("ago", "names"), [(100.0, ["restart"]), (99.0, [])])
    def test_a_start_as_old_as_the_window_no_longer_counts(self, ago: float, names: list[str]) -> None:
        ledger = full((DECIDED - ago, "restart", "deploy/pay"))
        assert guarded(Guards(rates=(Rate(frozenset(), 1, 100.0),)), ledger).names() == names

    def test_so_many_known_signals_as_are_wanted_are_enough(self) -> None:
        driver = Driver(policy(do("restart"), signals=("errors", "hint")))
        driver.guards = Guards(telemetry=Telemetry(known_min=0.5))
        driver.signals["hint"] = None
        driver.confirm()
        assert driver.names() == ["restart"]

    def test_what_an_incident_used_itself_is_not_held_against_it(self) -> None:
        driver = Driver(policy(do("restart", retry=Retry(1, explicit=True))))
        driver.guards = Guards(recurrence=(Recurrence(1, 1000.0),))
        driver.confirm()
        driver.finish(FAILED)
        driver.ticks(2)
        assert driver.names() == ["restart", "restart"]

    def test_a_candidate_with_a_fallback_is_picked_although_it_is_refused_itself(self) -> None:
        driver = Driver(policy(Try("try", (do("restart", cooldown_s=100.0, fallback=do("other")), do("next")))))
        driver.ledger = full((START, "restart", "svc/restart"))
        driver.confirm()
        assert driver.names() == ["other"]
        assert refused(driver)["restart"] is None


class TestDraining:
    def drained(self, *others: Steps | Wait | Decide) -> Driver:
        """A dag in which `bad` has failed while `slow` runs on, before what comes after it has begun."""
        slow = Steps("slow-branch", (do("slow", verify=None), *others))
        driver = Driver(policy(Dag("dag", (do("bad"), slow)), signals=("errors", "hint")))
        driver.confirm()
        driver.end("bad", FAILED)
        driver.tick()
        driver.end("slow")
        driver.tick()
        return driver

    def test_no_wait_begins(self) -> None:
        driver = self.drained(Wait("pause", 100.0))
        assert driver.of(e.WaitStarted) == []
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED

    def test_nothing_is_decided(self) -> None:
        branch = Branch(None, do("after"))
        driver = self.drained(Decide("which", (branch,)))
        assert "which" not in driver.incident.picks
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED

    def test_a_failure_that_is_no_actions_is_remembered_too(self) -> None:
        slow = Steps("slow-branch", (do("slow", verify=None), do("after")))
        driver = Driver(policy(Dag("dag", (slow, Wait("in-vain", 10.0, above("hint", 5), 10.0)))))
        driver.confirm()
        driver.ticks(3)
        driver.end("slow")
        driver.ticks(2)
        assert driver.names() == ["slow"]
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED

    def test_no_signal_is_waited_for(self) -> None:
        driver = Driver(
            policy(Dag("dag", (do("bad"), Steps("b", (do("slow", verify=None), do("x", condition=above("hint", 5)))))))
        )
        driver.confirm()
        driver.end("bad", FAILED)
        driver.tick()
        driver.end("slow")
        driver.tick(hint=None)
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED

    def test_no_retry_is_waited_for(self) -> None:
        driver = Driver(policy(Dag("dag", (do("bad"), do("again", retry=Retry(1, wait_s=500.0, explicit=True))))))
        driver.confirm()
        driver.end("again", FAILED)
        driver.tick()
        driver.end("bad", FAILED)
        driver.tick()
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED

    def test_an_open_question_is_taken_back(self) -> None:
        waiting = Steps("other", (do("asked", approval=DBA),))
        driver = Driver(policy(Dag("dag", (do("bad"), waiting, do("slow", verify=None)))))
        driver.confirm()
        driver.end("bad", FAILED)
        driver.tick()
        assert driver.incident.questions["asked"].granted is False
        assert len(driver.of(e.ApprovalExpired)) == 1


class TestUndos:
    def failed(self, effect: Effect = Effect.SAFE) -> Driver:
        driver = Driver(
            policy(do("scale", undo=undo_of("scale", effect=effect), verify=Verify(above("hint", 5), 0, 5)))
        )
        driver.confirm()
        driver.finish()
        driver.tick()
        return driver

    def test_one_waits_for_the_lock_on_its_target(self) -> None:
        driver = self.failed()
        driver.ledger = account(driver.ledger, _intent("elsewhere", "svc/scale", driver.now))
        driver.ticks(3)
        assert driver.ledger.locks["svc/scale"] == Lock("elsewhere", "elsewhere/x/1")
        assert driver.names() == ["scale"]
        assert Reason.TARGET_LOCKED in withheld(driver)

    def test_one_that_nobody_can_tell_of_says_that_it_is_an_undo(self) -> None:
        driver = self.failed(Effect.UNSAFE)
        driver.ticks(2)
        assert driver.names() == ["scale", "scale.undo"]
        driver.finish(InDoubt("lost"))
        driver.ticks(2)
        assert driver.incident.escalation is EscalationReason.UNDO_FAILED

    def test_a_blind_agent_takes_back_too(self) -> None:
        driver = self.failed()
        driver.error = "connection refused"
        driver.ticks(2)
        assert driver.names() == ["scale", "scale.undo"]


class TestQuestions:
    def test_a_guard_that_refuses_for_good_takes_the_question_back(self) -> None:
        driver = Driver(policy(do("restore", approval=DBA), do("next")))
        driver.confirm()
        driver.guards = Guards(rates=(Rate(frozenset(), 0, 100.0),))
        driver.tick()
        assert driver.incident.questions["restore"].granted is False
        assert len(driver.of(e.ApprovalExpired)) == 1

    def test_one_expires_also_while_a_guard_holds_the_step_back(self) -> None:
        driver = Driver(policy(do("restore", approval=Approval(("dana",), 20.0))))
        driver.confirm()
        driver.ledger = account(driver.ledger, e.Paused(at=driver.now, by="dana", answer="a1"))
        driver.ticks(4)
        assert driver.incident.escalation is EscalationReason.PLAN_FAILED

    def test_nobody_requests_what_was_not_suggested(self) -> None:
        driver = Driver(policy(do("restart")))
        driver.ledger = account(driver.ledger, e.Paused(at=driver.now, by="dana", answer="a1"))
        driver.confirm()
        assert driver.incident.withheld["restart"].reason is Reason.PAUSED
        driver.say(AnswerKind.REQUEST, "restart", "dana")
        driver.tick()
        assert driver.incident.requests == {}
        refusals = [entry.reason for entry in driver.entries if isinstance(entry, e.AnswerRefused)]
        assert refusals == [AnswerRefusal.NOTHING_ASKED]

    def test_the_time_for_resolved_runs_from_the_end_of_a_wait(self) -> None:
        driver = Driver(policy(do("restart", verify=None), Wait("let it come up", 200.0)))
        driver.confirm()
        driver.finish()
        driver.ticks(44)
        assert driver.incident.phase is Phase.DECIDING
        driver.ticks(26)
        assert driver.incident.escalation is EscalationReason.NOT_RESOLVED


def _intent(incident: str, target: str, at: float) -> e.ActionIntended:
    return e.ActionIntended(
        at=at,
        incident=incident,
        key=f"{incident}/x/1",
        node="x",
        action="x",
        target=target,
        arguments={},
        effect=Effect.SAFE,
        number=1,
        deadline_at=at + 10,
        policy="other",
    )
