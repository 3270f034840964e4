"""Sends the traces of closed incidents by OTLP, from a thread of its own that nothing waits for."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from prometheus_client import CollectorRegistry, Counter

from homeostat.app.settings import Settings
from homeostat.app.spans import Span, spans_of
from homeostat.app.store import journal_to_read
from homeostat.app.telemetry_table import TelemetryTable
from homeostat.model import entries as e
from homeostat.model.errors import HomeostatError, UsageError
from homeostat.model.ports import Observer, Record
from homeostat.model.signals import Snapshot
from homeostat.version import __version__

WAITING_MAX = 256
"""So many closed incidents may wait for a receiver; further ones are dropped and counted."""

_STOP_S_MAX = 2.0
_NS_PER_S = 1e9

Export = Callable[[Sequence[Span]], bool]
"""Sends spans, and says whether they arrived. Has a deadline."""


class Tracing:
    """Implements `model.ports.Observer`: an incident that closes is read from the journal, and its spans sent.

    Args:
        read: the records of an incident. Raises HomeostatError.
        export: see `Export`.
        observer: told of traces that did not arrive.
        registry: takes the metric.
    """

    def __init__(
        self,
        read: Callable[[str], Iterable[Record]],
        export: Export,
        observer: Observer,
        registry: CollectorRegistry,
    ) -> None:
        self._read, self._export, self._observer = read, export, observer
        self._traces = Counter("homeostat_traces", "Traces of closed incidents.", ["result"], registry=registry)
        for result in ("sent", "failed", "dropped"):
            self._traces.labels(result)
        self._closed: queue.Queue[str] = queue.Queue(WAITING_MAX)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tracing", daemon=True)

    def __enter__(self) -> Tracing:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Send what waits, for a short time; the journal keeps it all the same."""
        self._stopping.set()
        self._thread.join(_STOP_S_MAX)

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """See `model.ports.Observer`."""

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """Note a closed incident; never wait."""
        if any(isinstance(entry, e.Closed) for entry in entries):
            try:
                self._closed.put_nowait(stream)
            except queue.Full:
                self._traces.labels("dropped").inc()

    def failed(self, what: str, error: Exception) -> None:
        """See `model.ports.Observer`."""

    def _work(self) -> None:
        while not (self._stopping.is_set() and self._closed.empty()):
            try:
                stream = self._closed.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                arrived = self._export(spans_of(self._read(stream)))
            except (HomeostatError, OSError) as error:
                self._observer.failed("traces", error)
                arrived = False
            else:
                if not arrived:
                    self._observer.failed("traces", UsageError("the receiver took none; see telemetry.endpoint"))
            self._traces.labels("sent" if arrived else "failed").inc()


def is_traced(table: TelemetryTable, environment: Mapping[str, str]) -> bool:
    """Whether traces are sent: the settings say so, or OpenTelemetry's own variables do."""
    variables = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return table.traces == "otlp" or any(environment.get(name) for name in variables)


def otlp(endpoint: str | None, timeout_s: float) -> Export:
    """Give what sends spans by OTLP over HTTP. Raises UsageError where the extra is missing."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.trace.export import SpanExportResult
        from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags
    except ImportError as error:
        raise UsageError("traces need an extra: pip install 'homeostat[opentelemetry]'") from error
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=timeout_s)
    resource = Resource.create({"service.name": "homeostat", "service.version": __version__})

    def context(trace: int, span: int) -> SpanContext:
        return SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    def readable(span: Span) -> ReadableSpan:
        return ReadableSpan(
            span.name,
            context=context(span.trace_id, span.span_id),
            parent=None if span.parent_id is None else context(span.trace_id, span.parent_id),
            resource=resource,
            attributes=dict(span.attributes),
            status=Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, span.error),
            start_time=round(span.start_at * _NS_PER_S),
            end_time=round(span.end_at * _NS_PER_S),
        )

    def export(spans: Sequence[Span]) -> bool:
        return exporter.export([readable(span) for span in spans]) is SpanExportResult.SUCCESS

    return export


def tracing(
    settings: Settings, observer: Observer, registry: CollectorRegistry
) -> AbstractContextManager[Tracing | None]:
    """Send traces as the settings say while the context lasts, else do nothing. Raises UsageError."""
    table = settings.telemetry
    if not is_traced(table, os.environ):
        return nullcontext()

    def read(stream: str) -> list[Record]:
        with journal_to_read(settings) as journal:
            return list(journal.read(stream))

    return Tracing(read, otlp(table.endpoint, table.timeout_s), observer, registry)
