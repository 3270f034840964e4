"""The dead man's switch: somebody else is called while all is well, and raises the alarm when the calls stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import requests
from prometheus_client import CollectorRegistry, Counter

from homeostat.act.secret import SecretError, resolve
from homeostat.app.heartbeat_table import HeartbeatTable, is_beat_url
from homeostat.app.settings import Settings
from homeostat.model import entries as e
from homeostat.model.errors import UsageError
from homeostat.model.ports import Observer
from homeostat.model.signals import Snapshot

Send = Callable[[], None]
"""Sends one beat. Raises OSError; its message never holds the address."""

_STOP_S_MAX = 2.0


class Heartbeat:
    """Implements `model.ports.Observer`: a beat follows a tick that read, decided and journalled.

    A tick that does not end is followed by none, nor is one that could not write the journal, nor one after the source
    was unreadable for longer than it may be. At most one beat waits, and a thread of its own sends it.

    Args:
        send: see `Send`.
        every_s: between two beats at the least.
        blind_s_max: for so long the source may be unreadable.
        trouble: why the journal cannot be written; None while it can.
        observer: told of beats that could not be sent.
        registry: takes the metric.
    """

    def __init__(
        self,
        send: Send,
        *,
        every_s: float,
        blind_s_max: float,
        trouble: Callable[[], str | None],
        observer: Observer,
        registry: CollectorRegistry,
    ) -> None:
        self._send = send
        self._every_s = every_s
        self._blind_s_max = blind_s_max
        self._trouble = trouble
        self._observer = observer
        self._sent = Counter("homeostat_heartbeats", "Beats of the dead man's switch.", ["result"], registry=registry)
        for result in ("sent", "failed"):
            self._sent.labels(result)
        self._beat_at: float | None = None
        self._seen_at: float | None = None
        self._due, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop; whoever waits for beats hears that the agent is gone by their absence."""
        self._stopping.set()
        self._due.set()
        self._thread.join(_STOP_S_MAX)

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """Ask for a beat if all is well and one is due."""
        del open_incidents
        if snapshot.error is None:
            self._seen_at = now
        sees = self._seen_at is not None and now - self._seen_at <= self._blind_s_max
        # A clock set back must not silence the beats until it has caught up.
        is_due = self._beat_at is None or not 0.0 <= now - self._beat_at < self._every_s
        if sees and is_due and self._trouble() is None:
            self._beat_at = now
            self._due.set()

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """See `model.ports.Observer`."""

    def failed(self, what: str, error: Exception) -> None:
        """See `model.ports.Observer`."""

    def _work(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._stopping.is_set():
                return
            try:
                self._send()
            except OSError as error:
                self._sent.labels("failed").inc()
                self._observer.failed("heartbeat", UsageError(f"not sent: {error}; the next one is tried in its time"))
            else:
                self._sent.labels("sent").inc()


def beat_url(table: HeartbeatTable) -> str | None:
    """Where beats go; None for nowhere.

    Raises:
        UsageError: the reference leads nowhere, or to something that is no such address. It is not shown.
    """
    if table.url is None or is_beat_url(table.url):
        return table.url
    try:
        url = resolve(table.url)
    except SecretError as error:
        raise UsageError(f"heartbeat.url: {error}") from error
    if not is_beat_url(url):
        raise UsageError(f"heartbeat.url: what {table.url} stands for must begin with https:// (http:// on loopback)")
    return url


def call(url: str, timeout_s: float) -> Send:
    """Give what calls `url` by POST; any answer but 2xx is a failure. Raises as `Send` says."""

    def send() -> None:
        try:
            with requests.post(url, timeout=timeout_s, allow_redirects=False, stream=True) as answer:
                status = answer.status_code
        except (requests.RequestException, ValueError) as error:
            # Its text holds the address, which is a secret.
            raise OSError(type(error).__name__) from None
        if not 200 <= status < 300:
            raise OSError(f"the answer was {status}")

    return send


def heartbeat(
    settings: Settings, trouble: Callable[[], str | None], observer: Observer, registry: CollectorRegistry
) -> AbstractContextManager[Heartbeat | None]:
    """Beat as the settings say while the context lasts; without a URL, do nothing. Raises UsageError."""
    table = settings.heartbeat
    url = beat_url(table)
    if url is None:
        return nullcontext()
    return Heartbeat(
        call(url, table.timeout_s),
        every_s=table.every_s,
        blind_s_max=table.blind_s_max,
        trouble=trouble,
        observer=observer,
        registry=registry,
    )
