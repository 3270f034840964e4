"""Autonomy that is earned: how far the agent may go by itself with a step, from what its attempts have shown.

The record is a fold of entries in the policy's stream (`decide/track_record.py`), and so is the same live, after a
crash and in a copy of the journal.
"""

from __future__ import annotations

from collections.abc import Iterator

from homeostat.decide.turn import Turn
from homeostat.model import entries as e
from homeostat.model.autonomy import Mode, mode_above
from homeostat.model.incident import Attempt, Ledger
from homeostat.model.policy import Do
from homeostat.model.reasons import AttemptVerdict

RELAPSE_S = 1800.0
"""An incident that opens so soon after a success says that the success did not last."""

_SAYS_NOTHING = (AttemptVerdict.CANCELLED, AttemptVerdict.PRE_SATISFIED, AttemptVerdict.SELF_HEALED)


def mode_earned(ledger: Ledger, policy: str, leaf: Do) -> Mode | None:
    """How far the agent may go by itself with a step; None where its author has just said it."""
    if leaf.earning is None:
        return None
    record = ledger.track_records.get((policy, leaf.earning.step))
    return mode_above(leaf.earning.start, 0 if record is None else record.level)


def earned_levels(ledger: Ledger, policy: str) -> dict[str, int]:
    """The levels above their start that a policy's steps have earned, by `Earning.step`."""
    return {step: known.level for (name, step), known in ledger.track_records.items() if name == policy and known.level}


def note_attempt(turn: Turn, attempt: Attempt, verdict: AttemptVerdict) -> None:
    """Journal what an attempt of a step with earned autonomy has shown.

    A success counts only where harm was known to be absent before and after: what nobody saw proves nothing.
    """
    leaf = turn.policy.leaves.get(attempt.node)
    if leaf is None or leaf.earning is None or attempt.undoes is not None:
        return
    harm = turn.policy.harm
    harm_now = None if harm is None else turn.truth(harm)
    harmful = verdict is AttemptVerdict.HARMFUL or (attempt.harm_before is False and harm_now is True)
    if verdict in _SAYS_NOTHING and not harmful:
        return
    unharmed = attempt.harm_before is False and harm_now is False
    turn.record_for_policy(
        e.AttemptCounted(
            at=turn.now,
            policy=turn.policy.name,
            node=leaf.id,
            step=leaf.earning.step,
            incident=turn.incident.id,
            key=attempt.key,
            level_max=leaf.earning.level_max,
            succeeded=verdict is AttemptVerdict.EFFECTIVE and unharmed,
            harmful=harmful,
        )
    )


def note_relapses(turn: Turn) -> None:
    """Journal which successes this incident, now confirmed, shows not to have lasted."""
    for step in list(_unlasting(turn)):
        record = turn.ledger.track_records[turn.policy.name, step]
        turn.record_for_policy(
            e.SuccessRelapsed(
                at=turn.now, policy=turn.policy.name, node=record.node, step=step, incident=turn.incident.id
            )
        )


def _unlasting(turn: Turn) -> Iterator[str]:
    for (policy, step), record in turn.ledger.track_records.items():
        if policy != turn.policy.name or record.succeeded_at is None or record.succeeded_in == turn.incident.id:
            continue
        if turn.incident.opened_at - record.succeeded_at <= RELAPSE_S:
            yield step
