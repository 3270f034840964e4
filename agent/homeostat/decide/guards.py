"""Guardrails: what must not be started now, and why. Each refusal is an enum reason that is journalled."""

from __future__ import annotations

from collections.abc import Sequence

from homeostat.decide.turn import Turn
from homeostat.model.incident import Attempt
from homeostat.model.policy import Do, Effect, Node
from homeostat.model.reasons import AttemptVerdict, OutcomeStatus, Reason


def blind(turn: Turn) -> str | None:
    """Say in words why nothing can be decided from this snapshot; None when something can.

    Acting on missing data is the one thing never done: without a source, or without a single known signal, nothing
    starts. Before the plan has changed anything the trigger itself must be known too.
    """
    if turn.moment.snapshot.error is not None:
        return turn.moment.snapshot.error
    if all(value is None for value in turn.values.values()):
        return "no signal of this policy has a fresh value"
    if is_safe_point(turn) and turn.truth(turn.policy.trigger.condition) is None:
        missing = [name for name in turn.policy.trigger.condition.signals if turn.values[name] is None]
        return f"the trigger cannot be evaluated: {', '.join(missing)} unknown"
    return None


def is_safe_point(turn: Turn) -> bool:
    """Whether nothing is in flight and no step has succeeded yet: a safe point to end the incident.

    A plan that has drained traffic has also silenced the errors; from then on only its end is a safe point.
    """
    return all(attempt.verdict is not None and not attempt.succeeded for attempt in turn.incident.every_attempt())


def cooling_down(turn: Turn, leaf: Do) -> bool:
    """Whether this action ran on this target less than its cooldown ago, in any incident."""
    if leaf.cooldown_s <= 0:
        return False
    last_start = turn.ledger.last_start.get((leaf.action.name, leaf.target))
    return last_start is not None and turn.now - last_start < leaf.cooldown_s


def attempts_exhausted(turn: Turn) -> bool:
    """Whether the incident has had as many attempts as its policy allows.

    One whose outcome is in doubt may never have run; what may follow it is bounded by `may_run_again`.
    """
    return sum(not attempt.in_doubt for attempt in turn.incident.every_attempt()) >= turn.policy.attempts_max


def refusal(turn: Turn, leaf: Do) -> tuple[Reason, str] | None:
    """Give the reason why this leaf must not start now but may later; None when it may."""
    if turn.observing:
        return Reason.MODE_OBSERVE, f"would start {leaf.action.name} on {leaf.target}"
    lock = turn.ledger.locks.get(leaf.target)
    if lock is not None:
        return Reason.TARGET_LOCKED, f"{leaf.target} is held by '{lock.key}'"
    return None


def ineligible(turn: Turn, candidate: Node) -> Reason | None:
    """Say why a candidate of `try` or `choose` is not to be considered at all now."""
    if candidate.condition is not None:
        truth = turn.truth(candidate.condition)
        if truth is None:
            return Reason.SIGNAL_UNKNOWN
        if truth is False:
            return Reason.CONDITION_FALSE
    if isinstance(candidate, Do) and cooling_down(turn, candidate):
        return Reason.COOLDOWN_ACTIVE
    return None


def may_run_again(leaf: Do, attempts: Sequence[Attempt]) -> bool:
    """Whether a leaf whose last attempt failed gets another one.

    Harm is never repeated. What may have half happened, or would do harm twice, is repeated only when its author
    said so on that very step, and never when its outcome is in doubt or it had to be stopped.
    """
    last = attempts[-1]
    if last.verdict is AttemptVerdict.HARMFUL:
        return False
    if last.verdict is AttemptVerdict.CANCELLED and last.started_at is None:
        return True
    uncertain = last.in_doubt or last.outcome in (OutcomeStatus.TIMEOUT, OutcomeStatus.CANCELLED)
    if uncertain and not leaf.effect.repeatable:
        return False
    if leaf.effect in (Effect.UNSAFE, Effect.PROBE) and not leaf.retry.explicit:
        return False
    ran = [attempt for attempt in attempts if attempt.verdict is not AttemptVerdict.CANCELLED]
    rerun_after_doubt = any(attempt.in_doubt for attempt in attempts)
    return len(ran) <= max(leaf.retry.times_max, int(rerun_after_doubt))
