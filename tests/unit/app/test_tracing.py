"""A closed incident becomes one trace: every span where it belongs, and nothing in it that must not leave the house."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SentSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from prometheus_client import CollectorRegistry
from tests.unit.decide.builders import FAILED, OK, Driver, do, policy

from homeostat.app.incident_spans import Span, spans_of, trace_id_of
from homeostat.app.observe import Observers
from homeostat.app.settings import Settings
from homeostat.app.tracing import Tracing, sender_of
from homeostat.model.answers import AnswerKind
from homeostat.model.errors import UsageError
from homeostat.model.policy import Approval, Dag, Policy, Retry, Try
from homeostat.model.ports import Batch
from homeostat.model.reasons import Result
from homeostat.record.sqlite import SqliteJournal

ASKED = Approval(("lead",), 120.0)


def healed() -> Driver:
    """Two steps at once, one of them twice, then one that people are asked about."""
    dag = Dag("both", (do("drain", verify=None), do("warm", verify=None, retry=Retry(1, explicit=True))), {})
    driver = Driver(policy(dag, do("restart", approval=ASKED)), people={"lead": frozenset({"annabelle"})})
    driver.confirm()
    driver.end("drain")
    driver.end("warm", FAILED)
    driver.ticks(3)
    driver.finish(OK)
    driver.ticks(2)
    driver.say(AnswerKind.APPROVE, "restart", "annabelle")
    driver.ticks(2)
    driver.finish(OK)
    driver.ticks(20, errors=0.0)
    assert driver.incident.result is Result.RECOVERED
    return driver


def handed_over() -> Driver:
    """A step that does not help and is taken back, one that fails, and then people."""
    plan: Policy = policy(Try("tried", (do("shift", undo=do("shift_back", verify=None)), do("restart"))))
    driver = Driver(plan)
    driver.confirm()
    driver.finish(OK)
    driver.ticks(30)
    driver.finish(OK)
    driver.ticks(3)
    driver.finish(FAILED)
    driver.ticks(3)
    driver.ticks(20, errors=0.0)
    assert driver.incident.result is Result.ESCALATED
    return driver


def named(spans: Sequence[Span], name: str) -> Span:
    return next(span for span in spans if span.name == name)


def test_a_healed_incident_is_a_tree_in_the_order_of_time() -> None:
    driver = healed()
    spans = spans_of(driver.entries)
    root = spans[0]
    assert (root.name, root.parent_id, root.failed) == ("incident p", None, None)
    assert root.attributes["homeostat.result"] == "recovered"
    assert {span.trace_id for span in spans} == {trace_id_of(driver.incident.id)}
    assert len({span.span_id for span in spans}) == len(spans)
    by_id = {span.span_id: span for span in spans}
    for span in spans[1:]:
        above = by_id[span.parent_id or 0]
        assert above.started_at <= span.started_at <= span.ended_at <= above.ended_at, span
    drain, restart = named(spans, "attempt drain"), named(spans, "attempt restart")
    warm = [span for span in spans if span.name == "attempt warm"]
    assert [span.failed for span in warm] == ["ineffective", None]
    assert drain.started_at < warm[1].ended_at <= restart.started_at
    assert [span.name for span in spans if span.parent_id == restart.span_id] == ["run", "verify"]
    approval = named(spans, "approval restart")
    assert (approval.failed, approval.ended_at) == (None, restart.started_at)
    assert restart.attributes["homeostat.verdict"] == "effective"


def test_an_incident_that_people_got_is_an_error_that_says_why() -> None:
    spans = spans_of(handed_over().entries)
    assert spans[0].failed == "handed to people"
    (called,) = [event for event in spans[0].events if event.name == "escalated"]
    assert called.attributes["homeostat.reason"] == "plan_failed"
    assert named(spans, "attempt shift").failed == "ineffective"
    undone = named(spans, "undo shift_back")
    assert undone.attributes["homeostat.undoes"] == named(spans, "attempt shift").attributes["homeostat.key"]


def test_a_part_of_it_ends_where_the_journal_ends() -> None:
    entries = healed().entries
    for count in range(1, len(entries) + 1):
        spans = spans_of(entries[:count])
        assert all(span.started_at <= span.ended_at <= entries[count - 1].at for span in spans)
    assert spans_of([]) == []
    assert spans_of(entries[1:]) == [], "whoever reads only the end of it makes up no beginning"


def test_no_names_of_people_and_no_output_go_out() -> None:
    driver = healed()
    assert "annabelle" in str(driver.entries)
    assert "annabelle" not in str(spans_of(driver.entries))


class Collector(ThreadingHTTPServer):
    """A collector that speaks OTLP over HTTP: it asks for its header, and decodes what it gets."""

    def __init__(self) -> None:
        self.spans: list[SentSpan] = []
        self.services: set[str] = set()
        self.hold = threading.Event()
        self.hold.set()
        self.asked = 0
        super().__init__(("127.0.0.1", 0), _Collect)

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            self.services |= {it.value.string_value for it in resource.resource.attributes if it.key == "service.name"}
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]


class _Collect(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.asked += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.hold.wait(20.0)
        is_known = self.path == "/v1/traces" and self.headers["Authorization"] == "Bearer collect"
        if is_known:
            self.server.take(body)
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *said: object) -> None: ...


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.hold.set()
        server.shutdown()


def wait_for(look: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + 20.0
    while not look():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def settings_of(folder: Path, collector: Collector) -> Settings:
    endpoint = f"http://127.0.0.1:{collector.server_port}/v1/traces"
    table = {"endpoint": endpoint, "headers": {"Authorization": "env:COLLECTOR_TOKEN"}, "timeout_s": 2.0}
    return Settings.model_validate({"tracing": table, "root": folder})


def traced(settings: Settings, driver: Driver, times: int = 1) -> CollectorRegistry:
    """Journal an incident, and tell the tracing of its end so many times."""
    settings.state.mkdir(parents=True, exist_ok=True)
    with closing(SqliteJournal(settings.journal)) as journal:
        journal.append([Batch(driver.incident.id, 0, driver.entries)])
    registry = CollectorRegistry()
    sender = sender_of(settings, "host/1")
    assert sender is not None
    with Tracing(settings, sender, Observers([]), registry) as tracing:
        for _ in range(times):
            tracing.appended(driver.incident.id, driver.entries[-1:])
    return registry


def count(registry: CollectorRegistry, result: str) -> float:
    return registry.get_sample_value("homeostat_traces_total", {"result": result}) or 0.0


@pytest.mark.parametrize("made", [healed, handed_over])
def test_a_collector_gets_the_whole_trace(
    made: Callable[[], Driver], tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLECTOR_TOKEN", "Bearer collect")
    driver = made()
    registry = traced(settings_of(tmp_path, collector), driver)
    assert count(registry, "sent") == 1
    assert collector.services == {"homeostat"}
    expected = spans_of(driver.entries)
    assert [span.name for span in collector.spans] == [span.name for span in expected]
    for sent, span in zip(collector.spans, expected, strict=True):
        assert int.from_bytes(sent.trace_id, "big") == span.trace_id
        assert int.from_bytes(sent.parent_span_id, "big") == (span.parent_id or 0)
        assert sent.end_time_unix_nano - sent.start_time_unix_nano == pytest.approx(
            (span.ended_at - span.started_at) * 1e9, abs=1e3
        )
        assert (sent.status.code == Status.STATUS_CODE_ERROR) is (span.failed is not None)


def test_a_collector_that_refuses_or_hangs_costs_nothing_but_its_trace(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLECTOR_TOKEN", "Bearer wrong")
    driver = handed_over()
    assert count(traced(settings_of(tmp_path / "a", collector), driver), "failed") == 1
    monkeypatch.setattr("homeostat.app.tracing.WAITING_MAX", 2)
    monkeypatch.setattr("homeostat.app.tracing.STOP_TIMEOUT_S", 0.1)
    collector.hold.clear()
    registry = traced(settings_of(tmp_path / "b", collector), driver, times=50)
    assert count(registry, "given_up") >= 47, "appended has waited for nobody"
    collector.hold.set()


def test_what_cannot_be_sent_is_said_before_the_agent_starts(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sender_of(Settings(), "host/1") is None
    monkeypatch.delenv("COLLECTOR_TOKEN", raising=False)
    with pytest.raises(UsageError, match=r"tracing\.headers: the secret env:COLLECTOR_TOKEN"):
        sender_of(settings_of(tmp_path, collector), "host/1")
    monkeypatch.setitem(__import__("sys").modules, "homeostat.app.otlp", None)
    with pytest.raises(UsageError, match=r"pip install 'homeostat\[opentelemetry\]'"):
        sender_of(settings_of(tmp_path, collector), "host/1")
