"""Read incident streams into traces: what was decided, what was tried, and how each of it ended.

One incident is in memory at a time, unless streams are interleaved: then all that are open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from homeostat.learn.drills import Drills
from homeostat.model import entries as e
from homeostat.model.incident import verify_window
from homeostat.model.ports import Journal, Record
from homeostat.model.reasons import AttemptVerdict, EscalationReason, OutcomeStatus, Result
from homeostat.model.signals import Snapshot, Truth


@dataclass(slots=True)
class AttemptTrace:
    """One run of one leaf, or of what takes one back. Times are Unix seconds; None where the journal does not say.

    Attributes:
        execution_s: how long the action ran, as the actuator measured it.
        after_escalation: the verdict fell after people were called, so it may be their work.
        held_before, held_after: the verify condition when the action was intended, and when the verdict fell.
        harm_before: the harm condition when the action was intended.
        seen_after: the signals the verdict fell on.
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
    held_before: Truth = None
    held_after: Truth = None
    harm_before: Truth = None
    seen_after: Snapshot | None = None


@dataclass(slots=True)
class IncidentTrace:
    """One incident, open or closed. Times are Unix seconds; None where it has not come to that.

    Attributes:
        attempts: by idempotency key, oldest first. undos: the same, of what was taken back: no trial of a cure.
        seen: the signals that each of `decisions` was made on. seen_confirmed: those at confirmation.
        held: the last truth of each watched condition, by the name of its watch.
    """

    id: str
    policy: str
    policy_hash: str
    opened_at: float
    seed: int
    confirmed_at: float | None = None
    escalated_at: float | None = None
    recovered_at: float | None = None
    closed_at: float | None = None
    result: Result | None = None
    escalation: EscalationReason | None = None
    decisions: list[e.Decided] = field(default_factory=list)
    attempts: dict[str, AttemptTrace] = field(default_factory=dict)
    undos: dict[str, AttemptTrace] = field(default_factory=dict)
    seen: list[Snapshot | None] = field(default_factory=list)
    snapshot: Snapshot | None = None
    seen_confirmed: Snapshot | None = None
    held: dict[str, Truth] = field(default_factory=dict)


def trace_incidents(records: Iterable[Record]) -> Iterator[IncidentTrace]:
    """Trace every incident in `records`: each when it is closed, those that are open at the end.

    Streams may be interleaved, each in its own order. Records before a stream's `incident.suspected`, and streams that
    are no incident's, are passed over.
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
            if trace.closed_at is not None:
                yield traces.pop(record.stream)
    yield from traces.values()


def trace_journal(journal: Journal, policy: str, incidents_max: int) -> list[IncidentTrace]:
    """Trace the newest `incidents_max` confirmed incidents of one policy, oldest first.

    Raises:
        JournalCorrupt: a stream's chain is broken.
    """
    newest = newest_incidents(journal, policy, incidents_max)
    return sorted(newest, key=lambda trace: (trace.opened_at, trace.id))


def newest_incidents(journal: Journal, policy: str, incidents_max: int) -> Iterator[IncidentTrace]:
    """Trace the confirmed incidents of one policy, newest first, one at a time and at most `incidents_max`.

    What opened during a drill is left out: its fault was chosen, and says nothing of how often which cause comes.

    Raises:
        JournalCorrupt: a stream's chain is broken.
    """
    found = 0
    drills = Drills.of(journal)
    for stream in reversed(journal.incidents()):
        if found >= incidents_max:
            return
        trace = _trace_stream(journal, stream, policy)
        if trace is not None and trace.confirmed_at is not None and not drills.hold(trace.opened_at):
            found += 1
            yield trace


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
    return IncidentTrace(entry.incident, entry.policy, entry.policy_hash, entry.at, entry.seed)


def _note(trace: IncidentTrace, entry: e.Entry) -> None:
    note = _NOTES.get(type(entry))
    if note is not None:
        note(trace, entry)


def _confirmed(trace: IncidentTrace, entry: e.Confirmed) -> None:
    trace.confirmed_at, trace.seen_confirmed = entry.at, trace.snapshot


def _escalated(trace: IncidentTrace, entry: e.Escalated) -> None:
    trace.escalated_at, trace.escalation = entry.at, entry.reason


def _recovered(trace: IncidentTrace, entry: e.Recovered) -> None:
    trace.recovered_at = entry.at


def _closed(trace: IncidentTrace, entry: e.Closed) -> None:
    trace.closed_at, trace.result = entry.at, entry.result


def _observed(trace: IncidentTrace, entry: e.Observed) -> None:
    trace.snapshot = entry.snapshot


def _condition_changed(trace: IncidentTrace, entry: e.ConditionChanged) -> None:
    trace.held[entry.watch] = entry.truth


def _decided(trace: IncidentTrace, entry: e.Decided) -> None:
    trace.decisions.append(entry)
    trace.seen.append(trace.snapshot)


def _intended(trace: IncidentTrace, entry: e.ActionIntended) -> None:
    runs = trace.attempts if entry.undoes is None else trace.undos
    runs[entry.key] = AttemptTrace(
        entry.key,
        entry.node,
        entry.action,
        entry.target,
        entry.number,
        intended_at=entry.at,
        held_before=entry.held_before,
        harm_before=entry.harm_before,
    )


def _run(trace: IncidentTrace, key: str) -> AttemptTrace | None:
    return trace.attempts.get(key) or trace.undos.get(key)


def _action_ended(trace: IncidentTrace, entry: e.ActionEnded) -> None:
    attempt = _run(trace, entry.key)
    if attempt is not None:
        attempt.ended_at, attempt.execution_s, attempt.outcome = entry.at, entry.duration_s, entry.status


def _attempt_ended(trace: IncidentTrace, entry: e.AttemptEnded) -> None:
    attempt = _run(trace, entry.key)
    if attempt is not None:
        attempt.verdict, attempt.verdict_at = entry.verdict, entry.at
        attempt.after_escalation = trace.escalated_at is not None
        attempt.held_after = trace.held.get(verify_window(entry.key))
        attempt.seen_after = trace.snapshot


_NOTES: dict[type[e.Entry], Callable[[IncidentTrace, Any], None]] = {
    e.Observed: _observed,
    e.ConditionChanged: _condition_changed,
    e.Confirmed: _confirmed,
    e.Escalated: _escalated,
    e.Recovered: _recovered,
    e.Closed: _closed,
    e.Decided: _decided,
    e.ActionIntended: _intended,
    e.ActionEnded: _action_ended,
    e.AttemptEnded: _attempt_ended,
}
