"""What the page about the audit shows: whether the journal is what was written, its anchors, who did what."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from homeostat.app.audit import verify
from homeostat.app.clock import SystemClock
from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read
from homeostat.console.acts import Refused
from homeostat.console.deeds import DEEDS, Deed, deed_of
from homeostat.console.followed import Followed
from homeostat.console.kept import Kept
from homeostat.model.errors import HomeostatError
from homeostat.model.ports import Record
from homeostat.record.anchors import Anchor

FAULTS_MAX = 50
ANCHORS_MAX = 10
DONE_MAX = 100
DONE_S = 30 * 86400.0
"""How far back it is told who did what."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What the last verification came to.

    Attributes:
        at: when it ended. took_s: how long it took. by: who asked.
        faults: what is wrong, at most `FAULTS_MAX` of `faults_count`. unchecked: what could not be checked.
        records, incidents, anchors: how many were looked at.
        trouble: why it could not be done; "" where it was.
    """

    at: float
    took_s: float
    by: str
    faults: tuple[str, ...] = ()
    faults_count: int = 0
    unchecked: tuple[str, ...] = ()
    records: int = 0
    incidents: int = 0
    anchors: int = 0
    trouble: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it was done and found no fault."""
        return not self.faults_count and not self.trouble


@dataclass(frozen=True, slots=True)
class Running:
    """A verification at work."""

    since: float
    by: str


@dataclass(frozen=True, slots=True)
class AnchorRow:
    """A signed state of the journal, up to a write position."""

    position: int
    at: float
    key_id: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """The state of the audit. `verified` is None until this console has verified anything."""

    position: int
    running: Running | None
    verified: Verified | None
    anchors: list[AnchorRow]
    deeds: list[Deed]


class Verifier:
    """Verifies the journal when asked: in a thread, so that no page waits, and at most once at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = SystemClock()
        self._lock = threading.Lock()
        self.running: Running | None = None
        self.last: Verified | None = None

    def begin(self, by: str) -> Running:
        """Begin. Raises Refused: one is at work already."""
        with self._lock:
            if self.running is not None:
                raise Refused(409, f"{self.running.by} has asked for that already; it is at work")
            running = self.running = Running(self._clock.now(), by)
        threading.Thread(target=self._verify, args=(running,), name="verify", daemon=True).start()
        return running

    def _verify(self, running: Running) -> None:
        found = Verified(running.since, 0.0, running.by, trouble="it ended without a word")
        try:
            found = self._verified(running)
        finally:
            with self._lock:
                self.last, self.running = found, None

    def _verified(self, running: Running) -> Verified:
        try:
            verdict = verify(self._settings)
        except HomeostatError as error:
            now = self._clock.now()
            return Verified(now, now - running.since, running.by, trouble=str(error))
        now = self._clock.now()
        return Verified(
            now,
            now - running.since,
            running.by,
            tuple(verdict.faults[:FAULTS_MAX]),
            len(verdict.faults),
            tuple(verdict.unchecked),
            verdict.records,
            verdict.incidents,
            verdict.anchors,
        )


def audit_page(settings: Settings, verifier: Verifier) -> AuditPage:
    """See `AuditPage`. Raises JournalError."""
    since = SystemClock().now() - DONE_S
    position, deeds = _deeds.view(settings, lambda newest: [deed for deed in reversed(newest) if deed.at >= since])
    return AuditPage(position, verifier.running, verifier.last, _anchors_of(settings), deeds)


def _anchors_of(settings: Settings) -> list[AnchorRow]:
    if not has_journal(settings):
        return []
    with journal_to_read(settings) as journal:
        key = (settings.journal, settings.store.url, journal.last_anchor())
        return _anchors.get(key, lambda: [_anchor(one) for one in _newest(journal.anchors())])


def _newest(anchors: Iterable[Anchor]) -> list[Anchor]:
    return list(deque(anchors, ANCHORS_MAX))[::-1]


def _anchor(anchor: Anchor) -> AnchorRow:
    return AnchorRow(anchor.position, anchor.at, anchor.key_id)


def _add(newest: deque[Deed], record: Record) -> None:
    deed = deed_of(record)
    if deed is not None:
        newest.append(deed)


_anchors: Kept[list[AnchorRow]] = Kept(4)
_deeds: Followed[deque[Deed]] = Followed(
    DEEDS, lambda: deque(maxlen=DONE_MAX), _add, lambda: SystemClock().now() - DONE_S
)
