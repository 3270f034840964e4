"""Anchors while the agent runs: made on a thread of their own, and brought to where a tamperer does not reach."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from types import TracebackType

import requests
from prometheus_client import CollectorRegistry, Gauge

from homeostat.app.audit import signing_key
from homeostat.app.settings import Settings
from homeostat.model.errors import HomeostatError, JournalConflict, UsageError
from homeostat.model.ports import Observer
from homeostat.record.anchors import Anchor, Anchored, add_anchor, anchor_line
from homeostat.record.keys import PrivateKey

UNSENT_MAX = 64
"""Anchors that wait for a destination out of reach. The oldest is given up first: the newer ones cover it."""
SEND_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 15.0

Send = Callable[[Anchor], None]
"""Brings one anchor to its destination. Raises OSError, which requests' errors are."""


def append_to(path: Path) -> Send:
    """Give what appends an anchor to a file, on its disk before it returns."""

    def send(anchor: Anchor) -> None:
        with path.open("ab+") as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
            # A line that a crash cut off must not swallow this one.
            file.write(b"\n" + anchor_line(anchor) if end and file.read(1) != b"\n" else anchor_line(anchor))
            file.flush()
            os.fsync(file.fileno())

    return send


def post_to(url: str) -> Send:
    """Give what POSTs an anchor to a URL, as one line of JSON; any answer but 2xx is a failure."""

    def send(anchor: Anchor) -> None:
        headers = {"Content-Type": "application/x-ndjson"}
        answer = requests.post(
            url, data=anchor_line(anchor), headers=headers, timeout=SEND_TIMEOUT_S, allow_redirects=False, stream=True
        )
        with answer:
            if not 200 <= answer.status_code < 300:
                raise requests.HTTPError(f"the answer was {answer.status_code}")

    return send


def anchoring(
    settings: Settings, journal: Anchored, now: Callable[[], float], observer: Observer, registry: CollectorRegistry
) -> AbstractContextManager[object]:
    """Anchor a journal as the settings say while the context lasts; without a key, do nothing.

    Raises:
        UsageError: there is a destination and no key, or a key that cannot be used.
    """
    key = signing_key(settings)
    destinations = destinations_of(settings)
    if key is None:
        if destinations:
            raise UsageError(
                "audit: anchors are to be exported, and there is no key to sign them with; `homeostat audit keygen`"
                " makes one, and audit.key names one that is elsewhere"
            )
        return nullcontext()
    return Anchoring(
        journal,
        key,
        destinations,
        interval_s=settings.audit.anchor_interval_s,
        now=now,
        observer=observer,
        registry=registry,
    )


def anchor_now(settings: Settings, journal: Anchored, at: float) -> Anchor | None:
    """Anchor a journal once and export the anchor, also one that was there already; None when nothing was new.

    Raises:
        UsageError: there is no key, or a destination cannot be reached: the anchor is then in the journal only.
    """
    key = signing_key(settings)
    if key is None:
        raise UsageError("there is no key to sign with; `homeostat audit keygen` makes one")
    made = add_anchor(journal, key, at)
    newest = made or journal.last_anchor()
    for name, send in destinations_of(settings).items():
        try:
            if newest is not None:
                send(newest)
        except OSError as error:
            raise UsageError(f"{name}: the anchor was made, but cannot be exported: {_reason(error)}") from error
    return made


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def destinations_of(settings: Settings) -> dict[str, Send]:
    """Where anchors go, by a name for people."""
    file, url = settings.audit_export, settings.audit.export_url
    found: dict[str, Send] = {}
    if file is not None:
        found[str(file)] = append_to(file)
    if url is not None:
        found[url] = post_to(url)
    return found


class Anchoring:
    """Anchors the journal every `interval_s`, and once more when it is left.

    Args:
        destinations: name -> what brings an anchor there; one that fails is tried again at the next interval.
        now: Unix seconds.
        observer: told of what fails.
    """

    def __init__(
        self,
        journal: Anchored,
        key: PrivateKey,
        destinations: Mapping[str, Send],
        *,
        interval_s: float,
        now: Callable[[], float],
        observer: Observer,
        registry: CollectorRegistry,
    ) -> None:
        self._journal = journal
        self._key = key
        self._destinations = destinations
        self._interval_s = interval_s
        self._now = now
        self._observer = observer
        self._unsent = {name: deque[Anchor](maxlen=UNSENT_MAX) for name in destinations}
        self._position = Gauge("homeostat_anchored_position", "Write position of the last anchor.", registry=registry)
        waiting = Gauge("homeostat_anchors_unsent", "Anchors not exported yet.", ["to"], registry=registry)
        for name, unsent in self._unsent.items():
            waiting.labels(name).set_function(partial(len, unsent))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="anchoring", daemon=True)

    def __enter__(self) -> Anchoring:
        last = self._journal.last_anchor()
        if last is not None:  # whether it was exported before the last stop is not known; twice does no harm
            self._queue(last)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Anchor what the agent wrote last, and give the destinations one more try, for a bounded time."""
        self._stopping.set()
        self._thread.join(STOP_TIMEOUT_S)

    def _work(self) -> None:
        while True:
            stopping = self._stopping.wait(self._interval_s)
            self._anchor()
            for name in self._destinations:
                self._send(name)
            if stopping:
                return

    def _anchor(self) -> None:
        try:
            anchor = add_anchor(self._journal, self._key, self._now())
        except JournalConflict:
            return  # another agent on this journal was quicker; the next anchor follows its
        except HomeostatError as error:
            self._observer.failed("anchor", error)
            return
        if anchor is not None:
            self._queue(anchor)

    def _queue(self, anchor: Anchor) -> None:
        self._position.set(anchor.position)
        for unsent in self._unsent.values():
            unsent.append(anchor)

    def _send(self, name: str) -> None:
        unsent = self._unsent[name]
        try:
            while unsent:
                self._destinations[name](unsent[0])
                unsent.popleft()
        except OSError as error:
            self._observer.failed(f"export of anchors to {name}", UsageError(f"{_reason(error)}; tried again later"))
