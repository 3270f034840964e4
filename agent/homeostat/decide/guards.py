"""Guardrails: what must not be started now, and why. Each refusal is an enum reason that is journalled.

Two kinds of refusal: some hold a step back until they pass (a lock, a pause, a maintenance window, a storm), some
refuse it for good in this incident (a cooldown, a spent budget), since waiting those out in silence would only hide
that the cure did not hold. Undos pass all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from homeostat.decide import shared_guards
from homeostat.decide.autonomy import mode_earned
from homeostat.decide.exploration import budget_spent
from homeostat.decide.shared_guards import Refusal
from homeostat.decide.turn import Turn
from homeostat.model.guards import NO_GUARDS
from homeostat.model.incident import ALL_POLICIES, Attempt
from homeostat.model.policy import Do, Effect, Mode, Node, strictest
from homeostat.model.reasons import AttemptVerdict, Reason


def blind(turn: Turn) -> Refusal | None:
    """Say why nothing can be decided from this snapshot; None when something can.

    Acting on missing data is the one thing never done: without a source, or without a single known signal, nothing
    starts. Before the plan has changed anything the trigger itself must be known too.
    """
    if turn.moment.snapshot.error is not None:
        return Reason.TELEMETRY_BLIND, turn.moment.snapshot.error
    if all(value is None for value in turn.condition_values):
        return Reason.TELEMETRY_BLIND, "no signal of this policy has a fresh value"
    frozen = None if turn.moment.guards is NO_GUARDS else shared_guards.frozen(turn)
    if frozen is not None:
        return Reason.TELEMETRY_FREEZE, frozen
    if is_safe_point(turn) and turn.truth(turn.policy.trigger.condition) is None:
        missing = [name for name in turn.policy.trigger.condition.signals if turn.values[name] is None]
        return Reason.TELEMETRY_BLIND, f"the trigger cannot be evaluated: {', '.join(missing)} unknown"
    return None


def is_safe_point(turn: Turn) -> bool:
    """Whether nothing is in flight and no step has succeeded yet: a safe point to end the incident.

    A plan that has drained traffic has also silenced the errors; from then on only its end is a safe point.
    """
    for attempts in turn.incident.attempts.values():
        for attempt in attempts:
            if attempt.verdict is None or (attempt.succeeded and attempt.undoes is None):
                return False
    return True


def has_nothing_to_lose(turn: Turn) -> bool:
    """Whether nothing of the plan is at work or has succeeded, whatever undos are doing: a safe point but for them."""
    every = [attempt for attempt in turn.incident.every_attempt() if attempt.undoes is None]
    return not any(attempt.verdict is None or attempt.succeeded for attempt in every)


def cooling_down(turn: Turn, leaf: Do) -> bool:
    """Whether this action ran on this target less than its cooldown ago, in any incident."""
    if leaf.cooldown_s <= 0:
        return False
    last_start = turn.ledger.last_start.get((leaf.action.name, leaf.target))
    return last_start is not None and not turn.has_lasted(turn.now - last_start, leaf.cooldown_s)


def attempts_exhausted(turn: Turn) -> bool:
    """Whether the incident has had as many attempts as its policy allows; undos are not counted.

    One whose outcome is in doubt may never have run, and one that did not happen never has; what may follow them is
    bounded by `may_run_again`. Starts that were withdrawn before they began are counted apart.
    """
    own = [attempt for attempt in turn.incident.every_attempt() if attempt.undoes is None]
    withdrawn = sum(attempt.is_withdrawn for attempt in own)
    counted = sum(
        not attempt.is_withdrawn and not attempt.in_doubt and attempt.happened is not False for attempt in own
    )
    return counted >= turn.policy.attempts_max or withdrawn > turn.policy.attempts_max


def mode_of(turn: Turn, leaf: Do) -> Mode:
    """How far the agent may go by itself with this leaf: the strictest of agent, policy, step and what it earned."""
    earned = mode_earned(turn.ledger, turn.policy.name, leaf)
    return strictest(turn.moment.mode, turn.policy.mode, leaf.mode, earned)


def refusal(turn: Turn, leaf: Do) -> Refusal | None:
    """Give the reason why this leaf must not start now but may later; None when it may."""
    stopped = hands_off(turn, leaf)
    return locked(turn, leaf) if stopped is None else stopped


def hands_off(turn: Turn, leaf: Do) -> Refusal | None:
    """Why nothing at all may be started there now: the mode, the kill switch, maintenance, a storm."""
    if mode_of(turn, leaf) is Mode.OBSERVE:
        return Reason.MODE_OBSERVE, f"would start {leaf.action.name} on {leaf.target}"
    paused = turn.ledger.paused
    for scope in (ALL_POLICIES, turn.policy.name) if paused else ():
        if scope in paused:
            return Reason.PAUSED, f"by {paused[scope]}"
    return None if turn.moment.guards is NO_GUARDS else shared_guards.held_back(turn, leaf)


def locked(turn: Turn, leaf: Do) -> Refusal | None:
    """Whether another action may be at work on the leaf's target."""
    lock = turn.ledger.locks.get(leaf.target)
    return None if lock is None else (Reason.TARGET_LOCKED, f"{leaf.target} is held by '{lock.key}'")


def refused_for_good(turn: Turn, leaf: Do, *, first: bool) -> Refusal | None:
    """Give the reason why this leaf will not run in this incident; None when it may.

    Args:
        turn: the step being decided.
        leaf: what would be started.
        first: whether it has not run in this incident; its own start must not count against its retry.
    """
    explored = turn.incident.explored.get(leaf.id)
    if explored is not None:
        over = budget_spent(turn, explored.node, turn.policy.explorations[explored.node])
        if over is not None:
            return Reason.HARM_BUDGET, over
    if first and cooling_down(turn, leaf):
        return Reason.COOLDOWN_ACTIVE, f"{leaf.action.name} ran on {leaf.target} less than {leaf.cooldown_s:g} s ago"
    return None if turn.moment.guards is NO_GUARDS else shared_guards.spent(turn, leaf)


def ineligible(turn: Turn, candidate: Node) -> Reason | None:
    """Say why a candidate of `try` or `choose` is not to be considered at all now."""
    if candidate.condition is not None:
        truth = turn.truth(candidate.condition)
        if truth is None:
            return Reason.SIGNAL_UNKNOWN
        if truth is False:
            return Reason.CONDITION_FALSE
    if isinstance(candidate, Do) and candidate.fallback is None and not turn.incident.attempts.get(candidate.id):
        if not turn.observing and mode_of(turn, candidate) is Mode.OBSERVE:
            return Reason.MODE_OBSERVE  # waiting for what will not start would keep the others from being tried
        refused = refused_for_good(turn, candidate, first=True)
        return None if refused is None else refused[0]
    return None


def may_run_again(leaf: Do, attempts: Sequence[Attempt]) -> bool:
    """Whether a leaf whose last attempt failed gets another one.

    Harm is never repeated. What may have half happened, or would do harm twice, is repeated only when its author
    said so on that very step, and never when its outcome is in doubt or it had to be stopped. What the signals say
    has not happened is begun once more, or as often as its author allows retries.
    """
    last = attempts[-1]
    if last.verdict is AttemptVerdict.HARMFUL:
        return False
    if last.is_withdrawn:
        return True
    if last.happened is False:
        return sum(attempt.happened is False for attempt in attempts) <= max(leaf.retry.times_max, 1)
    if last.is_uncertain and not leaf.effect.repeatable:
        return False
    if leaf.effect in (Effect.UNSAFE, Effect.PROBE) and not leaf.retry.explicit:
        return False
    ran = [attempt for attempt in attempts if attempt.verdict is not AttemptVerdict.CANCELLED]
    rerun_after_doubt = any(attempt.in_doubt for attempt in attempts)
    return len(ran) <= max(leaf.retry.times_max, int(rerun_after_doubt))
