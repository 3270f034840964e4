"""The fold: entries in, state out. The only maker of new incidents and ledgers.

The live loop, crash recovery, replay and simulation all get their state from here, so there is nothing the journal
does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from homeostat.decide.lifecycle import ACTIVE, advance
from homeostat.model import entries as e
from homeostat.model.errors import JournalCorrupt
from homeostat.model.evolve import evolve
from homeostat.model.guards import WINDOW_S_MAX
from homeostat.model.incident import (
    ALL_POLICIES,
    Attempt,
    Held,
    Incident,
    Ledger,
    Lock,
    Opening,
    Question,
    Start,
    WaitState,
    Withheld,
)
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import Phase, Reason

NONE_LEFT = ""
"""The pick that ends a `try` or `choose`: no candidate was left."""

FACTS_MAX = 5000
"""Starts and openings remembered for guards. A rate that allows more within its window cannot be written."""

_PHASE_TRIGGER = {
    Phase.ACTING: "act",
    Phase.VERIFYING: "verify",
    Phase.RECONCILING: "reconcile",
    Phase.DECIDING: "reconsider",
    Phase.AWAITING_APPROVAL: "ask",
}

K = TypeVar("K")
V = TypeVar("V")


def fold(entries: Iterable[e.Entry]) -> Incident:
    """Fold an incident's whole stream.

    Raises:
        JournalCorrupt: the entries contradict each other.
    """
    incident: Incident | None = None
    for entry in entries:
        if incident is None:
            if not isinstance(entry, e.Suspected):
                raise JournalCorrupt(f"an incident's stream begins with '{entry.TYPE}', not '{e.Suspected.TYPE}'")
            incident = Incident(entry.incident, entry.policy, entry.policy_hash, entry.dedup_key, entry.seed)
        incident = apply(incident, entry)
    if incident is None:
        raise JournalCorrupt("an incident's stream is empty")
    return incident


def apply(incident: Incident, entry: e.Entry) -> Incident:
    """Give the incident after one more entry of its own stream.

    Raises:
        JournalCorrupt: the entry cannot follow what came before.
    """
    handler = _HANDLERS.get(type(entry))
    if handler is None:
        raise JournalCorrupt(f"'{entry.TYPE}' does not belong into an incident's stream")
    return handler(incident, entry)


def _with(mapping: Mapping[K, V], key: K, value: V) -> dict[K, V]:
    changed = dict(mapping)
    changed[key] = value
    return changed


def _without(mapping: Mapping[K, V], key: K) -> Mapping[K, V]:
    if key not in mapping:
        return mapping
    return {other: value for other, value in mapping.items() if other != key}


def _suspected(incident: Incident, entry: e.Suspected) -> Incident:
    phase = advance(incident.phase, "suspect")
    return evolve(incident, seq=incident.seq + 1, phase=phase, opened_at=entry.at)


def _confirmed(incident: Incident, entry: e.Confirmed) -> Incident:
    phase = advance(incident.phase, "confirm")
    withheld = _without(incident.withheld, "")
    return evolve(incident, seq=incident.seq + 1, phase=phase, confirmed_at=entry.at, withheld=withheld)


def _dismissed(incident: Incident, _: e.Dismissed) -> Incident:
    return evolve(incident, seq=incident.seq + 1, phase=advance(incident.phase, "dismiss"))


def _escalated(incident: Incident, entry: e.Escalated) -> Incident:
    phase = advance(incident.phase, "escalate")
    return evolve(incident, seq=incident.seq + 1, phase=phase, escalation=entry.reason)


def _recovered(incident: Incident, _: e.Recovered) -> Incident:
    return evolve(incident, seq=incident.seq + 1, phase=advance(incident.phase, "recover"))


def _closed(incident: Incident, entry: e.Closed) -> Incident:
    phase = advance(incident.phase, "close")
    return evolve(incident, seq=incident.seq + 1, phase=phase, closed_at=entry.at, result=entry.result)


def _observed(incident: Incident, entry: e.Observed) -> Incident:
    return evolve(incident, seq=incident.seq + 1, snapshot=entry.snapshot)


def _condition_changed(incident: Incident, entry: e.ConditionChanged) -> Incident:
    held = _with(incident.held, entry.watch, Held(entry.truth, entry.at))
    return evolve(incident, seq=incident.seq + 1, held=held)


def _decided(incident: Incident, entry: e.Decided) -> Incident:
    key = pick_key(entry.kind, entry.node)
    if entry.kind in ("try", "choose", "dag"):
        picked = (*incident.picks.get(key, ()), NONE_LEFT if entry.chosen is None else entry.chosen)
    else:
        picked = () if entry.chosen is None else (entry.chosen,)
    return evolve(
        incident,
        seq=incident.seq + 1,
        picks=_with(incident.picks, key, picked),
        withheld=_without(incident.withheld, entry.node),
    )


def pick_key(kind: str, node: str) -> str:
    """Where a decision of `kind` at `node` is latched: a node may hold its own pick, its `if` and a guard's word."""
    return f"{kind}:{node}" if kind in ("if", "guard") else node


def _withheld(incident: Incident, entry: e.DecisionWithheld) -> Incident:
    if entry.reason is None:
        withheld = _without(incident.withheld, entry.node)
    else:
        withheld = _with(incident.withheld, entry.node, Withheld(entry.reason, entry.at))
    return evolve(incident, seq=incident.seq + 1, withheld=withheld)


def _intended(incident: Incident, entry: e.ActionIntended) -> Incident:
    before = incident.attempts.get(entry.node, ())
    attempt = Attempt(
        key=entry.key,
        node=entry.node,
        action=entry.action,
        target=entry.target,
        effect=entry.effect,
        number=entry.number,
        intended_at=entry.at,
        deadline_at=entry.deadline_at,
        held_before=entry.held_before,
        harm_before=entry.harm_before,
        undoes=entry.undoes,
    )
    if entry.number != len(before) + 1:
        raise JournalCorrupt(f"attempt {entry.number} of '{entry.node}' follows attempt {len(before)}")
    attempts = _with(incident.attempts, entry.node, (*before, attempt))
    withheld = _without(incident.withheld, entry.node)
    return _at_work(evolve(incident, seq=incident.seq + 1, attempts=attempts, withheld=withheld))


def _change(incident: Incident, key: str, **changes: Any) -> Incident:
    for node, attempts in incident.attempts.items():
        if attempts[-1].key == key:
            changed = (*attempts[:-1], evolve(attempts[-1], **changes))
            all_attempts = _with(incident.attempts, node, changed)
            return _at_work(evolve(incident, seq=incident.seq + 1, attempts=all_attempts))
    raise JournalCorrupt(f"no attempt under the key '{key}' is the latest of its node")


def _at_work(incident: Incident) -> Incident:
    """Bring the phase in line with what the attempts are doing, while the plan is being carried out."""
    if incident.phase not in ACTIVE:
        return incident
    phase = Phase.DECIDING
    for attempts in incident.attempts.values():
        attempt = attempts[-1]
        if attempt.in_flight:
            phase = Phase.ACTING
            break
        if attempt.verifying and phase is not Phase.RECONCILING:
            phase = Phase.RECONCILING if attempt.in_doubt else Phase.VERIFYING
    if phase is Phase.DECIDING and any(question.granted is None for question in incident.questions.values()):
        phase = Phase.AWAITING_APPROVAL
    if phase is incident.phase:
        return incident
    return evolve(incident, phase=advance(incident.phase, _PHASE_TRIGGER[phase]))


def _started(incident: Incident, entry: e.ActionStarted) -> Incident:
    return _change(incident, entry.key, started_at=entry.at)


def _cancel_requested(incident: Incident, entry: e.CancelRequested) -> Incident:
    return _change(incident, entry.key, cancel_requested_at=entry.at)


def _ended(incident: Incident, entry: e.ActionEnded) -> Incident:
    return _change(incident, entry.key, ended_at=entry.at, outcome=entry.status)


def _in_doubt(incident: Incident, entry: e.ActionInDoubt) -> Incident:
    return _change(incident, entry.key, ended_at=entry.at, in_doubt=True)


def _reconciled(incident: Incident, _: e.ActionReconciled) -> Incident:
    return evolve(incident, seq=incident.seq + 1)


def _verdict(incident: Incident, entry: e.AttemptEnded) -> Incident:
    return _change(incident, entry.key, verdict=entry.verdict, verdict_at=entry.at, succeeded=entry.succeeded)


def _waiting(incident: Incident, entry: e.WaitStarted) -> Incident:
    return evolve(incident, seq=incident.seq + 1, waits=_with(incident.waits, entry.node, WaitState(entry.at)))


def _waited(incident: Incident, entry: e.WaitEnded) -> Incident:
    begun = incident.waits.get(entry.node)
    if begun is None or begun.ended_at is not None:
        raise JournalCorrupt(f"the wait '{entry.node}' ends without having begun")
    ended = WaitState(begun.started_at, entry.at, entry.succeeded)
    return evolve(incident, seq=incident.seq + 1, waits=_with(incident.waits, entry.node, ended))


def _asked(incident: Incident, entry: e.ApprovalRequested) -> Incident:
    question = Question(entry.approvers, entry.requester, entry.expires_at)
    questions = _with(incident.questions, entry.node, question)
    withheld = _with(incident.withheld, entry.node, Withheld(Reason.APPROVAL_PENDING, entry.at))
    return _at_work(evolve(incident, seq=incident.seq + 1, questions=questions, withheld=withheld))


def _settle_question(incident: Incident, node: str, **changes: Any) -> Incident:
    question = incident.questions.get(node)
    if question is None:
        raise JournalCorrupt(f"nobody was asked about '{node}'")
    questions = _with(incident.questions, node, replace(question, **changes))
    withheld = _without(incident.withheld, node)
    return _at_work(evolve(incident, seq=incident.seq + 1, questions=questions, withheld=withheld))


def _granted(incident: Incident, entry: e.ApprovalGranted) -> Incident:
    return _settle_question(incident, entry.node, granted=True, answer=entry.answer, expires_at=entry.expires_at)


def _denied(incident: Incident, entry: e.ApprovalDenied) -> Incident:
    return _settle_question(incident, entry.node, granted=False, answer=entry.answer)


def _expired(incident: Incident, entry: e.ApprovalExpired) -> Incident:
    return _settle_question(incident, entry.node, granted=False)


def _requested(incident: Incident, entry: e.StepRequested) -> Incident:
    return evolve(incident, seq=incident.seq + 1, requests=_with(incident.requests, entry.node, entry.by))


def _nothing_changed(incident: Incident, _: e.AnswerRefused) -> Incident:
    return evolve(incident, seq=incident.seq + 1)


_HANDLERS: dict[type[e.Entry], Callable[[Incident, Any], Incident]] = {
    e.Suspected: _suspected,
    e.Confirmed: _confirmed,
    e.Dismissed: _dismissed,
    e.Escalated: _escalated,
    e.Recovered: _recovered,
    e.Closed: _closed,
    e.Observed: _observed,
    e.ConditionChanged: _condition_changed,
    e.Decided: _decided,
    e.DecisionWithheld: _withheld,
    e.ActionIntended: _intended,
    e.ActionStarted: _started,
    e.CancelRequested: _cancel_requested,
    e.ActionEnded: _ended,
    e.ActionInDoubt: _in_doubt,
    e.ActionReconciled: _reconciled,
    e.AttemptEnded: _verdict,
    e.WaitStarted: _waiting,
    e.WaitEnded: _waited,
    e.ApprovalRequested: _asked,
    e.ApprovalGranted: _granted,
    e.ApprovalDenied: _denied,
    e.ApprovalExpired: _expired,
    e.StepRequested: _requested,
    e.AnswerRefused: _nothing_changed,
}


def account(ledger: Ledger, entry: e.Entry) -> Ledger:
    """Give the ledger after one more entry of any stream."""
    handler = _ACCOUNTS.get(type(entry))
    return ledger if handler is None else handler(ledger, entry)


def _lock(ledger: Ledger, entry: e.ActionIntended) -> Ledger:
    locks = _with(ledger.locks, entry.target, Lock(entry.incident, entry.key))
    if entry.undoes is not None:
        return evolve(ledger, locks=locks)
    start = Start(entry.at, entry.incident, entry.policy, entry.action, entry.target)
    return evolve(
        ledger,
        locks=locks,
        last_start=_with(ledger.last_start, (entry.action, entry.target), entry.at),
        starts=_remembered(ledger.starts, start),
    )


def _open(ledger: Ledger, entry: e.Suspected) -> Ledger:
    opening = Opening(entry.at, entry.incident, entry.policy)
    return evolve(ledger, openings=_remembered(ledger.openings, opening))


R = TypeVar("R", Start, Opening)


def _remembered(facts: tuple[R, ...], fact: R) -> tuple[R, ...]:
    """Add a fact; forget those that no guard looks back to, and at most as many as memory allows."""
    oldest = fact.at - WINDOW_S_MAX
    if len(facts) >= FACTS_MAX or (facts and facts[0].at < oldest):
        facts = tuple(known for known in facts[1 - FACTS_MAX :] if known.at >= oldest)
    return (*facts, fact)


def _pause(ledger: Ledger, entry: e.Paused) -> Ledger:
    key = ALL_POLICIES if entry.policy is None else entry.policy
    return evolve(ledger, paused=_with(ledger.paused, key, entry.by))


def _resume(ledger: Ledger, entry: e.Resumed) -> Ledger:
    if entry.policy is None:
        return evolve(ledger, paused={})
    return evolve(ledger, paused=_without(ledger.paused, entry.policy))


def _unlock(ledger: Ledger, entry: e.AttemptEnded) -> Ledger:
    for target, lock in ledger.locks.items():
        if lock.key == entry.key:
            return evolve(ledger, locks=_without(ledger.locks, target))
    return ledger


def _note_blindness(ledger: Ledger, entry: e.DecisionWithheld) -> Ledger:
    if entry.policy is None:
        return ledger
    if entry.reason is None:
        return evolve(ledger, blind=_without(ledger.blind, entry.policy))
    return evolve(ledger, blind=_with(ledger.blind, entry.policy, entry.at))


_ACCOUNTS: dict[type[e.Entry], Callable[[Ledger, Any], Ledger]] = {
    e.ActionIntended: _lock,
    e.AttemptEnded: _unlock,
    e.DecisionWithheld: _note_blindness,
    e.Suspected: _open,
    e.Paused: _pause,
    e.Resumed: _resume,
}

LEDGER_TYPES = frozenset(entry_type.TYPE for entry_type in _ACCOUNTS)
"""Types of entries that `account` takes note of."""

PAUSE_TYPES = frozenset({e.Paused.TYPE, e.Resumed.TYPE})
"""Those of them that hold however long ago they were written."""


def promoted_ranking(entries: Iterable[e.Entry]) -> Ranking | None:
    """Fold a policy's own stream into the ranking that rules now; None before the first promotion.

    Raises:
        JournalCorrupt: a ranking was promoted that was never trained.
    """
    trained: dict[str, Ranking] = {}
    promoted: Ranking | None = None
    for entry in entries:
        match entry:
            case e.RankingTrained():
                trained[entry.ranking.version] = entry.ranking
            case e.RankingPromoted():
                if entry.version not in trained:
                    raise JournalCorrupt(f"ranking '{entry.version}' was promoted but never trained")
                promoted = trained[entry.version]
    return promoted
