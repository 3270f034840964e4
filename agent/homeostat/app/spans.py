"""An incident as OpenTelemetry spans, made from its journal alone: pure, so that a trace can be made again.

The trace's id follows from the incident's id, and a span's from the record that begins it: agents that shared an
incident, or one that was restarted, make the same trace. What was printed, sent or said is left out: secrets are never
in a trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from homeostat.model import entries as e
from homeostat.model.ports import Record
from homeostat.model.reasons import OutcomeStatus

Attribute = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Span:
    """One span. Times are Unix seconds; `parent_id` None is the root; `error` None is no error.

    `attributes` are `homeostat.*`, and by OpenTelemetry's semantic conventions `error.type` and `process.exit.code`.
    """

    trace_id: int
    span_id: int
    parent_id: int | None
    name: str
    start_at: float
    end_at: float
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    error: str | None = None


def trace_id(incident: str) -> int:
    """128 bits, never 0 but by a miracle."""
    return int.from_bytes(sha256(incident.encode()).digest()[:16], "big")


def span_id(stream: str, seq: int, part: str = "") -> int:
    """64 bits."""
    return int.from_bytes(sha256(f"{stream}\0{seq}\0{part}".encode()).digest()[:8], "big")


def spans_of(records: Iterable[Record]) -> list[Span]:
    """The spans of one incident's records, in order; the root first. What is still open ends with the last record."""
    trace = _Trace()
    for record in records:
        trace.take(record)
    return trace.spans


class _Trace:
    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._open: dict[str, int] = {}  # what is still going on, by a name of it -> its place in spans
        self._chosen: dict[str, int] = {}  # a node -> the span of the decision that chose it
        self._actions: dict[str, int] = {}  # the key of an attempt -> the span of its action

    def take(self, record: Record) -> None:
        entry, at = record.entry, record.entry.at
        for place in self._open.values():
            self.spans[place] = replace(self.spans[place], end_at=max(at, self.spans[place].start_at))
        match entry:
            case e.Suspected():
                about: dict[str, Attribute] = {"incident": entry.incident, "policy": entry.policy}
                self._begin("incident", record, f"incident {entry.policy}", None, about)
            case e.Closed():
                self._end("incident", {"result": str(entry.result)})
            case e.Escalated():
                self._note("incident", {"escalation": str(entry.reason)}, error=str(entry.reason))
            case e.Decided():
                self._decide(record, entry)
            case e.ApprovalRequested():
                self._begin(f"approval {entry.node}", record, f"approval {entry.node}", self._chosen.get(entry.node))
            case e.ApprovalGranted() | e.ApprovalDenied() | e.ApprovalExpired():
                answer = entry.TYPE.removeprefix("approval.")
                self._end(f"approval {entry.node}", {"answer": answer}, error=None if answer == "granted" else answer)
            case e.ActionIntended():
                self._act(record, entry)
            case e.ActionEnded():
                self._acted(record, entry)
            case e.AttemptEnded():
                self._judge(entry)

    def _decide(self, record: Record, entry: e.Decided) -> None:
        about: dict[str, Attribute] = {"node": entry.node, "kind": entry.kind, "explored": entry.explored}
        about |= {"chosen": entry.chosen} if entry.chosen else {}
        about |= {"ranking": entry.ranking_version} if entry.ranking_version else {}
        name = f"decision {entry.node}"
        self._begin(name, record, name, self._chosen.get(entry.node), about)
        if entry.chosen:
            self._chosen[entry.chosen] = self.spans[self._open[name]].span_id
        self._end(name)

    def _act(self, record: Record, entry: e.ActionIntended) -> None:
        about: dict[str, Attribute] = {
            "key": entry.key,
            "node": entry.node,
            "action": entry.action,
            "target": entry.target,
            "number": entry.number,
        }
        parent = self._chosen.get(entry.node)
        if entry.undoes:
            about["undoes"] = entry.undoes
            parent = self._actions.get(entry.undoes, parent)
        self._begin(f"action {entry.key}", record, f"action {entry.action}", parent, about)
        self._actions[entry.key] = self.spans[-1].span_id

    def _acted(self, record: Record, entry: e.ActionEnded) -> None:
        failed = None if entry.status is OutcomeStatus.OK else str(entry.status)
        self._end(f"action {entry.key}", {"status": str(entry.status)}, error=failed)
        place = next((n for n, span in enumerate(self.spans) if span.span_id == self._actions.get(entry.key)), None)
        if place is not None and entry.exit_code is not None:
            attributes = {**self.spans[place].attributes, "process.exit.code": entry.exit_code}
            self.spans[place] = replace(self.spans[place], attributes=attributes)
        parent = self._actions.get(entry.key)
        self._begin(f"verify {entry.key}", record, "verify", parent, {"key": entry.key}, part="verify")

    def _judge(self, entry: e.AttemptEnded) -> None:
        about: dict[str, Attribute] = {"verdict": str(entry.verdict), "succeeded": entry.succeeded}
        failed = None if entry.succeeded else str(entry.verdict)
        self._end(f"verify {entry.key}", about, error=failed)
        self._end(f"action {entry.key}", about, error=failed)  # of one whose outcome nobody knows

    def _begin(
        self,
        what: str,
        record: Record,
        name: str,
        parent: int | None,
        about: Mapping[str, Attribute] | None = None,
        *,
        part: str = "",
    ) -> None:
        if what != "incident" and parent is None:
            parent = self.spans[0].span_id if self.spans else None
        attributes = {f"homeostat.{key}": value for key, value in (about or {}).items()}
        at, stream = record.entry.at, record.stream
        identity = span_id(stream, record.seq, part)
        self.spans.append(Span(trace_id(stream), identity, parent, name, at, at, attributes))
        self._open[what] = len(self.spans) - 1

    def _note(self, what: str, about: Mapping[str, Attribute], *, error: str | None = None) -> None:
        place = self._open.get(what)
        if place is None:
            return
        span = self.spans[place]
        attributes = dict(span.attributes) | {f"homeostat.{key}": value for key, value in about.items()}
        if error is not None:
            attributes["error.type"] = error
        self.spans[place] = replace(span, attributes=attributes, error=error or span.error)

    def _end(self, what: str, about: Mapping[str, Attribute] | None = None, *, error: str | None = None) -> None:
        self._note(what, about or {}, error=error)
        self._open.pop(what, None)
