from dataclasses import replace

import pytest
from tests.unit.decide.builders import FAILED, OK, Driver, above, attempt_of_each, below, do, policy

from homeostat.decide.ledger import account
from homeostat.decide.turn import Turn
from homeostat.model import entries as e
from homeostat.model.commands import Done, InDoubt, NeverStarted, Running
from homeostat.model.policy import Branch, Choose, Decide, Do, Effect, Escalate, Mode, Retry, Try, Verify
from homeostat.model.reasons import AttemptVerdict, EscalationReason, OutcomeStatus, Phase, Reason, Result


def verdicts(driver: Driver) -> list[AttemptVerdict]:
    return [entry.verdict for entry in driver.entries if isinstance(entry, e.AttemptEnded)]


def reasons(driver: Driver) -> list[Reason | None]:
    return [entry.reason for entry in driver.entries if isinstance(entry, e.DecisionWithheld)]


def heal(driver: Driver) -> None:
    """The action worked: errors are gone, for as long as verification and resolution want to see it."""
    driver.finish()
    driver.ticks(20, errors=0.0)


def test_a_quiet_system_leaves_no_trace() -> None:
    driver = Driver(policy(do("restart")))
    driver.ticks(10)
    assert driver.incident.phase is Phase.DORMANT
    assert driver.entries == driver.policy_entries == []


def test_a_single_spike_is_dismissed_without_an_action() -> None:
    driver = Driver(policy(do("restart")))
    driver.tick(errors=10.0)
    driver.tick(errors=0.0)
    assert driver.incident.result is Result.DISMISSED
    assert driver.started == []


def test_a_confirmed_incident_is_healed_and_closed() -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    assert driver.names() == ["restart"]
    heal(driver)
    assert driver.incident.phase is Phase.CLOSED
    assert driver.incident.result is Result.RECOVERED
    assert verdicts(driver) == [AttemptVerdict.EFFECTIVE]


def test_the_trigger_window_is_kept_exactly() -> None:
    driver = Driver(policy(do("restart"), for_s=10.0))
    driver.tick(errors=10.0)
    driver.tick(9.9)
    assert driver.started == []
    driver.tick(0.1)
    assert driver.names() == ["restart"]


def test_an_unknown_trigger_restarts_its_window_and_is_dismissed_at_last() -> None:
    driver = Driver(policy(do("restart"), for_s=10.0))
    driver.tick(errors=10.0)
    driver.tick(5.0, errors=None)
    driver.tick(5.0, errors=10.0)
    driver.tick(5.0)
    assert driver.started == []
    driver.tick(errors=None)
    driver.tick(61.0)
    assert driver.incident.result is Result.DISMISSED
    assert driver.started == []
    assert Reason.TELEMETRY_BLIND in reasons(driver)


def test_a_trigger_that_flickers_is_never_acted_on_and_calls_people_in_the_end() -> None:
    driver = Driver(replace(policy(do("restart"), for_s=30.0), unknown_s=60.0))
    driver.tick(errors=10.0)
    while driver.incident.phase is Phase.CONFIRMING and driver.now - driver.incident.opened_at < 1_000.0:
        driver.tick(10.0, errors=None)
        waited_s = driver.now - driver.incident.opened_at
        assert (driver.incident.phase is Phase.CONFIRMING) is (waited_s < 90.0)
        driver.tick(10.0, errors=10.0)
    assert driver.incident.escalation is EscalationReason.SIGNAL_UNKNOWN
    assert driver.started == []


def test_blindness_before_an_incident_is_noted_once_and_lifted_once() -> None:
    driver = Driver(policy(do("restart")))
    driver.ticks(3, errors=None)
    driver.ticks(3, errors=0.0)
    noted = [entry.reason for entry in driver.policy_entries if isinstance(entry, e.DecisionWithheld)]
    assert noted == [Reason.TELEMETRY_BLIND, None]


def test_stale_samples_are_missing_samples() -> None:
    driver = Driver(policy(do("restart")), sampled_before_s=31.0)
    driver.ticks(10, errors=10.0)
    assert driver.entries == []
    assert driver.ledger.blind == {"p": driver.now - 45.0}


def test_steps_run_in_strict_order_and_a_failure_calls_people() -> None:
    driver = Driver(policy(do("drain", verify=None), do("restore"), do("undrain")))
    driver.confirm()
    driver.finish()
    driver.tick()
    assert driver.names() == ["drain", "restore"]
    driver.finish(FAILED)
    driver.tick()
    assert driver.incident.escalation is EscalationReason.PLAN_FAILED
    assert driver.names() == ["drain", "restore"]


def test_a_plan_that_has_changed_something_is_not_ended_between_its_steps() -> None:
    driver = Driver(policy(do("drain", verify=None), do("restore", verify=None), do("undrain", verify=None)))
    driver.confirm()
    driver.finish()
    driver.ticks(10, errors=0.0)
    assert driver.names() == ["drain", "restore"]
    driver.finish()
    driver.tick()
    driver.finish()
    driver.ticks(10)
    assert driver.names() == ["drain", "restore", "undrain"]
    assert driver.incident.result is Result.RECOVERED


def test_a_system_that_heals_by_itself_before_the_first_action_is_left_alone() -> None:
    driver = Driver(policy(do("restart", target="svc/a")))
    driver.tick(errors=10.0)
    locked = e.ActionIntended(
        at=driver.now, incident="other", key="other/1", node="x", action="x", target="svc/a", arguments={},
        effect=Effect.SAFE, number=1, deadline_at=driver.now + 1e6,
    )  # fmt: skip
    driver.ledger = account(driver.ledger, locked)
    driver.ticks(4)
    assert reasons(driver)[-1] is Reason.TARGET_LOCKED
    driver.ticks(10, errors=0.0)
    assert driver.started == []
    assert driver.incident.result is Result.SELF_HEALED
    assert Reason.RECOVERING in reasons(driver)


def test_try_goes_on_to_the_next_candidate_and_skips_false_and_unknown_ones() -> None:
    candidates = (
        do("first"),
        do("unknown", condition=above("hint", 5)),
        do("false", condition=above("harm", 5)),
        do("last"),
    )
    driver = Driver(policy(Try("try", candidates)))
    driver.signals["hint"] = None
    driver.confirm()
    driver.finish(FAILED)
    driver.tick()
    assert driver.names() == ["first", "last"]
    decision = [entry for entry in driver.entries if isinstance(entry, e.Decided)][-1]
    assert [option.reason for option in decision.options] == [
        Reason.ALREADY_TRIED, Reason.SIGNAL_UNKNOWN, Reason.CONDITION_FALSE, None,
    ]  # fmt: skip


def test_try_never_returns_to_a_candidate_it_passed_over() -> None:
    driver = Driver(policy(Try("try", (do("hinted", condition=above("hint", 5)), do("plain")))))
    driver.confirm()
    driver.finish(FAILED)
    driver.tick(hint=10.0)
    assert driver.names() == ["plain"]
    assert driver.incident.escalation is EscalationReason.PLAN_FAILED


def test_choose_reads_the_signals_again_for_each_pick() -> None:
    hinted = do("hinted", condition=above("hint", 5))
    driver = Driver(policy(Choose("choose", (hinted, do("a"), do("b")))))
    driver.confirm()
    driver.finish(FAILED)
    driver.tick(hint=10.0)
    assert driver.names() == ["a", "hinted"]
    picks = [entry for entry in driver.entries if isinstance(entry, e.Decided)]
    assert [(pick.chosen, pick.failed) for pick in picks] == [("a", ()), ("hinted", ("a",))]
    assert [sum(option.propensity for option in pick.options) for pick in picks] == [1.0, 1.0]


def test_decide_latches_its_branch() -> None:
    branches = (Branch(above("hint", 5), do("hinted")), Branch(None, do("plain")))
    driver = Driver(policy(Decide("which", branches)))
    driver.confirm()
    assert driver.names() == ["plain"]
    driver.ticks(3, hint=10.0)
    heal(driver)
    assert driver.names() == ["plain"]


def test_decide_waits_for_an_unknown_signal_and_then_calls_people() -> None:
    driver = Driver(policy(Decide("which", (Branch(above("hint", 5), do("hinted")), Branch(None, do("plain"))))))
    driver.signals["hint"] = None
    driver.confirm()
    driver.ticks(5)
    assert driver.started == []
    assert reasons(driver) == [Reason.SIGNAL_UNKNOWN]
    driver.ticks(10)
    assert driver.incident.escalation is EscalationReason.SIGNAL_UNKNOWN


def test_a_step_whose_if_is_false_is_passed_over_for_good() -> None:
    driver = Driver(policy(do("maybe", condition=above("hint", 5)), do("always")))
    driver.confirm()
    assert driver.names() == ["always"]
    driver.ticks(3, hint=10.0)
    assert driver.names() == ["always"]


def test_the_plan_may_call_people_itself() -> None:
    driver = Driver(policy(Escalate("give-up", "dba", "page", "needs a person")))
    driver.confirm()
    assert driver.incident.escalation is EscalationReason.PLAN_SAYS_SO
    assert next(entry for entry in driver.entries if isinstance(entry, e.Escalated)).to == "dba"


def test_an_escalated_incident_starts_nothing_and_closes_when_all_is_well() -> None:
    driver = Driver(policy(attempt_of_each("a")))
    driver.confirm()
    driver.finish(FAILED)
    driver.ticks(50, errors=10.0)
    assert driver.names() == ["a"]
    driver.ticks(6, errors=0.0)
    assert driver.incident.result is Result.ESCALATED


def test_missing_data_never_counts_as_success() -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    driver.finish()
    driver.ticks(13, errors=None)
    assert verdicts(driver) == [AttemptVerdict.INCONCLUSIVE]
    assert driver.incident.result is None


def test_samples_from_before_the_end_of_the_action_prove_nothing() -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    driver.finish()
    driver.tick(errors=0.0)
    driver.sampled_before_s = 12.0
    driver.tick(errors=0.0)
    driver.tick()
    held = driver.incident.held[f"verify:{driver.started[0].key}"]
    assert (held.truth, verdicts(driver)) == (None, [])


def test_verification_waits_for_the_settle_time() -> None:
    verify = Verify(below("errors", 1), for_s=0.0, within_s=60.0, settle_s=20.0)
    driver = Driver(policy(do("restart", verify=verify)))
    driver.confirm()
    driver.finish()
    driver.ticks(4, errors=0.0)
    assert verdicts(driver) == []
    driver.tick()
    assert verdicts(driver) == []
    driver.tick()
    assert verdicts(driver) == [AttemptVerdict.EFFECTIVE]


def test_verification_that_held_before_teaches_nothing() -> None:
    verify = Verify(below("hint", 1), for_s=0.0, within_s=60.0)
    driver = Driver(policy(do("restart", verify=verify)))
    driver.confirm()
    driver.finish()
    driver.ticks(2)
    assert verdicts(driver) == [AttemptVerdict.PRE_SATISFIED]


def test_harm_ends_an_attempt_and_is_not_repeated() -> None:
    driver = Driver(policy(do("shift", retry=Retry(3, explicit=True)), harm=above("harm", 5)))
    driver.confirm()
    driver.finish()
    driver.ticks(2, harm=10.0)
    assert verdicts(driver) == [AttemptVerdict.HARMFUL]
    assert driver.names() == ["shift"]


def test_an_action_that_fails_half_way_and_harms_is_harmful_and_not_repeated() -> None:
    driver = Driver(policy(do("shift", effect=Effect.KEYED, retry=Retry(3, explicit=True)), harm=above("harm", 5)))
    driver.confirm()
    driver.tick(harm=10.0)
    driver.finish(FAILED)
    driver.ticks(2, harm=10.0)
    assert verdicts(driver) == [AttemptVerdict.HARMFUL]
    assert driver.names() == ["shift"]


def test_an_action_that_fails_while_the_system_recovers_gets_no_credit() -> None:
    driver = Driver(policy(attempt_of_each("a", "b")))
    driver.confirm()
    driver.finish(FAILED)
    driver.ticks(6, errors=0.0)
    assert verdicts(driver) == [AttemptVerdict.SELF_HEALED]
    assert driver.names() == ["a"]
    assert driver.incident.result is Result.SELF_HEALED


def test_a_failed_leaf_is_retried_after_its_wait_and_no_more_often_than_it_says() -> None:
    driver = Driver(policy(do("restart", retry=Retry(2, wait_s=12.0))))
    driver.confirm()
    for _ in range(12):
        driver.finish(FAILED)
        driver.tick()
    assert driver.names() == ["restart"] * 3
    assert Reason.RETRY_WAIT in reasons(driver)
    assert driver.incident.escalation is EscalationReason.PLAN_FAILED


def test_an_unsafe_action_is_not_retried_by_a_default() -> None:
    driver = Driver(policy(do("restore", effect=Effect.UNSAFE, retry=Retry(3))))
    driver.confirm()
    driver.finish(FAILED)
    driver.ticks(3)
    assert driver.names() == ["restore"]


def test_an_unsafe_action_is_retried_when_its_step_says_so_but_not_after_a_time_out() -> None:
    explicit = do("restore", effect=Effect.UNSAFE, retry=Retry(3, explicit=True))
    driver = Driver(policy(explicit))
    driver.confirm()
    driver.finish(FAILED)
    driver.tick()
    assert driver.names() == ["restore"] * 2
    driver.finish(Done(OutcomeStatus.TIMEOUT, 100.0))
    driver.ticks(3)
    assert driver.names() == ["restore"] * 2


def test_a_time_out_asks_for_a_stop_and_waits_until_it_is_confirmed() -> None:
    driver = Driver(policy(do("hang", timeout_s=30.0), do("next")))
    driver.confirm()
    driver.ticks(7)
    assert [command.key for command in driver.cancelled][:1] == [driver.started[0].key]
    assert driver.ledger.locks.keys() == {"svc/hang"}
    driver.finish(Done(OutcomeStatus.CANCELLED, 35.0))
    driver.tick()
    assert driver.ledger.locks == {}
    assert verdicts(driver) == [AttemptVerdict.INEFFECTIVE]
    assert driver.incident.escalation is EscalationReason.PLAN_FAILED


def test_a_stop_that_is_never_confirmed_calls_people_and_keeps_the_lock() -> None:
    driver = Driver(policy(do("hang", timeout_s=30.0)))
    driver.confirm()
    driver.ticks(25)
    assert driver.incident.escalation is EscalationReason.CANCEL_UNCONFIRMED
    assert driver.ledger.locks.keys() == {"svc/hang"}
    driver.ticks(10, errors=0.0)
    assert driver.incident.phase is Phase.ESCALATED, "it may still be running"


def test_attempts_are_bounded_over_the_whole_incident() -> None:
    driver = Driver(policy(attempt_of_each("a", "b", "c"), attempts_max=2))
    driver.confirm()
    for _ in range(5):
        driver.finish(FAILED)
        driver.tick()
    assert driver.names() == ["a", "b"]
    assert driver.incident.escalation is EscalationReason.ATTEMPTS_EXHAUSTED


def test_a_cooldown_holds_over_incidents() -> None:
    driver = Driver(policy(Try("try", (do("a", cooldown_s=1000.0), do("b")))))
    driver.confirm()
    heal(driver)
    assert driver.incident.phase is Phase.CLOSED
    second = Driver(driver.policy, now=driver.now, ledger=driver.ledger)
    second.confirm()
    assert second.names() == ["b"]
    picked = next(entry for entry in second.entries if isinstance(entry, e.Decided))
    assert picked.options[0].reason is Reason.COOLDOWN_ACTIVE
    third = Driver(policy(do("a", cooldown_s=1000.0)), now=driver.now, ledger=driver.ledger)
    third.confirm()
    assert third.started == []
    assert third.incident.escalation is EscalationReason.PLAN_FAILED


def test_observe_mode_decides_and_starts_nothing() -> None:
    driver = Driver(policy(attempt_of_each("a"), mode=Mode.OBSERVE))
    driver.confirm()
    driver.ticks(5)
    assert driver.started == []
    assert reasons(driver) == [Reason.MODE_OBSERVE]
    driver.ticks(6, errors=0.0)
    assert driver.incident.result is Result.SELF_HEALED


@pytest.mark.parametrize("plan", [do("a"), Escalate("call", "dba")])
def test_who_is_called_can_tell_what_the_agent_only_observed(plan: Do | Escalate) -> None:
    """A step that alone is in mode `observe` is no such thing: nobody else works on the incident."""
    observing = Driver(policy(plan, mode=Mode.OBSERVE, timeout_s=40.0))
    acting = Driver(policy(replace(plan, mode=Mode.OBSERVE) if isinstance(plan, Do) else plan, timeout_s=40.0))
    for driver, observed in ((observing, True), (acting, False)):
        driver.confirm()
        driver.ticks(6)
        (told,) = [entry for entry in driver.entries if isinstance(entry, e.Escalated)]
        assert (driver.started, told.observed) == ([], observed)


def test_a_dead_source_starts_nothing_and_calls_people_in_time() -> None:
    driver = Driver(policy(attempt_of_each("a", "b")))
    driver.confirm()
    driver.finish(FAILED)
    driver.error = "connection refused"
    driver.ticks(5)
    assert driver.names() == ["a"]
    assert reasons(driver)[-1] is Reason.TELEMETRY_BLIND
    driver.ticks(10)
    assert driver.incident.escalation is EscalationReason.SIGNAL_UNKNOWN
    assert driver.names() == ["a"]


def test_an_incident_has_a_deadline_and_stops_what_runs() -> None:
    driver = Driver(policy(do("slow", timeout_s=1000.0), timeout_s=100.0))
    driver.confirm()
    driver.ticks(25)
    assert driver.incident.escalation is EscalationReason.TIMEOUT
    assert driver.cancelled[0].key == driver.started[0].key


def test_a_plan_that_verified_but_did_not_resolve_calls_people() -> None:
    verify = Verify(below("hint", 5), for_s=0.0, within_s=60.0)
    driver = Driver(policy(do("restart", verify=verify)))
    driver.confirm()
    driver.finish()
    driver.ticks(30, errors=3.0)
    assert driver.incident.escalation is EscalationReason.NOT_RESOLVED


def test_after_a_crash_an_intent_that_never_started_starts_under_its_own_key() -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    key = driver.started[0].key
    driver.restart()
    driver.reports[key] = NeverStarted()
    driver.tick()
    assert [command.key for command in driver.started] == [key, key]
    assert len(driver.of(e.ActionIntended)) == 1


def test_an_old_intent_that_never_started_is_cancelled_and_decided_anew() -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    key = driver.started[0].key
    driver.restart()
    driver.reports[key] = NeverStarted()
    driver.tick(3600.0)
    assert driver.cancelled[-1].key == key
    driver.reports[key] = Done(OutcomeStatus.CANCELLED, 0.0)
    driver.tick()
    assert [command.key for command in driver.started] == [key, key[:-1] + "2"]
    assert verdicts(driver) == [AttemptVerdict.CANCELLED]


def test_after_a_crash_a_running_action_is_attached_to_and_not_started_again() -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    driver.restart()
    driver.ticks(3)
    assert len(driver.started) == 1
    heal(driver)
    assert driver.incident.result is Result.RECOVERED


def test_a_doubtful_outcome_is_settled_by_the_signals() -> None:
    driver = Driver(policy(do("restore", effect=Effect.UNSAFE)))
    driver.confirm()
    driver.finish(InDoubt("the host rebooted"))
    driver.tick()
    assert driver.incident.phase is Phase.RECONCILING
    driver.ticks(10, errors=0.0)
    assert verdicts(driver) == [AttemptVerdict.UNKNOWN]
    assert driver.incident.result is Result.RECOVERED
    assert len(driver.started) == 1


def test_a_doubtful_unsafe_action_that_shows_no_effect_calls_people() -> None:
    unsafe = Try("try", (do("a", effect=Effect.UNSAFE), do("b")))
    driver = Driver(policy(unsafe))
    driver.confirm()
    driver.finish(InDoubt("the host rebooted"))
    driver.ticks(20)
    assert driver.incident.escalation is EscalationReason.OUTCOME_UNKNOWN
    assert driver.names() == ["a"]


def test_a_doubtful_safe_action_runs_once_more_and_only_once() -> None:
    driver = Driver(policy(do("restart", effect=Effect.SAFE)))
    driver.confirm()
    for _ in range(4):
        driver.finish(InDoubt("the runner died"))
        driver.ticks(15)
    assert driver.names() == ["restart"] * 2
    assert driver.incident.phase is Phase.ESCALATED


def test_a_rerun_after_doubt_does_not_use_up_the_incidents_attempts() -> None:
    driver = Driver(policy(do("restart", effect=Effect.SAFE), attempts_max=1))
    driver.confirm()
    driver.finish(InDoubt("the host rebooted"))
    driver.ticks(15)
    assert driver.names() == ["restart"] * 2
    heal(driver)
    assert driver.incident.result is Result.RECOVERED


def test_a_start_that_was_withdrawn_before_it_began_does_not_use_up_the_incidents_attempts() -> None:
    driver = Driver(policy(do("restart", effect=Effect.UNSAFE), attempts_max=1))
    while not driver.started:
        driver.tick(errors=10.0)
    driver.reports[driver.started[0].key] = Done(OutcomeStatus.CANCELLED, 0.0, detail="nothing was run: too late")
    driver.tick()
    assert driver.names() == ["restart"] * 2
    heal(driver)
    assert driver.incident.result is Result.RECOVERED


def test_starts_that_are_withdrawn_again_and_again_are_bounded() -> None:
    driver = Driver(policy(do("restart", effect=Effect.SAFE), attempts_max=3))
    while not driver.started:
        driver.tick(errors=10.0)
    for _ in range(6):
        for command in driver.started:
            driver.reports[command.key] = Done(OutcomeStatus.CANCELLED, 0.0)
        driver.tick()
    assert driver.names() == ["restart"] * 4
    assert driver.incident.escalation is EscalationReason.ATTEMPTS_EXHAUSTED


def test_a_window_breaks_when_nobody_looked() -> None:
    driver = Driver(policy(do("restart"), for_s=10.0))
    driver.tick(errors=10.0)
    driver.tick(3600.0)
    assert driver.started == [], "an hour ago it was true, and now it is again"
    driver.tick(10.0)
    assert driver.names() == ["restart"]


def test_a_clock_that_jumps_back_breaks_windows_too() -> None:
    driver = Driver(policy(do("restart"), for_s=10.0))
    driver.tick(errors=10.0)
    driver.tick(-50.0)
    driver.tick(5.0)
    assert driver.started == []
    driver.tick(5.0)
    assert driver.names() == ["restart"]


def test_recovery_is_not_taken_for_granted_over_a_gap() -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    driver.finish()
    driver.ticks(4, errors=0.0)
    assert verdicts(driver) == [AttemptVerdict.EFFECTIVE]
    driver.tick(61.0)
    assert driver.incident.result is None
    driver.ticks(4)
    assert driver.incident.result is Result.RECOVERED


def test_an_escalated_incident_that_stays_broken_writes_nothing_more() -> None:
    driver = Driver(policy(attempt_of_each("a")))
    driver.confirm()
    driver.finish(FAILED)
    driver.tick()
    assert driver.incident.phase is Phase.ESCALATED
    written = len(driver.entries)
    driver.ticks(100, errors=10.0)
    assert len(driver.entries) == written


def test_a_cure_that_works_is_not_judged_by_a_look_that_came_late() -> None:
    undo = do("take_back", verify=None)
    driver = Driver(policy(do("restart", undo=undo)))
    driver.confirm()
    driver.finish()
    driver.tick(errors=0.0)
    driver.tick(1_000.0)
    assert verdicts(driver) == []
    driver.ticks(4)
    assert verdicts(driver) == [AttemptVerdict.EFFECTIVE]
    assert driver.names() == ["restart"]


def test_a_late_look_that_sees_nothing_is_no_judgement_until_the_data_had_time_to_come() -> None:
    for seen_after_s, verdict in ((30.0, AttemptVerdict.EFFECTIVE), (61.0, AttemptVerdict.INCONCLUSIVE)):
        driver = Driver(policy(do("restart")))
        driver.confirm()
        driver.finish()
        driver.tick(errors=0.0)
        driver.tick()
        driver.tick(1_000.0, errors=None)
        assert verdicts(driver) == []
        driver.tick(seen_after_s)
        driver.ticks(4, errors=0.0)
        assert verdicts(driver) == [verdict]


def test_a_cure_that_does_not_work_is_judged_at_the_late_look() -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    driver.finish()
    driver.tick(errors=10.0)
    driver.tick(1_000.0)
    assert verdicts(driver) == [AttemptVerdict.INEFFECTIVE]


def test_a_long_proof_comes_to_its_end_while_people_have_the_incident() -> None:
    leaf = do("a", verify=Verify(below("hint", 1), for_s=90, within_s=300))
    driver = Driver(policy(leaf, timeout_s=40.0))
    driver.tick(0, errors=9.0, hint=0.0)
    driver.tick(10)
    driver.tick(5)
    driver.reports[driver.started[0].key] = OK
    driver.tick(5)
    driver.ticks(40)
    assert driver.incident.escalation is EscalationReason.TIMEOUT
    assert verdicts(driver) == [AttemptVerdict.PRE_SATISFIED]
    assert driver.ledger.locks == {}, "nobody else could act on it"
    changes = [(entry.watch, entry.truth) for entry in driver.entries if isinstance(entry, e.ConditionChanged)]
    assert len(changes) == len(set(changes)), "a window that begins anew at every look is an entry each, for ever"


def test_an_escalated_incident_does_not_close_over_a_gap() -> None:
    driver = Driver(policy(attempt_of_each("a")))
    driver.confirm()
    driver.finish(FAILED)
    driver.tick()
    driver.tick(errors=0.0)
    driver.tick(86_400.0)
    assert driver.incident.result is None, "one look a day proves nothing"
    driver.ticks(6)
    assert driver.incident.result is Result.ESCALATED


def test_people_get_the_policys_own_words() -> None:
    driver = Driver(policy(do("a")))
    driver.policy = replace(driver.policy, escalate=Escalate("policy-escalate", "dba", message="see the runbook"))
    driver.confirm()
    driver.finish(FAILED)
    driver.tick()
    (told,) = [entry for entry in driver.entries if isinstance(entry, e.Escalated)]
    assert told.detail == "see the runbook"


def test_an_observing_agent_starts_nothing_that_an_acting_one_intended() -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    key = driver.started[0].key
    driver.restart()
    driver.mode = Mode.OBSERVE
    driver.reports[key] = NeverStarted()
    driver.tick()
    assert len(driver.started) == 1
    assert driver.cancelled[-1].key == key
    driver.reports[key] = Done(OutcomeStatus.CANCELLED, 0.0)
    driver.ticks(3)
    assert len(driver.started) == 1
    assert reasons(driver)[-1] is Reason.MODE_OBSERVE


def test_a_late_start_needs_data_like_any_other() -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    driver.reports[driver.started[0].key] = NeverStarted()
    driver.tick(errors=None, hint=None, harm=None)
    assert len(driver.started) == 1


def test_a_late_start_is_given_up_when_the_system_is_well() -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    key = driver.started[0].key
    driver.reports[key] = NeverStarted()
    driver.tick(errors=0.0)
    assert [command.key for command in driver.cancelled] == [key]
    driver.reports[key] = Done(OutcomeStatus.CANCELLED, 0.0)
    driver.ticks(6)
    assert len(driver.started) == 1
    assert driver.incident.result is Result.SELF_HEALED


def test_an_actuator_that_forgets_what_ran_leaves_it_in_doubt() -> None:
    driver = Driver(policy(do("restore", effect=Effect.UNSAFE)))
    driver.confirm()
    driver.tick()
    driver.reports[driver.started[0].key] = NeverStarted()
    driver.ticks(20)
    assert len(driver.started) == 1
    assert driver.incident.escalation is EscalationReason.OUTCOME_UNKNOWN


def test_running_is_reported_once() -> None:
    driver = Driver(policy(do("restart")))
    driver.confirm()
    driver.reports[driver.started[0].key] = Running("pid 1")
    driver.ticks(4)
    assert len(driver.of(e.ActionStarted)) == 1


def test_two_incidents_never_touch_one_target_at_once() -> None:
    first = Driver(policy(do("a", target="svc/shared")))
    first.confirm()
    second = Driver(policy(do("b", target="svc/shared")), ledger=first.ledger)
    second.confirm()
    assert second.started == []
    assert reasons(second) == [Reason.TARGET_LOCKED]
    first.finish(OK)
    first.ticks(4, errors=0.0)
    assert verdicts(first) == [AttemptVerdict.EFFECTIVE]
    second.ledger = first.ledger
    second.tick()
    assert second.names() == ["b"]


def test_what_is_at_its_bound_but_not_past_it_may_be_at_the_next_look() -> None:
    driver = Driver(policy(do("a")))
    turn = Turn(driver.policy, driver.incident, driver.moment())
    assert not turn.has_outlasted(5.0, 5.0)
    quiet = turn.done().quiet
    assert quiet is not None
    assert quiet.until == turn.now
