"""The heart: one pure function decides what happens next.

The live loop, policy tests, the replay of recorded incidents, the simulator and crash recovery all call `step`, and
nothing else decides anything. It is level-triggered: each call looks at the present moment and at what the journal
says, and gives entries to be made durable and commands to be carried out after that.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from homeostat.decide import approvals, guards
from homeostat.decide.attempts import bring_forward, request_cancel
from homeostat.decide.autonomy import earned_levels, note_relapses
from homeostat.decide.leaf import take_back_failures
from homeostat.decide.lifecycle import ACTIVE
from homeostat.decide.projection import apply
from homeostat.decide.status import Status
from homeostat.decide.turn import Moment, Turn
from homeostat.decide.walk import walk
from homeostat.model import entries as e
from homeostat.model.commands import StartAction, Step
from homeostat.model.incident import Incident, Ledger
from homeostat.model.policy import Policy
from homeostat.model.reasons import EscalationReason, Phase, Reason, Result
from homeostat.model.signals import Snapshot


def step(policy: Policy, incident: Incident, moment: Moment) -> Step:
    """Decide what happens next in one incident.

    Args:
        policy: the version the incident is pinned to.
        incident: the fold of its stream; a dormant one where none is open.
        moment: everything else a decision may depend on.

    Returns:
        What to journal, and what to do once that is durable. The same arguments always give the same step.
    """
    turn = Turn(policy, incident, moment)
    if turn.incident.phase is Phase.DORMANT:
        _detect(turn)
    if turn.incident.phase is Phase.CONFIRMING:
        _confirm(turn)
    approvals.take_answers(turn)
    if turn.incident.phase in ACTIVE:
        _recover(turn)
        if turn.incident.phase is Phase.ESCALATED:
            _call_off_starts(turn)
    elif turn.incident.phase is Phase.ESCALATED:
        _stand_by(turn)
    return turn.done()


def look_on(incident: Incident, ledger: Ledger, snapshots: Sequence[Snapshot]) -> Step:
    """What `step` gives for looks at which nothing is due, all of them together.

    Args:
        incident: as the last step left it. Its `Step.quiet` said how long that holds, and that looks are journalled.
        ledger: as that step left it.
        snapshots: of the policy's own signals, oldest first; they show what that step saw.
    """
    entries = tuple(e.Observed(at=snapshot.at, snapshot=snapshot) for snapshot in snapshots)
    return Step(reduce(apply, entries, incident), ledger, entries)


def give_up(policy: Policy, incident: Incident, moment: Moment, why: str) -> Step:
    """Hand an incident to people because no step of it can be decided: a bug, not a state of the world.

    Running actions are told to stop, and nothing more is started.
    """
    turn = Turn(policy, incident, moment)
    _cancel_running(turn, EscalationReason.STEP_FAILED)
    turn.escalate(EscalationReason.STEP_FAILED, detail=why)
    return turn.done()


def _detect(turn: Turn) -> None:
    """Open an incident when the trigger is true; note, once, when it cannot be evaluated."""
    policy = turn.policy
    truth = turn.truth(policy.trigger.condition)
    was_blind = policy.name in turn.ledger.blind
    if truth is None and not was_blind:
        reason, detail = guards.blind(turn) or (Reason.TELEMETRY_BLIND, "the trigger cannot be evaluated")
        turn.record_for_policy(
            e.DecisionWithheld(at=turn.now, node="", reason=reason, detail=detail, policy=policy.name)
        )
    elif truth is not None and was_blind:
        turn.record_for_policy(e.DecisionWithheld(at=turn.now, node="", reason=None, policy=policy.name))
    if truth is True:
        turn.record(
            e.Suspected(
                at=turn.now,
                incident=turn.incident.id,
                policy=policy.name,
                policy_hash=policy.hash,
                dedup_key=policy.dedup_key,
                seed=turn.incident.seed,
                earned=earned_levels(turn.ledger, policy.name),
            )
        )


def _confirm(turn: Turn) -> None:
    """Wait until the trigger has held for its window; an unknown one restarts the window.

    One that goes dark is dismissed: that the policy is blind is told beside. One that is true whenever it can be seen,
    and time and again cannot, would be neither confirmed nor dismissed for ever: people are called.
    """
    turn.observe()
    trigger = turn.policy.trigger
    held_s = turn.watch("trigger", trigger.condition)
    if held_s is not None:
        turn.release("")
        if turn.has_lasted(held_s, trigger.for_s):
            turn.record(e.Confirmed(at=turn.now))
            note_relapses(turn)
    elif turn.truth(trigger.condition) is False:
        _dismiss(turn, Reason.CONDITION_FALSE)
    else:
        blind_s = turn.withhold("", *(guards.blind(turn) or (Reason.TELEMETRY_BLIND, "")))
        if turn.has_lasted(blind_s, turn.policy.unknown_s):
            _dismiss(turn, Reason.TELEMETRY_BLIND)
        elif turn.has_lasted(turn.now - turn.incident.opened_at, trigger.for_s + turn.policy.unknown_s):
            detail = "the trigger was true whenever it could be seen, and unknown too often to be confirmed"
            turn.escalate(EscalationReason.SIGNAL_UNKNOWN, detail=detail)


def _dismiss(turn: Turn, reason: Reason) -> None:
    turn.record(e.Dismissed(at=turn.now, reason=reason))
    turn.record(e.Closed(at=turn.now, result=Result.DISMISSED))


def _recover(turn: Turn) -> None:
    """Carry the plan out: bring attempts forward, look for a safe end, then walk the tree."""
    turn.observe()
    bring_forward(turn)
    if turn.incident.phase not in ACTIVE:
        return
    if turn.has_lasted(turn.now - turn.incident.opened_at, turn.policy.timeout_s):
        _time_out(turn)
        return
    resolved_s = turn.watch("resolved", turn.policy.resolved.condition)
    if _held_back(turn, resolved_s):
        return
    if not turn.policy.parallel and turn.incident.phase not in (Phase.DECIDING, Phase.AWAITING_APPROVAL):
        return  # one attempt at a time: while it runs or is being verified, the tree has nothing to say
    status = walk(turn, turn.policy.root)
    if turn.incident.phase not in ACTIVE:
        return
    if status is Status.SUCCEEDED:
        _await_resolved(turn, resolved_s)
    elif status is Status.FAILED:
        turn.escalate(EscalationReason.PLAN_FAILED)


def _held_back(turn: Turn, resolved_s: float | None) -> bool:
    """Whether the walk must wait: the data are missing, or the system is well or getting well by itself."""
    blind = guards.blind(turn)
    if blind is not None:
        blind_s = turn.withhold("", *blind)
        take_back_failures(turn)
        if turn.has_lasted(blind_s, turn.policy.unknown_s) and not turn.incident.open_attempts():
            turn.escalate(EscalationReason.SIGNAL_UNKNOWN, detail=blind[1])
        return True
    if resolved_s is not None and guards.has_nothing_to_lose(turn):
        is_taken_back = take_back_failures(turn)  # who has the incident next finds nothing half done
        if turn.incident.phase not in ACTIVE:
            return True
        if is_taken_back and turn.has_lasted(resolved_s, turn.policy.resolved.for_s):
            _close_recovered(turn)
        else:
            turn.withhold("", Reason.RECOVERING, turn.policy.resolved.condition.text)
        return True
    turn.release("")
    return False


def _await_resolved(turn: Turn, resolved_s: float | None) -> None:
    """The plan is through: now the resolved condition must hold for its window, in time."""
    resolved = turn.policy.resolved
    if resolved_s is not None and turn.has_lasted(resolved_s, resolved.for_s):
        _close_recovered(turn)
        return
    ends = [attempt.verdict_at or 0.0 for attempt in turn.incident.every_attempt()]
    ends += [wait.ended_at or 0.0 for wait in turn.incident.waits.values()]
    ended_at = max(ends, default=turn.incident.opened_at)
    if resolved.within_s is not None and turn.has_lasted(turn.now - ended_at, resolved.within_s):
        turn.escalate(EscalationReason.NOT_RESOLVED, detail=resolved.condition.text)


def _close_recovered(turn: Turn) -> None:
    healed_by_us = any(attempt.succeeded and attempt.undoes is None for attempt in turn.incident.every_attempt())
    turn.record(e.Recovered(at=turn.now))
    turn.record(e.Closed(at=turn.now, result=Result.RECOVERED if healed_by_us else Result.SELF_HEALED))


def _cancel_running(turn: Turn, reason: EscalationReason) -> None:
    for attempt in turn.incident.open_attempts():
        if attempt.in_flight and attempt.cancel_requested_at is None:
            request_cancel(turn, turn.policy.leaf(attempt.node), attempt, reason)


def _time_out(turn: Turn) -> None:
    _cancel_running(turn, EscalationReason.TIMEOUT)
    turn.escalate(EscalationReason.TIMEOUT, detail=f"open for {turn.policy.timeout_s:g} s")


def _call_off_starts(turn: Turn) -> None:
    """In the step that calls people nothing is begun but undos; what was intended is given up at the next one."""
    undos = {attempt.key for attempt in turn.incident.every_attempt() if attempt.undoes is not None}
    turn.commands = [
        command for command in turn.commands if not isinstance(command, StartAction) or command.key in undos
    ]


def _stand_by(turn: Turn) -> None:
    """People have the incident: begin nothing, note how running actions end, and close when all is well.

    What ended without helping is still taken back: leaving it half done would be no service to who comes now. Who has
    taken over is there already, and must not find the agent's hands beside their own.
    """
    bring_forward(turn)
    if turn.incident.taken_over_by is None:
        take_back_failures(turn)
    resolved = turn.policy.resolved
    resolved_s = turn.watch("resolved", resolved.condition)
    is_well = resolved_s is not None and turn.has_lasted(resolved_s, resolved.for_s)
    if is_well and not turn.incident.open_attempts():
        turn.record(e.Closed(at=turn.now, result=Result.ESCALATED))
