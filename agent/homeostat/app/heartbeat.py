"""The dead man's switch: a beat for each tick that did its work, so that silence is the alarm.

A process that is up proves nothing. A beat says that the loop has turned, that its journal takes entries, and that it
has seen telemetry of late. The address is called on a thread of its own: whatever it does costs the loop nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import requests
from prometheus_client import CollectorRegistry, Counter, Gauge

from homeostat.act.secret import SecretError, is_reference, resolve
from homeostat.app.heartbeat_table import HeartbeatTable, web_address
from homeostat.app.settings import Settings
from homeostat.model import entries as e
from homeostat.model.errors import Disposition, HomeostatError, UsageError
from homeostat.model.ports import Observer
from homeostat.model.signals import Snapshot

STOP_TIMEOUT_S = 5.0

Beat = Callable[[], None]
"""Calls the address once. Raises OSError, which requests' errors are, ValueError and SecretError."""


def beat_of(settings: Settings) -> Beat | None:
    """What calls the address of the settings; None where there is none.

    Raises:
        UsageError: the reference leads nowhere.
    """
    table = settings.heartbeat
    if table.url is None:
        return None

    def address() -> str:
        url = str(table.url)
        return web_address(resolve(url, settings.secrets.for_lookup())) if is_reference(url) else url

    def beat() -> None:
        with requests.Session() as session:
            session.trust_env = False  # neither a proxy nor a netrc of this host's
            with session.get(address(), timeout=table.timeout_s, allow_redirects=False, stream=True) as answer:
                if not 200 <= answer.status_code < 300:
                    raise requests.HTTPError(f"the answer was {answer.status_code}")

    try:
        address()
    except (SecretError, ValueError) as error:
        raise UsageError(f"heartbeat.url: {error}") from error
    return beat


class Heartbeat:
    """Implements `model.ports.Observer`, and calls the address while its context lasts.

    Args:
        beat: calls it once.
        table: how often, and what counts as blind.
        trouble: why the journal takes no entries; None where it does.
        observer: told of what fails.
        registry: for its metrics.
        clock: seconds on a clock that never goes back.
    """

    def __init__(
        self,
        beat: Beat,
        table: HeartbeatTable,
        trouble: Callable[[], str | None],
        observer: Observer,
        registry: CollectorRegistry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._beat = beat
        self._table = table
        self._trouble = trouble
        self._observer = observer
        self._clock = clock
        self._due_at = 0.0
        self._seen_at: float | None = None
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._call, name="heartbeat", daemon=True)
        self._beats = Counter("homeostat_heartbeats", "Calls of the dead man's switch.", ["result"], registry=registry)
        self._last = Gauge(
            "homeostat_heartbeat_last_success_timestamp_seconds", "When one was taken last.", registry=registry
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._wanted.set()
        self._thread.join(STOP_TIMEOUT_S)

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """Have the address called, where that is due and this tick did its work. Never waits."""
        del now, open_incidents
        at = self._clock()
        if snapshot.error is None:
            self._seen_at = at
        is_blind = self._seen_at is None or at - self._seen_at > self._table.blind_s_max
        if at >= self._due_at and not is_blind and self._trouble() is None:
            self._due_at = at + self._table.interval_s
            self._wanted.set()

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """See `model.ports.Observer`."""

    def failed(self, what: str, error: Exception) -> None:
        """See `model.ports.Observer`."""

    def _call(self) -> None:
        while True:
            self._wanted.wait()
            if self._stopped.is_set():
                return
            self._wanted.clear()
            try:
                self._beat()
            except (OSError, ValueError, SecretError) as error:
                self._beats.labels("failed").inc()
                self._observer.failed("heartbeat", UnheardBeat(error))
            else:
                self._beats.labels("taken").inc()
                self._last.set_to_current_time()


class UnheardBeat(HomeostatError):
    """Nobody took a beat. The address is a secret, so only the kind of the failure is told."""

    disposition = Disposition.TRANSIENT

    def __init__(self, error: Exception) -> None:
        said = str(error) if isinstance(error, (requests.HTTPError, SecretError)) else type(error).__name__
        super().__init__(f"nobody took the heartbeat: {said}; see [heartbeat] in homeostat.toml")
