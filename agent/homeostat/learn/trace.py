"""Read incident streams into traces: what was decided, what was tried, and how each of it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from homeostat.model import entries as e
from homeostat.model.ports import Journal, Record
from homeostat.model.reasons import AttemptVerdict, EscalationReason, OutcomeStatus, Result


@dataclass(slots=True)
class AttemptTrace:
    """One run of one leaf. Times are Unix seconds; None where the journal does not say.

    Attributes:
        execution_s: how long the action ran, as the actuator measured it.
        after_escalation: the verdict fell after people were called, so it may be their work.
    """

    key: str
    node: str
    action: str
    target: str
    number: int
    intended_at: float
    ended_at: float | None = None
    execution_s: float | None = None
    outcome: OutcomeStatus | None = None
    verdict: AttemptVerdict | None = None
    verdict_at: float | None = None
    after_escalation: bool = False


@dataclass(slots=True)
class IncidentTrace:
    """One incident, open or closed. Times are Unix seconds; None where it has not come to that.

    Attributes:
        attempts: by idempotency key, oldest first.
    """

    id: str
    policy: str
    policy_hash: str
    opened_at: float
    confirmed_at: float | None = None
    escalated_at: float | None = None
    recovered_at: float | None = None
    closed_at: float | None = None
    result: Result | None = None
    escalation: EscalationReason | None = None
    decisions: list[e.Decided] = field(default_factory=list)
    attempts: dict[str, AttemptTrace] = field(default_factory=dict)


def trace_incidents(records: Iterable[Record]) -> list[IncidentTrace]:
    """Trace every incident in `records`, oldest first; streams may be interleaved, each in its own order.

    Records before a stream's `incident.suspected`, and streams that are no incident's, are passed over.
    """
    traces: dict[str, IncidentTrace] = {}
    for record in records:
        trace = traces.get(record.stream)
        if trace is None:
            opened = _opened(record.entry)
            if opened is not None:
                traces[record.stream] = opened
        else:
            _note(trace, record.entry)
    return sorted(traces.values(), key=lambda trace: (trace.opened_at, trace.id))


def trace_journal(journal: Journal, policy: str, incidents_max: int) -> list[IncidentTrace]:
    """Trace the newest `incidents_max` confirmed incidents of one policy, oldest first.

    Raises:
        JournalCorrupt: a stream's chain is broken.
    """
    newest: list[IncidentTrace] = []
    for stream in reversed(journal.incidents()):
        if len(newest) >= incidents_max:
            break
        trace = _trace_stream(journal, stream, policy)
        if trace is not None and trace.confirmed_at is not None:
            newest.append(trace)
    return sorted(newest, key=lambda trace: (trace.opened_at, trace.id))


def _trace_stream(journal: Journal, stream: str, policy: str) -> IncidentTrace | None:
    records = iter(journal.read(stream))
    first = next(records, None)
    trace = _opened(first.entry) if first is not None else None
    if trace is None or trace.policy != policy:
        return None
    for record in records:
        _note(trace, record.entry)
    return trace


def _opened(entry: e.Entry) -> IncidentTrace | None:
    if not isinstance(entry, e.Suspected):
        return None
    return IncidentTrace(entry.incident, entry.policy, entry.policy_hash, entry.at)


def _note(trace: IncidentTrace, entry: e.Entry) -> None:
    note = _NOTES.get(type(entry))
    if note is not None:
        note(trace, entry)


def _confirmed(trace: IncidentTrace, entry: e.Confirmed) -> None:
    trace.confirmed_at = entry.at


def _escalated(trace: IncidentTrace, entry: e.Escalated) -> None:
    trace.escalated_at, trace.escalation = entry.at, entry.reason


def _recovered(trace: IncidentTrace, entry: e.Recovered) -> None:
    trace.recovered_at = entry.at


def _closed(trace: IncidentTrace, entry: e.Closed) -> None:
    trace.closed_at, trace.result = entry.at, entry.result


def _decided(trace: IncidentTrace, entry: e.Decided) -> None:
    trace.decisions.append(entry)


def _intended(trace: IncidentTrace, entry: e.ActionIntended) -> None:
    if entry.undoes is not None:
        return  # taking back is no trial of a cure
    trace.attempts[entry.key] = AttemptTrace(
        entry.key, entry.node, entry.action, entry.target, entry.number, intended_at=entry.at
    )


def _action_ended(trace: IncidentTrace, entry: e.ActionEnded) -> None:
    attempt = trace.attempts.get(entry.key)
    if attempt is not None:
        attempt.ended_at, attempt.execution_s, attempt.outcome = entry.at, entry.duration_s, entry.status


def _attempt_ended(trace: IncidentTrace, entry: e.AttemptEnded) -> None:
    attempt = trace.attempts.get(entry.key)
    if attempt is not None:
        attempt.verdict, attempt.verdict_at = entry.verdict, entry.at
        attempt.after_escalation = trace.escalated_at is not None


_NOTES: dict[type[e.Entry], Callable[[IncidentTrace, Any], None]] = {
    e.Confirmed: _confirmed,
    e.Escalated: _escalated,
    e.Recovered: _recovered,
    e.Closed: _closed,
    e.Decided: _decided,
    e.ActionIntended: _intended,
    e.ActionEnded: _action_ended,
    e.AttemptEnded: _attempt_ended,
}
