"""Spans go out by OTLP over HTTP. The one file that knows OpenTelemetry's SDK, imported where it is asked for alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from homeostat.app.incident_spans import Span
from homeostat.version import __version__

_SCOPE = InstrumentationScope("homeostat", __version__)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class OtlpSender:
    """Implements `app.tracing.Sender`.

    Args:
        endpoint: the whole address, as a rule one that ends in /v1/traces.
        headers: what the collector asks of who sends to it.
        timeout_s: of one try; the exporter tries again where the collector says that it may, within this time.
        agent: name of this agent.
    """

    def __init__(self, endpoint: str, headers: Mapping[str, str], timeout_s: float, agent: str) -> None:
        names = {"service.name": "homeostat", "service.version": __version__, "service.instance.id": agent}
        self._resource = Resource(names)
        self._exporter = OTLPSpanExporter(endpoint=endpoint, headers=dict(headers), timeout=timeout_s)

    def send(self, spans: Sequence[Span]) -> bool:
        """Whether the collector has taken them."""
        readable = [self._readable(span) for span in spans]
        return self._exporter.export(readable) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Send nothing more."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the exporter leaves this one untyped

    def _readable(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            span.name,
            context=SpanContext(span.trace_id, span.span_id, is_remote=False, trace_flags=_SAMPLED),
            parent=None
            if span.parent_id is None
            else SpanContext(span.trace_id, span.parent_id, is_remote=False, trace_flags=_SAMPLED),
            resource=self._resource,
            attributes=dict(span.attributes),
            events=[Event(one.name, dict(one.attributes), _nanoseconds(one.at)) for one in span.events],
            kind=SpanKind.INTERNAL,
            status=Status(StatusCode.OK) if span.failed is None else Status(StatusCode.ERROR, span.failed),
            start_time=_nanoseconds(span.started_at),
            end_time=_nanoseconds(span.ended_at),
            instrumentation_scope=_SCOPE,
        )


def _nanoseconds(at: float) -> int:
    return round(at * 1e9)
