"""A closed incident as spans: what was decided, asked, done and verified, when, and how it ended. Pure.

The trace's id is the incident's own (a UUID has the 16 bytes that a trace id has), and a span's id is made of what the
journal names: whoever makes the spans of an incident, at any time, makes the same ones. No names of people, no output
of actions and no arguments go into them: traces leave the house.
OpenTelemetry specification, "Tracing API": https://opentelemetry.io/docs/specs/otel/trace/api/
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from homeostat.model import entries as e
from homeostat.model.reasons import AttemptVerdict, OutcomeStatus, Result

Attributes = Mapping[str, str | int | float | bool]
_GOOD_VERDICTS = (AttemptVerdict.EFFECTIVE, AttemptVerdict.PRE_SATISFIED, AttemptVerdict.SELF_HEALED)
EVENTS_MAX = 128
"""Of one incident; OpenTelemetry's own default limit for a span."""
_ROOT = "incident"
_CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened at a moment of a span. `at`: Unix seconds."""

    name: str
    at: float
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """One span.

    Attributes:
        trace_id: 128 bits. span_id, parent_id: 64 bits; a parent of None: it is the trace's root.
        started_at, ended_at: Unix seconds.
        failed: why its status is an error; None where it is not one.
    """

    trace_id: int
    span_id: int
    parent_id: int | None
    name: str
    started_at: float
    ended_at: float
    attributes: Attributes = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    failed: str | None = None


def trace_id_of(incident: str) -> int:
    """The id of an incident's trace, 128 bits."""
    try:
        return UUID(incident).int
    except ValueError:  # a recording may name its incidents as it likes
        return _number(f"trace/{incident}", 16)


def span_id_of(incident: str, what: str) -> int:
    """The id, 64 bits, of the span of something in an incident; `what` is unique there."""
    return _number(f"{incident}/{what}", 8)


def _number(text: str, bytes_count: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:bytes_count], "big") or 1


def spans_of(entries: Sequence[e.Entry]) -> list[Span]:
    """The spans of one incident, its root first; none where the entries do not begin with an incident's opening.

    Args:
        entries: of the incident's stream, in order. What has not ended by the last one ends there.
    """
    opened = entries[0] if entries else None
    if not isinstance(opened, e.Suspected):
        return []
    trace = _Trace(opened)
    for entry in entries[1:]:
        note = _NOTES.get(type(entry))
        if note is not None:
            note(trace, entry)
    return trace.spans(entries[-1].at)


class _Trace:
    """The spans of an incident as far as its entries have been noted, each known by what it is of."""

    def __init__(self, opened: e.Suspected) -> None:
        self._incident = opened.incident
        self._spans: list[Span] = []
        self._newest: dict[str, int] = {}
        self._times: dict[str, int] = {}
        self._running: set[int] = set()
        self.begin(_ROOT, f"incident {opened.policy}", opened.at, parent=None)
        self.tell(_ROOT, policy=opened.policy, policy_hash=opened.policy_hash, incident=opened.incident)
        self.begin(_CONFIRM, "confirm", opened.at)

    def begin(self, what: str, name: str, at: float, parent: str | None = _ROOT) -> None:
        """A span begins; an earlier one of the same thing that still runs ends there."""
        self.end(what, at)
        times = self._times[what] = self._times.get(what, 0) + 1
        above = self._newest.get(parent) if parent is not None else None
        parent_id = None if above is None else self._spans[above].span_id
        span_id = span_id_of(self._incident, what if times == 1 else f"{what}#{times}")
        self._newest[what] = len(self._spans)
        self._running.add(len(self._spans))
        self._spans.append(Span(trace_id_of(self._incident), span_id, parent_id, name, at, at))

    def end(self, what: str, at: float, failed: str | None = None) -> None:
        """A span ends, if it runs."""
        place = self._newest.get(what)
        if place in self._running:
            self._running.discard(place)
            self._spans[place] = replace(self._spans[place], ended_at=at, failed=failed)

    def tell(self, what: str, **attributes: str | int | float | bool | None) -> None:
        """Add what is known of a span, if there is one."""
        place = self._newest.get(what)
        if place is not None:
            known = {f"homeostat.{name}": value for name, value in attributes.items() if value is not None}
            span = self._spans[place]
            self._spans[place] = replace(span, attributes={**span.attributes, **known})

    def happened(self, name: str, at: float, **attributes: str | None) -> None:
        """An event of the incident as a whole; of very many the first are kept."""
        root = self._spans[0]
        if len(root.events) < EVENTS_MAX:
            known = {f"homeostat.{key}": value for key, value in attributes.items() if value}
            self._spans[0] = replace(root, events=(*root.events, SpanEvent(name, at, known)))

    def spans(self, until: float) -> list[Span]:
        """All of them; what still runs ends now."""
        return [
            replace(span, ended_at=max(until, span.started_at)) if place in self._running else span
            for place, span in enumerate(self._spans)
        ]


def _confirmed(trace: _Trace, entry: e.Confirmed) -> None:
    trace.end(_CONFIRM, entry.at)


def _dismissed(trace: _Trace, entry: e.Dismissed) -> None:
    trace.tell(_CONFIRM, reason=str(entry.reason))
    trace.end(_CONFIRM, entry.at)


def _escalated(trace: _Trace, entry: e.Escalated) -> None:
    trace.happened("escalated", entry.at, reason=str(entry.reason), severity=entry.severity, node=entry.node)


def _taken_over(trace: _Trace, entry: e.TakenOver) -> None:
    trace.happened("taken over", entry.at)


def _decided(trace: _Trace, entry: e.Decided) -> None:
    what = f"decision/{entry.node}"
    trace.begin(what, f"decide {entry.node}", entry.at)
    trace.tell(what, node=entry.node, kind=entry.kind, chosen=entry.chosen, ranking=entry.ranking_version)
    trace.tell(what, explored=entry.explored or None)
    trace.end(what, entry.at)


def _withheld(trace: _Trace, entry: e.DecisionWithheld) -> None:
    if entry.reason is not None:
        trace.happened("withheld", entry.at, reason=str(entry.reason), node=entry.node)


def _asked(trace: _Trace, entry: e.ApprovalRequested) -> None:
    what = f"approval/{entry.node}"
    trace.begin(what, f"approval {entry.node}", entry.at)
    trace.tell(what, node=entry.node, action=entry.action, target=entry.target)


def _answered(trace: _Trace, entry: e.ApprovalGranted | e.ApprovalDenied | e.ApprovalExpired) -> None:
    answers = {e.ApprovalGranted: None, e.ApprovalDenied: "denied", e.ApprovalExpired: "expired"}
    trace.end(f"approval/{entry.node}", entry.at, answers[type(entry)])


def _waits(trace: _Trace, entry: e.WaitStarted) -> None:
    trace.begin(f"wait/{entry.node}", f"wait {entry.node}", entry.at)


def _waited(trace: _Trace, entry: e.WaitEnded) -> None:
    trace.end(f"wait/{entry.node}", entry.at, None if entry.succeeded else "waited in vain")


def _intended(trace: _Trace, entry: e.ActionIntended) -> None:
    trace.begin(entry.key, f"{'attempt' if entry.undoes is None else 'undo'} {entry.node}", entry.at)
    trace.tell(entry.key, node=entry.node, action=entry.action, target=entry.target, number=entry.number)
    trace.tell(entry.key, key=entry.key, effect=str(entry.effect), undoes=entry.undoes)


def _started(trace: _Trace, entry: e.ActionStarted) -> None:
    trace.begin(f"{entry.key}/run", "run", entry.at, parent=entry.key)


def _action_ended(trace: _Trace, entry: e.ActionEnded) -> None:
    run = f"{entry.key}/run"
    trace.tell(run, status=str(entry.status), exit_code=entry.exit_code)
    trace.end(run, entry.at, None if entry.status is OutcomeStatus.OK else str(entry.status))
    if entry.status is OutcomeStatus.OK:
        trace.begin(f"{entry.key}/verify", "verify", entry.at, parent=entry.key)


def _in_doubt(trace: _Trace, entry: e.ActionInDoubt) -> None:
    trace.end(f"{entry.key}/run", entry.at, "nobody can say whether it ran to its end")


def _attempt_ended(trace: _Trace, entry: e.AttemptEnded) -> None:
    failed = None if entry.succeeded or entry.verdict in _GOOD_VERDICTS else str(entry.verdict)
    trace.end(f"{entry.key}/run", entry.at, failed)
    trace.end(f"{entry.key}/verify", entry.at, failed)
    trace.tell(entry.key, verdict=str(entry.verdict))
    trace.end(entry.key, entry.at, failed)


def _recovered(trace: _Trace, entry: e.Recovered) -> None:
    trace.happened("recovered", entry.at)


def _closed(trace: _Trace, entry: e.Closed) -> None:
    trace.tell(_ROOT, result=str(entry.result))
    trace.end(_ROOT, entry.at, "handed to people" if entry.result is Result.ESCALATED else None)


_NOTES: dict[type[e.Entry], Callable[[_Trace, Any], None]] = {
    e.Confirmed: _confirmed,
    e.Dismissed: _dismissed,
    e.Escalated: _escalated,
    e.TakenOver: _taken_over,
    e.Decided: _decided,
    e.DecisionWithheld: _withheld,
    e.ApprovalRequested: _asked,
    e.ApprovalGranted: _answered,
    e.ApprovalDenied: _answered,
    e.ApprovalExpired: _answered,
    e.WaitStarted: _waits,
    e.WaitEnded: _waited,
    e.ActionIntended: _intended,
    e.ActionStarted: _started,
    e.ActionEnded: _action_ended,
    e.ActionInDoubt: _in_doubt,
    e.AttemptEnded: _attempt_ended,
    e.Recovered: _recovered,
    e.Closed: _closed,
}
