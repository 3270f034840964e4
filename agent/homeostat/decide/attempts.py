"""Bring open attempts forward: what the actuators report, time-outs, verification, verdicts."""

from __future__ import annotations

from homeostat.decide import guards
from homeostat.decide.autonomy import note_attempt
from homeostat.decide.turn import Turn
from homeostat.model import entries as e
from homeostat.model.commands import CancelAction, Done, InDoubt, NeverStarted, Running, StartAction
from homeostat.model.incident import Attempt, verify_window
from homeostat.model.policy import Do, Probe, Verify
from homeostat.model.reasons import AttemptVerdict, EscalationReason, OutcomeStatus, Phase, Reason

CANCEL_GRACE_S = 60.0
"""How long an actuator has to confirm that a cancelled action is over, before people are called."""

INTENT_AGE_MAX_S = 60.0
"""An intent that never started and is older than this is given up and decided anew: the world has moved on."""


def bring_forward(turn: Turn) -> None:
    """Advance every open attempt of the incident as far as this moment allows."""
    for attempt in turn.incident.open_attempts():
        leaf = turn.policy.leaf(attempt.node)
        if attempt.in_flight:
            _follow(turn, leaf, attempt)
        followed = turn.incident.attempts[attempt.node][-1]
        if followed.verdict is None and followed.ended_at is not None:
            _judge(turn, leaf, followed, followed.ended_at)


def _follow(turn: Turn, leaf: Do, attempt: Attempt) -> None:
    """Note what the actuator reports of a running action, and hold it to its deadline."""
    report = turn.moment.reports.get(attempt.key)
    if report is not None:
        _word_has_come(turn, attempt)
    match report:
        case Done() as done:
            if attempt.started_at is None and done.status is OutcomeStatus.CANCELLED and done.may_have_begun:
                # Nobody was there to note its start: what was stopped at work is no start that was withdrawn.
                turn.record(e.ActionStarted(at=turn.now, key=attempt.key, handle=""))
            turn.record(_outcome(turn.now, attempt.key, done))
            return
        case InDoubt(detail):
            turn.record(e.ActionInDoubt(at=turn.now, key=attempt.key, detail=detail))
            return
        case NeverStarted() if attempt.started_at is None:
            _start_late_or_never(turn, leaf, attempt)
            return
        case NeverStarted():
            detail = "it was reported running before, and is reported never started now"
            turn.record(e.ActionInDoubt(at=turn.now, key=attempt.key, detail=detail))
            return
        case Running(handle) if attempt.started_at is None:
            turn.record(e.ActionStarted(at=turn.now, key=attempt.key, handle=handle))
        case None if attempt.is_elsewhere(turn.moment.spool):
            _await_word(turn, attempt)
            return
    _enforce_deadline(turn, leaf, attempt)


def _outcome(now: float, key: str, done: Done) -> e.ActionEnded:
    return e.ActionEnded(
        at=now,
        key=key,
        status=done.status,
        duration_s=done.duration_s,
        exit_code=done.exit_code,
        output=done.output,
        output_bytes=done.output_bytes,
        output_sha256=done.output_sha256,
        detail=done.detail,
        by=done.by,
    )


def _start_late_or_never(turn: Turn, leaf: Do, attempt: Attempt) -> None:
    """An intent without a start: the agent died in between. Start it under the same key, or give it up for good.

    Giving up cancels the key first, so that a start still on its way can never have an effect.
    """
    given_up = (
        turn.observing
        or turn.incident.phase is Phase.ESCALATED
        or attempt.cancel_requested_at is not None
        or turn.has_outlasted(turn.now - attempt.intended_at, INTENT_AGE_MAX_S)
        or (attempt.undoes is None and _no_longer_wanted(turn, leaf))
    )
    blind = guards.blind(turn) if attempt.undoes is None else None
    if given_up:
        if attempt.cancel_requested_at is None:
            request_cancel(turn, leaf, attempt, EscalationReason.TIMEOUT)
        else:
            turn.commands.append(CancelAction(attempt.key, leaf.action))
    elif blind is not None:
        turn.withhold(attempt.node, *blind)
    else:
        turn.record(e.ActionReconciled(at=turn.now, key=attempt.key))
        turn.commands.append(start_command(turn, leaf, attempt.key, attempt.effect_key))


def _no_longer_wanted(turn: Turn, leaf: Do) -> bool:
    """Whether the world is well again, or a guard has tripped since the intent was written."""
    return turn.truth(turn.policy.resolved.condition) is True or guards.hands_off(turn, leaf) is not None


def start_command(turn: Turn, leaf: Do, key: str, effect_key: str) -> StartAction:
    """The command that starts a leaf's action under `key`."""
    return StartAction(
        key,
        leaf.action,
        leaf.target,
        leaf.arguments,
        leaf.timeout_s,
        effect_key=effect_key,
        policy=turn.policy.name,
    )


def _enforce_deadline(turn: Turn, leaf: Do, attempt: Attempt) -> None:
    """A time-out is not a stop: ask for one, and wait until the actuator confirms it."""
    if attempt.cancel_requested_at is None:
        if turn.has_come(attempt.deadline_at):
            request_cancel(turn, leaf, attempt, EscalationReason.TIMEOUT)
        return
    turn.commands.append(CancelAction(attempt.key, leaf.action))
    outlasted = turn.has_outlasted(turn.now - attempt.cancel_requested_at, CANCEL_GRACE_S)
    if outlasted and turn.incident.phase is not Phase.ESCALATED:
        turn.escalate(EscalationReason.CANCEL_UNCONFIRMED, attempt.node, f"'{attempt.key}' may still be running")


def _await_word(turn: Turn, attempt: Attempt) -> None:
    """The hands it was meant for are another agent's: those hold it to its time-out, and leave word if they live.

    Nobody else may start it, and nobody else knows. Once its time-out and a grace are over, the signals must tell.
    """
    if turn.has_come(attempt.deadline_at) and attempt.cancel_requested_at is None:
        turn.record(e.CancelRequested(at=turn.now, key=attempt.key, reason=EscalationReason.TIMEOUT))
    if turn.has_outlasted(turn.now - attempt.deadline_at, CANCEL_GRACE_S):
        _word_has_come(turn, attempt)
        detail = "the agent it was meant for has not said what became of it"
        turn.record(e.ActionInDoubt(at=turn.now, key=attempt.key, detail=detail))
        return
    wait_s = attempt.deadline_at + CANCEL_GRACE_S - turn.now
    what = f"only the agent that had this incident knows what became of '{attempt.key}'"
    turn.withhold(attempt.node, Reason.OTHER_HANDS, f"{what}; its word is awaited for {wait_s:.0f} s at most")


def _word_has_come(turn: Turn, attempt: Attempt) -> None:
    withheld = turn.incident.withheld.get(attempt.node)
    if withheld is not None and withheld.reason is Reason.OTHER_HANDS:
        turn.release(attempt.node)


def request_cancel(turn: Turn, leaf: Do, attempt: Attempt, reason: EscalationReason) -> None:
    """Tell a running action to stop."""
    turn.record(e.CancelRequested(at=turn.now, key=attempt.key, reason=reason))
    turn.commands.append(CancelAction(attempt.key, leaf.action))


def _judge(turn: Turn, leaf: Do, attempt: Attempt, ended_at: float) -> None:
    """Give the attempt its verdict, if this moment allows one."""
    if attempt.in_doubt and leaf.probe is not None and attempt.probed_at is None:
        _ask_signals(turn, leaf.probe, attempt, ended_at)
    elif attempt.happened is False:
        _end(turn, attempt, AttemptVerdict.CANCELLED, succeeded=False)
    elif attempt.outcome not in (None, OutcomeStatus.OK):
        _end(turn, attempt, _verdict_of_failed_action(turn, leaf, attempt), succeeded=False)
    elif _harmed(turn, attempt):
        _end(turn, attempt, AttemptVerdict.HARMFUL, succeeded=False)
    elif leaf.verify is None:
        verdict = AttemptVerdict.UNKNOWN if attempt.in_doubt else AttemptVerdict.INCONCLUSIVE
        _end(turn, attempt, verdict, succeeded=not attempt.in_doubt)
    else:
        _verify(turn, leaf.verify, attempt, ended_at)


def _ask_signals(turn: Turn, probe: Probe, attempt: Attempt, doubt_at: float) -> None:
    """Find out from samples taken after the doubt arose whether the action has happened.

    Only a change tells: what was so before the action proves nothing. Not seeing an effect counts once it has had its
    time to show; a start that is repeated while the first is still on its way would be the double action.
    """
    truth = turn.truth_after(probe.condition, doubt_at)
    if truth is True and attempt.probe_before is False:
        turn.record(e.ActionProbed(at=turn.now, key=attempt.key, happened=True))
    elif turn.has_come(doubt_at + probe.within_s):
        is_absent = truth is False and attempt.probe_before is not True
        turn.record(e.ActionProbed(at=turn.now, key=attempt.key, happened=False if is_absent else None))


def _verdict_of_failed_action(turn: Turn, leaf: Do, attempt: Attempt) -> AttemptVerdict:
    not_by_us = attempt.cancel_requested_at is None or attempt.started_at is None
    if attempt.outcome is OutcomeStatus.CANCELLED and not_by_us:
        return AttemptVerdict.CANCELLED
    if attempt.started_at is not None and _harmed(turn, attempt):
        return AttemptVerdict.HARMFUL
    well = leaf.verify is not None and turn.truth(leaf.verify.condition) is True
    return AttemptVerdict.SELF_HEALED if well and attempt.held_before is False else AttemptVerdict.INEFFECTIVE


def _harmed(turn: Turn, attempt: Attempt) -> bool:
    harm = turn.policy.harm
    return harm is not None and attempt.undoes is None and attempt.harm_before is False and turn.truth(harm) is True


def _verify(turn: Turn, verify: Verify, attempt: Attempt, ended_at: float) -> None:
    """Hold the verify condition against samples taken after the action ended and had time to settle.

    Where nobody looked until its time was over, a condition that is true then is held for its window all the same, and
    one that is unknown is waited for as everywhere: a cure that works must not be judged, and taken back, for a look
    that came late.
    """
    settled_at = ended_at + verify.settle_s
    if not turn.has_come(settled_at):
        return
    held_s = turn.watch(verify_window(attempt.key), verify.condition, samples_since=settled_at)
    if held_s is not None and turn.has_lasted(held_s, verify.for_s):
        _end(turn, attempt, _verdict_of_success(attempt), succeeded=True)
        return
    overdue_s = turn.now - (ended_at + verify.within_s)
    window = turn.incident.held[verify_window(attempt.key)]
    since_s = turn.now - window.since
    came_late = since_s <= overdue_s and (
        window.truth is True or (window.truth is None and not turn.has_lasted(since_s, turn.policy.unknown_s))
    )
    if turn.has_lasted(overdue_s, 0.0) and not came_late:
        _end(turn, attempt, _verdict_of_no_success(turn, attempt), succeeded=False)


def _verdict_of_no_success(turn: Turn, attempt: Attempt) -> AttemptVerdict:
    if attempt.in_doubt:
        return AttemptVerdict.UNKNOWN
    known = turn.incident.held[verify_window(attempt.key)].truth is not None
    return AttemptVerdict.INEFFECTIVE if known else AttemptVerdict.INCONCLUSIVE


def _verdict_of_success(attempt: Attempt) -> AttemptVerdict:
    if attempt.in_doubt:
        return AttemptVerdict.UNKNOWN
    return AttemptVerdict.PRE_SATISFIED if attempt.held_before is True else AttemptVerdict.EFFECTIVE


def _end(turn: Turn, attempt: Attempt, verdict: AttemptVerdict, *, succeeded: bool) -> None:
    turn.record(e.AttemptEnded(at=turn.now, key=attempt.key, verdict=verdict, succeeded=succeeded))
    _note_exploration(turn, attempt, verdict)
    note_attempt(turn, attempt, verdict)
    stuck = attempt.in_doubt and not succeeded and not attempt.effect.repeatable
    if stuck and attempt.undoes is None and turn.incident.phase is not Phase.ESCALATED:
        turn.escalate(EscalationReason.OUTCOME_UNKNOWN, attempt.node, f"nobody knows whether '{attempt.key}' ran")


def _note_exploration(turn: Turn, attempt: Attempt, verdict: AttemptVerdict) -> None:
    """Say in the policy's stream what an explored attempt cost. Harm that nobody can rule out counts as harm."""
    explored = turn.ledger.explored.get(attempt.key)
    if explored is None or explored.harmful is not None:
        return
    began = verdict is not AttemptVerdict.CANCELLED or attempt.started_at is not None
    harm = turn.policy.harm
    in_doubt = verdict in (AttemptVerdict.HARMFUL, AttemptVerdict.UNKNOWN)
    harmful = began and (in_doubt or harm is None or turn.truth(harm) is not False)
    turn.record_for_policy(
        e.ExplorationEnded(at=turn.now, policy=explored.policy, node=explored.node, key=attempt.key, harmful=harmful)
    )
