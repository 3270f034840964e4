"""An incident's trace follows from its journal, reaches a real OTLP receiver, and holds up nobody."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry
from tests.unit.app.test_heartbeat import Told

from homeostat.app.settings import Settings
from homeostat.app.spans import Span, spans_of, trace_id
from homeostat.app.telemetry_table import TelemetryTable
from homeostat.app.tracing import WAITING_MAX, Tracing, is_traced, otlp, tracing
from homeostat.model import entries as e
from homeostat.model.errors import UsageError
from homeostat.model.policy import Effect
from homeostat.model.ports import Batch, Record
from homeostat.model.reasons import AttemptVerdict, EscalationReason, OutcomeStatus, Result
from homeostat.record.memory import MemoryJournal
from homeostat.record.sqlite import SqliteJournal

SECRET = "hunter2"
ERROR = 2
"""Status code of a span, by the protocol."""


def intended(at: float, key: str, node: str, number: int = 1, undoes: str | None = None) -> e.Entry:
    return e.ActionIntended(
        at=at,
        incident="shop-1",
        key=key,
        node=node,
        action=f"{node}.do",
        target="service/a",
        arguments={"password": SECRET},
        effect=Effect.SAFE,
        number=number,
        deadline_at=at + 60,
        undoes=undoes,
    )


def ended(at: float, key: str, status: OutcomeStatus = OutcomeStatus.OK, code: int = 0) -> e.Entry:
    return e.ActionEnded(at=at, key=key, status=status, duration_s=1.0, exit_code=code, output=SECRET, detail=SECRET)


def judged(at: float, key: str, verdict: AttemptVerdict) -> e.Entry:
    return e.AttemptEnded(at=at, key=key, verdict=verdict, succeeded=verdict is AttemptVerdict.EFFECTIVE)


def began(at: float, child: str) -> e.Entry:
    option = e.Option(id=child, eligible=True)
    return e.Decided(at=at, node="both", kind="dag", chosen=child, options=(option,), context={"token": SECRET})


ENTRIES: Sequence[e.Entry] = [
    e.Suspected(at=1.0, incident="shop-1", policy="shop", policy_hash="h", dedup_key="shop", seed=1),
    e.Confirmed(at=2.0),
    began(3.0, "left"),
    intended(3.0, "l1", "left"),
    began(3.0, "right"),
    intended(3.0, "r1", "right"),
    ended(5.0, "l1", OutcomeStatus.ERROR, code=7),
    judged(6.0, "l1", AttemptVerdict.INEFFECTIVE),
    intended(7.0, "l2", "left", number=2),
    ended(8.0, "r1"),
    judged(9.0, "r1", AttemptVerdict.EFFECTIVE),
    ended(10.0, "l2"),
    judged(12.0, "l2", AttemptVerdict.HARMFUL),
    intended(13.0, "r1-undo", "right", undoes="r1"),
    ended(14.0, "r1-undo"),
    judged(15.0, "r1-undo", AttemptVerdict.EFFECTIVE),
    e.Escalated(at=16.0, reason=EscalationReason.PLAN_FAILED, to="oncall", severity="critical", detail=SECRET),
    e.Closed(at=20.0, result=Result.ESCALATED),
]


@pytest.fixture
def journal() -> MemoryJournal:
    """Parallel branches, a retry, an undo and an escalation."""
    made = MemoryJournal()
    made.append([Batch("shop-1", 0, list(ENTRIES))])
    return made


class Receiver:
    """A real HTTP server that takes OTLP as its specification says, and can be told to refuse or to hang."""

    def __init__(self) -> None:
        self.requests, self.status, self.called = list[ExportTraceServiceRequest](), 200, threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = ExportTraceServiceRequest()
                request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.requests.append(request)
                receiver.called.set()
                receiver.go_on.wait(20.0)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.go_on.set()
    made.server.shutdown()
    made.server.server_close()
    thread.join(5.0)


def by_name(spans: Sequence[Span]) -> dict[str, Span]:
    return {
        f"{span.name} {span.attributes.get('homeostat.key', span.attributes.get('homeostat.chosen', ''))}": span
        for span in spans
    }


def test_spans_lie_in_each_other_as_incident_decision_action_and_verify_do(journal: MemoryJournal) -> None:
    spans = by_name(spans_of(journal.read("shop-1")))
    root = spans["incident shop "]
    assert (root.parent_id, root.start_at, root.end_at, root.error) == (None, 1.0, 20.0, "plan_failed")
    assert spans["decision both left"].parent_id == spans["decision both right"].parent_id == root.span_id
    for key, node in (("l1", "left"), ("l2", "left"), ("r1", "right")):
        action = spans[f"action {node}.do {key}"]
        assert action.parent_id == spans[f"decision both {node}"].span_id
        assert spans[f"verify {key}"].parent_id == action.span_id
    assert spans["action right.do r1-undo"].parent_id == spans["action right.do r1"].span_id
    assert spans["action right.do r1-undo"].attributes["homeostat.undoes"] == "r1"
    assert (spans["action left.do l1"].start_at, spans["action left.do l1"].end_at) == (3.0, 5.0)
    assert (spans["verify l2"].start_at, spans["verify l2"].end_at) == (10.0, 12.0)
    errors = {name for name, span in spans.items() if span.error is not None}
    assert errors == {"incident shop ", "action left.do l1", "verify l1", "verify l2"}
    assert spans["action left.do l1"].attributes["process.exit.code"] == 7
    assert len({span.span_id for span in spans.values()}) == len(spans) == 11


def test_a_trace_made_again_is_the_same_and_one_of_half_an_incident_begins_like_the_whole(
    journal: MemoryJournal,
) -> None:
    records = list(journal.read("shop-1"))
    assert spans_of(records) == spans_of(records)
    whole, half = spans_of(records), spans_of(records[:6])
    assert [span.span_id for span in half] == [span.span_id for span in whole[: len(half)]]
    assert {span.trace_id for span in whole} == {trace_id("shop-1")}
    assert half[0].end_at == 3.0


def test_an_action_whose_outcome_nobody_knows_ends_with_its_verdict() -> None:
    journal = MemoryJournal()
    unknown = [intended(3.0, "l1", "left"), judged(9.0, "l1", AttemptVerdict.UNKNOWN)]
    journal.append([Batch("shop-1", 0, [*ENTRIES[:2], *unknown])])
    span = spans_of(journal.read("shop-1"))[-1]
    assert (span.name, span.end_at, span.error) == ("action left.do", 9.0, "unknown")


def test_a_closed_incident_reaches_a_receiver_whole_and_without_a_secret(
    journal: MemoryJournal, receiver: Receiver
) -> None:
    registry = CollectorRegistry()
    with Tracing(journal.read, otlp(receiver.url, 5.0), Told(), registry) as traces:
        traces.appended("shop-1", ENTRIES[:-1])
        traces.appended("shop-1", ENTRIES[-1:])
        assert receiver.called.wait(10.0)
    (request,) = receiver.requests
    (resource,) = request.resource_spans
    assert {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"] == "homeostat"
    sent = [span for scope in resource.scope_spans for span in scope.spans]
    made = spans_of(journal.read("shop-1"))
    assert [int.from_bytes(span.span_id, "big") for span in sent] == [span.span_id for span in made]
    assert {int.from_bytes(span.trace_id, "big") for span in sent} == {trace_id("shop-1")}
    assert [int.from_bytes(span.parent_span_id, "big") or None for span in sent] == [span.parent_id for span in made]
    assert [span.status.code == ERROR for span in sent] == [span.error is not None for span in made]
    assert sent[0].start_time_unix_nano == 1_000_000_000
    assert SECRET.encode() not in request.SerializeToString()
    assert registry.get_sample_value("homeostat_traces_total", {"result": "sent"}) == 1.0


def test_the_settings_lead_from_a_journal_on_disk_to_the_receiver(tmp_path: Path, receiver: Receiver) -> None:
    settings = Settings(root=tmp_path, telemetry=TelemetryTable(traces="otlp", endpoint=receiver.url))
    settings.state.mkdir()
    with closing(SqliteJournal(settings.journal)) as journal, tracing(settings, Told(), CollectorRegistry()) as traces:
        assert traces is not None
        journal.append([Batch("shop-1", 0, list(ENTRIES))])
        traces.appended("shop-1", ENTRIES)
        assert receiver.called.wait(10.0)
    assert len(receiver.requests[0].resource_spans[0].scope_spans[0].spans) == 11


def test_a_receiver_that_hangs_holds_up_no_append_and_what_waits_is_bounded(
    journal: MemoryJournal, receiver: Receiver
) -> None:
    registry, taken = CollectorRegistry(), list[str]()

    def read(stream: str) -> Iterator[Record]:
        taken.append(stream)
        return journal.read(stream)

    receiver.go_on.clear()
    with Tracing(read, otlp(receiver.url, 5.0), Told(), registry) as traces:
        traces.appended("shop-1", ENTRIES[-1:])
        assert receiver.called.wait(10.0)
        for _ in range(WAITING_MAX + 10):
            traces.appended("shop-1", ENTRIES[-1:])
        assert taken == ["shop-1"]  # all of these came back while the first one still hangs
        assert registry.get_sample_value("homeostat_traces_total", {"result": "dropped"}) == 10.0
        traces._closed.queue.clear()
        receiver.go_on.set()


def test_a_receiver_that_refuses_is_told_and_counted(journal: MemoryJournal, receiver: Receiver) -> None:
    registry, told = CollectorRegistry(), Told()
    receiver.status = 400
    with Tracing(journal.read, otlp(receiver.url, 5.0), told, registry) as traces:
        traces.appended("shop-1", ENTRIES[-1:])
        assert receiver.called.wait(10.0)
    assert registry.get_sample_value("homeostat_traces_total", {"result": "failed"}) == 1.0
    assert told.failures == ["traces: the receiver took none; see telemetry.endpoint"]


def test_nothing_is_traced_unless_the_settings_or_opentelemetrys_own_variables_say_so() -> None:
    assert not is_traced(TelemetryTable(), {})
    assert is_traced(TelemetryTable(traces="otlp"), {})
    assert is_traced(TelemetryTable(), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})


def test_where_the_extra_is_missing_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'homeostat\[opentelemetry\]'"):
        otlp(None, 1.0)


@pytest.mark.parametrize("endpoint", ["collector:4318", "http://u:p@x/v1/traces", "https://x/v1/traces?token=1"])
def test_an_endpoint_that_is_none_or_holds_a_secret_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="must"):
        TelemetryTable(traces="otlp", endpoint=endpoint)
