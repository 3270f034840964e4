"""Sends the spans of incidents, once they are closed, to a collector of OpenTelemetry.

On threads of its own and from a reader of its own: a collector that is slow, full or gone costs the loop nothing.
Spans are made from the journal when an incident closes, so that a restart in between loses none of it; what cannot be
sent, after the SDK's own tries, is given up and counted, and stays in the journal.
OTLP over HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from prometheus_client import CollectorRegistry, Counter

from homeostat.act.secret import SecretError, resolve
from homeostat.app.incident_spans import Span, spans_of
from homeostat.app.settings import Settings
from homeostat.app.store import journal_to_read
from homeostat.model import entries as e
from homeostat.model.errors import UsageError
from homeostat.model.ports import Observer
from homeostat.model.signals import Snapshot

WAITING_MAX = 256
"""Closed incidents whose spans wait to be sent; of more, the newest are given up."""
STOP_TIMEOUT_S = 15.0
LOOK_INTERVAL_S = 0.5
"""How soon it is noticed that the agent stops."""


class Sender(Protocol):
    """Sends spans."""

    def send(self, spans: Sequence[Span]) -> bool:
        """Whether they were taken. Returns within a bounded time."""
        ...

    def close(self) -> None:
        """Send nothing more."""
        ...


def sender_of(settings: Settings, agent: str) -> Sender | None:
    """What sends spans as the settings say; None where nothing is to be sent.

    Raises:
        UsageError: the extra is missing, or a header's reference leads nowhere.
    """
    table = settings.tracing
    if table.endpoint is None:
        return None
    try:
        from homeostat.app.otlp import OtlpSender
    except ImportError as error:
        raise UsageError("tracing.endpoint needs an extra: pip install 'homeostat[opentelemetry]'") from error
    try:
        headers = {name: resolve(reference, settings.secrets.for_lookup()) for name, reference in table.headers.items()}
    except SecretError as error:
        raise UsageError(f"tracing.headers: {error}") from error
    return OtlpSender(table.endpoint, headers, table.timeout_s, agent)


class Tracing:
    """Implements `model.ports.Observer`: the spans of each incident that closes are sent, while its context lasts.

    Args:
        settings: of the workspace, to read the journal by.
        sender: closed when the context is left.
        observer: told of what fails.
        registry: for its metric.
    """

    def __init__(
        self,
        settings: Settings,
        sender: Sender,
        observer: Observer,
        registry: CollectorRegistry,
    ) -> None:
        self._settings = settings
        self._sender = sender
        self._observer = observer
        self._waiting: queue.Queue[str] = queue.Queue(WAITING_MAX)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tracing", daemon=True)
        self._traces = Counter(
            "homeostat_traces", "Incidents whose spans were to be sent.", ["result"], registry=registry
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(STOP_TIMEOUT_S)
        self._sender.close()

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """See `model.ports.Observer`."""

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """Note an incident that has closed. Never waits."""
        if any(isinstance(entry, e.Closed) for entry in entries):
            try:
                self._waiting.put_nowait(stream)
            except queue.Full:
                self._traces.labels("given_up").inc()

    def failed(self, what: str, error: Exception) -> None:
        """See `model.ports.Observer`."""

    def _work(self) -> None:
        """Until told to stop, and then until nothing waits."""
        while True:
            try:
                stream = self._waiting.get(timeout=LOOK_INTERVAL_S)
            except queue.Empty:
                if self._stopping.is_set():
                    return
            else:
                self._traces.labels("sent" if self._is_sent(stream) else "failed").inc()

    def _is_sent(self, stream: str) -> bool:
        try:
            with journal_to_read(self._settings) as journal:
                spans = spans_of([record.entry for record in journal.read(stream)])
            return self._sender.send(spans)
        except Exception as error:  # noqa: BLE001 - neither the journal's trouble nor the SDK's may end the thread
            self._observer.failed("tracing", error)
            return False
