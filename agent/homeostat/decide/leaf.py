"""The walk at a leaf: run its action, prove it, take it back, run it again, within all guards."""

from __future__ import annotations

from collections.abc import Sequence

from homeostat.decide import approvals, guards
from homeostat.decide.attempts import start_command
from homeostat.decide.projection import pick_key
from homeostat.decide.status import Status
from homeostat.decide.turn import Turn
from homeostat.model import entries as e
from homeostat.model.incident import Attempt
from homeostat.model.policy import Do, Effect
from homeostat.model.reasons import AttemptVerdict, EscalationReason, OutcomeStatus, Phase, Reason

UNDO_ATTEMPTS_MAX = 3
"""Also one that never came to start is not tried for ever."""


def walk_leaf(turn: Turn, leaf: Do) -> Status:
    """Bring a leaf as far as this moment allows."""
    attempts = turn.incident.attempts.get(leaf.id)
    if not attempts:
        return _start(turn, leaf, 1)
    last = attempts[-1]
    if last.verdict_at is None:
        return Status.RUNNING
    if last.succeeded:
        return Status.SUCCEEDED
    if leaf.undo is not None and _needs_undo(last) and not _undone(turn, leaf.undo, last):
        return Status.RUNNING
    if not guards.may_run_again(leaf, attempts):
        return Status.FAILED
    if not turn.has_come(last.verdict_at + leaf.retry.wait_s) and not turn.draining:
        turn.withhold(leaf.id, Reason.RETRY_WAIT)
        return Status.RUNNING
    return _start(turn, leaf, len(attempts) + 1)


def _start(turn: Turn, leaf: Do, number: int) -> Status:
    """Write the intent and ask for the start, unless a guard or people say no."""
    if turn.draining:
        approvals.withdraw(turn, leaf, "another step of the dag has failed")
        return Status.FAILED
    if guards.attempts_exhausted(turn):
        turn.escalate(EscalationReason.ATTEMPTS_EXHAUSTED, leaf.id, f"attempts_max is {turn.policy.attempts_max}")
        return Status.RUNNING
    if _refused_for_good(turn, leaf, number):
        return Status.FAILED
    refusal = guards.refusal(turn, leaf)
    if refusal is not None and leaf.id not in turn.incident.questions:
        turn.withhold(leaf.id, *refusal)
        return Status.RUNNING
    agreed = approvals.may_start(turn, leaf)
    if agreed is False:
        return Status.FAILED
    if agreed is None:
        return Status.RUNNING
    if refusal is not None:
        turn.withhold(leaf.id, *refusal)
        return Status.RUNNING
    _intend(turn, leaf, number)
    return Status.RUNNING


def _intend(turn: Turn, leaf: Do, number: int, undoes: str | None = None) -> None:
    harm = turn.policy.harm
    key = f"{turn.incident.id}/{leaf.id}/{number}"
    effect_key = _effect_key(leaf, turn.incident.attempts.get(leaf.id, ()), undoes)
    turn.record(
        e.ActionIntended(
            at=turn.now,
            incident=turn.incident.id,
            key=key,
            node=leaf.id,
            action=leaf.action.name,
            target=leaf.target,
            arguments=leaf.arguments,
            effect=leaf.effect,
            number=number,
            deadline_at=turn.now + leaf.timeout_s,
            held_before=turn.truth(leaf.verify.condition) if leaf.verify else None,
            harm_before=turn.truth(harm) if harm else None,
            policy=turn.policy.name,
            undoes=undoes,
            effect_key=effect_key,
            probe_before=turn.truth(leaf.probe.condition) if leaf.probe else None,
            spool=turn.moment.spool,
        )
    )
    node = _explored_at(turn, leaf, undoes)
    if node is not None:
        turn.record_for_policy(e.ExplorationStarted(at=turn.now, policy=turn.policy.name, node=node, key=key))
    turn.commands.append(start_command(turn, leaf, key, effect_key))


def _explored_at(turn: Turn, leaf: Do, undoes: str | None) -> str | None:
    """The node whose harm budget this start counts against, if any.

    What takes an explored attempt back is a part of exploring, and may do harm where the attempt did none.
    """
    if undoes is None:
        explored = turn.incident.explored.get(leaf.id)
        return None if explored is None else explored.node
    taken_back, harm = turn.ledger.explored.get(undoes), turn.policy.harm
    harmed_already = taken_back is None or taken_back.harmful or harm is None or turn.truth(harm) is True
    return None if taken_back is None or harmed_already else taken_back.node


def _effect_key(leaf: Do, before: Sequence[Attempt], undoes: str | None) -> str:
    """What the target is to deduplicate by: the key of the run before, while nobody knows what became of that.

    After a known end it is the attempt's own, given as "": a target that keeps answers by key would only repeat its no.
    """
    if leaf.effect is not Effect.KEYED or not before or before[-1].undoes != undoes or not before[-1].is_uncertain:
        return ""
    return before[-1].effect_key or before[-1].key


def _refused_for_good(turn: Turn, leaf: Do, number: int) -> bool:
    """Latch the refusal of a guard that does not pass within an incident."""
    if turn.incident.picks.get(pick_key("guard", leaf.id)) is not None:
        return True
    refused = guards.refused_for_good(turn, leaf, first=number == 1)
    if refused is None:
        return False
    approvals.withdraw(turn, leaf, refused[1])
    option = e.Option(id=leaf.id, eligible=False, reason=refused[0])
    turn.record(e.Decided(at=turn.now, node=leaf.id, kind="guard", chosen=None, options=(option,), context=turn.values))
    return True


def take_back_failures(turn: Turn) -> bool:
    """Take back every last attempt that needs it, also while nothing else may be started; True once that is done.

    Once people have the incident they may have taken it back themselves: then only what may be done twice is.
    """
    with_people = turn.incident.phase is Phase.ESCALATED
    is_done = True
    for leaf in turn.policy.leaves.values():
        attempts = turn.incident.attempts.get(leaf.id)
        if leaf.undo is None or not attempts or attempts[-1].verdict_at is None or not _needs_undo(attempts[-1]):
            continue
        if leaf.undo.effect.repeatable or not with_people:
            is_done = _undone(turn, leaf.undo, attempts[-1]) and is_done
    return is_done


def _needs_undo(attempt: Attempt) -> bool:
    """Whether an action that ran to its end has not helped, or has harmed."""
    ran = attempt.outcome is OutcomeStatus.OK
    return ran and attempt.verdict in (
        AttemptVerdict.INEFFECTIVE,
        AttemptVerdict.HARMFUL,
        AttemptVerdict.INCONCLUSIVE,
    )


def _undone(turn: Turn, undo: Do, attempt: Attempt) -> bool:
    """Take an attempt back; True once that is done. No guard blocks it but the target's lock.

    One that fails leaves the target in a state no plan knows: people are called.
    """
    all_undos = turn.incident.attempts.get(undo.id, ())
    own = [other for other in all_undos if other.undoes == attempt.key]
    if own and own[-1].verdict_at is None:
        return False
    if own and own[-1].succeeded:
        return True
    if own and (len(own) >= UNDO_ATTEMPTS_MAX or not guards.may_run_again(undo, own)):
        if turn.incident.phase is not Phase.ESCALATED:
            turn.escalate(EscalationReason.UNDO_FAILED, undo.id, f"'{attempt.key}' was not taken back")
        return False
    observed = (Reason.MODE_OBSERVE, f"would take '{attempt.key}' back") if turn.observing else None
    held = observed or guards.locked(turn, undo)
    if held is not None:
        turn.withhold(undo.id, *held)
        return False
    _intend(turn, undo, len(all_undos) + 1, undoes=attempt.key)
    return False
