"""The ledger: facts of all streams that guards share, as a fold of the journal.

Entries of any stream go in; what must be known over incidents and restarts comes out: locks, starts, openings,
blindness, the kill switch, what exploring has cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any, TypeVar

from homeostat.decide.folding import put, without
from homeostat.decide.track_record import judged, relapsed
from homeostat.model import entries as e
from homeostat.model.autonomy import EXPLORATION_WINDOW_S_MAX
from homeostat.model.evolve import evolve
from homeostat.model.guards import WINDOW_S_MAX
from homeostat.model.incident import ALL_POLICIES, Ledger, Lock, Opening, Start
from homeostat.model.policy import COOLDOWN_S_MAX
from homeostat.model.track_record import ExploredAttempt

FACTS_MAX = 5000
"""Starts and openings remembered for guards. A rate that allows more within its window cannot be written."""


def account(ledger: Ledger, entry: e.Entry) -> Ledger:
    """Give the ledger after one more entry of any stream."""
    handler = _ACCOUNTS.get(type(entry))
    return ledger if handler is None else handler(ledger, entry)


def _lock(ledger: Ledger, entry: e.ActionIntended) -> Ledger:
    locks = put(ledger.locks, entry.target, Lock(entry.incident, entry.key))
    if entry.undoes is not None:
        return evolve(ledger, locks=locks)
    start = Start(entry.at, entry.incident, entry.policy, entry.action, entry.target)
    return evolve(
        ledger,
        locks=locks,
        last_start=put(ledger.last_start, (entry.action, entry.target), entry.at),
        starts=_remembered(ledger.starts, start),
    )


def _open(ledger: Ledger, entry: e.Suspected) -> Ledger:
    opening = Opening(entry.at, entry.incident, entry.policy)
    return evolve(ledger, openings=_remembered(ledger.openings, opening))


R = TypeVar("R", bound=Start | Opening)


def _remembered(facts: tuple[R, ...], fact: R) -> tuple[R, ...]:
    """Add a fact; forget those that no guard looks back to, and at most as many as memory allows."""
    oldest = fact.at - WINDOW_S_MAX
    if len(facts) >= FACTS_MAX or (facts and facts[0].at < oldest):
        facts = tuple(known for known in facts[1 - FACTS_MAX :] if known.at >= oldest)
    return (*facts, fact)


def _pause(ledger: Ledger, entry: e.Paused) -> Ledger:
    key = ALL_POLICIES if entry.policy is None else entry.policy
    return evolve(ledger, paused=put(ledger.paused, key, entry.by))


def _resume(ledger: Ledger, entry: e.Resumed) -> Ledger:
    if entry.policy is None:
        return evolve(ledger, paused={})
    return evolve(ledger, paused=without(ledger.paused, entry.policy))


def _unlock(ledger: Ledger, entry: e.AttemptEnded) -> Ledger:
    for target, lock in ledger.locks.items():
        if lock.key == entry.key:
            return evolve(ledger, locks=without(ledger.locks, target))
    return ledger


def _note_blindness(ledger: Ledger, entry: e.DecisionWithheld) -> Ledger:
    if entry.policy is None:
        return ledger
    if entry.reason is None:
        return evolve(ledger, blind=without(ledger.blind, entry.policy))
    return evolve(ledger, blind=put(ledger.blind, entry.policy, entry.at))


def _explore(ledger: Ledger, entry: e.ExplorationStarted) -> Ledger:
    oldest = entry.at - EXPLORATION_WINDOW_S_MAX
    kept = {key: attempt for key, attempt in ledger.explored.items() if attempt.at >= oldest}
    return evolve(ledger, explored={**kept, entry.key: ExploredAttempt(entry.at, entry.policy, entry.node)})


def _end_exploration(ledger: Ledger, entry: e.ExplorationEnded) -> Ledger:
    attempt = ledger.explored.get(entry.key)
    if attempt is None:
        return ledger
    return evolve(ledger, explored=put(ledger.explored, entry.key, replace(attempt, harmful=entry.harmful)))


def _judge(ledger: Ledger, entry: e.AttemptCounted) -> Ledger:
    step = (entry.policy, entry.step)
    return evolve(ledger, track_records=put(ledger.track_records, step, judged(ledger.track_records.get(step), entry)))


def _relapse(ledger: Ledger, entry: e.SuccessRelapsed) -> Ledger:
    step = (entry.policy, entry.step)
    known = ledger.track_records.get(step)
    return ledger if known is None else evolve(ledger, track_records=put(ledger.track_records, step, relapsed(known)))


_ACCOUNTS: dict[type[e.Entry], Callable[[Ledger, Any], Ledger]] = {
    e.ActionIntended: _lock,
    e.AttemptEnded: _unlock,
    e.DecisionWithheld: _note_blindness,
    e.ExplorationEnded: _end_exploration,
    e.ExplorationStarted: _explore,
    e.Suspected: _open,
    e.Paused: _pause,
    e.Resumed: _resume,
    e.AttemptCounted: _judge,
    e.SuccessRelapsed: _relapse,
}

LEDGER_TYPES = frozenset(entry_type.TYPE for entry_type in _ACCOUNTS)
"""Types of entries that `account` takes note of."""

_EXPLORATION_TYPES = frozenset({e.ExplorationStarted.TYPE, e.ExplorationEnded.TYPE})
_LASTING_TYPES = frozenset({e.Paused.TYPE, e.Resumed.TYPE, e.AttemptCounted.TYPE, e.SuccessRelapsed.TYPE})

LOOK_BACKS: tuple[tuple[float, frozenset[str]], ...] = (
    (inf, _LASTING_TYPES),
    (EXPLORATION_WINDOW_S_MAX, _EXPLORATION_TYPES),
    (COOLDOWN_S_MAX, LEDGER_TYPES - _LASTING_TYPES - _EXPLORATION_TYPES),
)
"""For how many seconds entries of which types count; every type of `LEDGER_TYPES` is in one of them."""
