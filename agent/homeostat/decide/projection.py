"""The fold: entries in, state out. The only maker of new incidents and ledgers.

The live loop, crash recovery, replay and simulation all get their state from here, so there is nothing the journal
does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from homeostat.decide.folding import put, without
from homeostat.decide.lifecycle import ACTIVE, advance
from homeostat.model import entries as e
from homeostat.model.errors import JournalCorrupt
from homeostat.model.evolve import evolve
from homeostat.model.incident import (
    Attempt,
    Explored,
    Held,
    Incident,
    Question,
    WaitState,
    Withheld,
)
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import OutcomeStatus, Phase, Reason

NONE_LEFT = ""
"""The pick that ends a `try` or `choose`: no candidate was left."""

_PHASE_TRIGGER = {
    Phase.ACTING: "act",
    Phase.VERIFYING: "verify",
    Phase.RECONCILING: "reconcile",
    Phase.DECIDING: "reconsider",
    Phase.AWAITING_APPROVAL: "ask",
}


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


def _suspected(incident: Incident, entry: e.Suspected) -> Incident:
    phase = advance(incident.phase, "suspect")
    return evolve(incident, seq=incident.seq + 1, phase=phase, opened_at=entry.at)


def _confirmed(incident: Incident, entry: e.Confirmed) -> Incident:
    phase = advance(incident.phase, "confirm")
    withheld = without(incident.withheld, "")
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
    held = put(incident.held, entry.watch, Held(entry.truth, entry.at))
    return evolve(incident, seq=incident.seq + 1, held=held)


def _decided(incident: Incident, entry: e.Decided) -> Incident:
    key = pick_key(entry.kind, entry.node)
    if entry.kind in ("try", "choose", "dag"):
        picked = (*incident.picks.get(key, ()), NONE_LEFT if entry.chosen is None else entry.chosen)
    else:
        picked = () if entry.chosen is None else (entry.chosen,)
    explored = incident.explored
    if entry.explored and entry.chosen is not None:
        explored = put(explored, entry.chosen, Explored(entry.node, entry.options[0].id))
    return evolve(
        incident,
        seq=incident.seq + 1,
        explored=explored,
        picks=put(incident.picks, key, picked),
        withheld=without(incident.withheld, entry.node),
    )


def pick_key(kind: str, node: str) -> str:
    """Where a decision of `kind` at `node` is latched: a node may hold its own pick, its `if` and a guard's word."""
    return f"{kind}:{node}" if kind in ("if", "guard") else node


def _withheld(incident: Incident, entry: e.DecisionWithheld) -> Incident:
    if entry.reason is None:
        withheld = without(incident.withheld, entry.node)
    else:
        withheld = put(incident.withheld, entry.node, Withheld(entry.reason, entry.at))
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
        spool=entry.spool,
        effect_key=entry.effect_key,
        probe_before=entry.probe_before,
    )
    if entry.number != len(before) + 1:
        raise JournalCorrupt(f"attempt {entry.number} of '{entry.node}' follows attempt {len(before)}")
    attempts = put(incident.attempts, entry.node, (*before, attempt))
    withheld = without(incident.withheld, entry.node)
    return _at_work(evolve(incident, seq=incident.seq + 1, attempts=attempts, withheld=withheld))


def _change(incident: Incident, key: str, **changes: Any) -> Incident:
    for node, attempts in incident.attempts.items():
        if attempts[-1].key == key:
            changed = (*attempts[:-1], evolve(attempts[-1], **changes))
            all_attempts = put(incident.attempts, node, changed)
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
    return _change(incident, entry.key, ended_at=entry.at, outcome=entry.status, by=entry.by)


def _in_doubt(incident: Incident, entry: e.ActionInDoubt) -> Incident:
    return _change(incident, entry.key, ended_at=entry.at, in_doubt=True)


def _probed(incident: Incident, entry: e.ActionProbed) -> Incident:
    """What the signals say takes the place of the outcome that nobody knows; proving starts from here."""
    told: dict[str, Any] = {}
    if entry.happened is not None:
        outcome = OutcomeStatus.OK if entry.happened else OutcomeStatus.CANCELLED
        told = {"in_doubt": False, "outcome": outcome, "happened": entry.happened}
    return _change(incident, entry.key, ended_at=entry.at, probed_at=entry.at, **told)


def _reconciled(incident: Incident, _: e.ActionReconciled) -> Incident:
    return evolve(incident, seq=incident.seq + 1)


def _verdict(incident: Incident, entry: e.AttemptEnded) -> Incident:
    return _change(incident, entry.key, verdict=entry.verdict, verdict_at=entry.at, succeeded=entry.succeeded)


def _waiting(incident: Incident, entry: e.WaitStarted) -> Incident:
    return evolve(incident, seq=incident.seq + 1, waits=put(incident.waits, entry.node, WaitState(entry.at)))


def _waited(incident: Incident, entry: e.WaitEnded) -> Incident:
    begun = incident.waits.get(entry.node)
    if begun is None or begun.ended_at is not None:
        raise JournalCorrupt(f"the wait '{entry.node}' ends without having begun")
    ended = WaitState(begun.started_at, entry.at, entry.succeeded)
    return evolve(incident, seq=incident.seq + 1, waits=put(incident.waits, entry.node, ended))


def _asked(incident: Incident, entry: e.ApprovalRequested) -> Incident:
    question = Question(entry.approvers, entry.requester, entry.expires_at)
    questions = put(incident.questions, entry.node, question)
    withheld = put(incident.withheld, entry.node, Withheld(Reason.APPROVAL_PENDING, entry.at))
    return _at_work(evolve(incident, seq=incident.seq + 1, questions=questions, withheld=withheld))


def _settle_question(incident: Incident, node: str, **changes: Any) -> Incident:
    question = incident.questions.get(node)
    if question is None:
        raise JournalCorrupt(f"nobody was asked about '{node}'")
    questions = put(incident.questions, node, replace(question, **changes))
    withheld = without(incident.withheld, node)
    return _at_work(evolve(incident, seq=incident.seq + 1, questions=questions, withheld=withheld))


def _granted(incident: Incident, entry: e.ApprovalGranted) -> Incident:
    return _settle_question(
        incident, entry.node, granted=True, answer=entry.answer, granted_by=entry.by, expires_at=entry.expires_at
    )


def _denied(incident: Incident, entry: e.ApprovalDenied) -> Incident:
    return _settle_question(incident, entry.node, granted=False, answer=entry.answer)


def _expired(incident: Incident, entry: e.ApprovalExpired) -> Incident:
    return _settle_question(incident, entry.node, granted=False)


def _requested(incident: Incident, entry: e.StepRequested) -> Incident:
    return evolve(incident, seq=incident.seq + 1, requests=put(incident.requests, entry.node, entry.by))


def _cross_checked(incident: Incident, entry: e.StepCrossChecked) -> Incident:
    return evolve(incident, seq=incident.seq + 1, cross_checks=put(incident.cross_checks, entry.key, entry.by))


def _taken_over(incident: Incident, entry: e.TakenOver) -> Incident:
    return evolve(incident, seq=incident.seq + 1, taken_over_by=entry.by)


def _acknowledged(incident: Incident, entry: e.IncidentAcknowledged) -> Incident:
    return evolve(incident, seq=incident.seq + 1, acknowledged=(*incident.acknowledged, entry.answer))


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
    e.ActionProbed: _probed,
    e.ActionReconciled: _reconciled,
    e.AttemptEnded: _verdict,
    e.WaitStarted: _waiting,
    e.WaitEnded: _waited,
    e.ApprovalRequested: _asked,
    e.ApprovalGranted: _granted,
    e.ApprovalDenied: _denied,
    e.ApprovalExpired: _expired,
    e.StepRequested: _requested,
    e.StepCrossChecked: _cross_checked,
    e.TakenOver: _taken_over,
    e.IncidentAcknowledged: _acknowledged,
    e.AnswerRefused: _nothing_changed,
    e.LeaseAcquired: _nothing_changed,
}


def promoted_ranking(entries: Iterable[e.Entry]) -> Ranking | None:
    """Fold a policy's own stream into the ranking that rules now; None where the written order does.

    Raises:
        JournalCorrupt: a ranking was let rule that was never trained.
    """
    trained: dict[str, Ranking] = {}
    promoted: Ranking | None = None
    for entry in entries:
        match entry:
            case e.RankingTrained():
                trained[entry.ranking.version] = entry.ranking
            case e.RankingPromoted(version=version) | e.RankingRolledBack(to=version):
                if version is not None and version not in trained:
                    raise JournalCorrupt(f"ranking '{version}' was promoted but never trained")
                promoted = None if version is None else trained[version]
    return promoted
