"""Watches the store while agents are hurt: who holds which lease, and when a takeover shows in the journal.

All times are the harness's clock (Unix seconds) at the moment of seeing, so a figure can be too large by one look and
never too small.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import psycopg

LOOK_INTERVAL_S = 0.05

_LEASES = "SELECT stream, fence, agent, extract(epoch FROM expires_at)::float8 FROM lease WHERE owner IS NOT NULL"
_ACQUIRED = "SELECT position, stream FROM journal WHERE type = 'lease.acquired' AND position > %s ORDER BY position"


@dataclass(frozen=True, slots=True)
class Term:
    """One stream in one agent's hands, from its fence to the next.

    Attributes:
        agent: as the agent calls itself, `host/pid`.
        seen_from, seen_until: the first and the last look that showed it.
        expires_at: the latest end of the lease that was seen, by the store's clock.
    """

    stream: str
    fence: int
    agent: str
    seen_from: float
    seen_until: float
    expires_at: float

    @property
    def pid(self) -> int:
        """The agent's process."""
        return int(self.agent.rpartition("/")[2])


class Watcher:
    """Looks every `LOOK_INTERVAL_S` from entering to leaving; goes on over restarts of the server."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._terms: dict[tuple[str, int], Term] = {}
        self._acquired: list[tuple[float, str]] = []
        self._position = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def terms(self, stream: str | None = None) -> list[Term]:
        """Every term seen so far, in order of first sight."""
        with self._lock:
            terms = sorted(self._terms.values(), key=lambda term: term.seen_from)
        return [term for term in terms if stream in (None, term.stream)]

    def holder(self, stream: str) -> Term | None:
        """Who holds a stream now, or held it last."""
        terms = self.terms(stream)
        return max(terms, key=lambda term: term.fence) if terms else None

    def acquired(self) -> list[tuple[float, str]]:
        """When each `lease.acquired` showed in the journal, and in which stream."""
        with self._lock:
            return list(self._acquired)

    def _run(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(psycopg.Error), psycopg.connect(self._store, autocommit=True) as connection:
                self._watch(connection)
            self._stopped.wait(LOOK_INTERVAL_S)

    def _watch(self, connection: psycopg.Connection) -> None:
        while not self._stopped.wait(LOOK_INTERVAL_S):
            leases = connection.execute(_LEASES).fetchall()
            acquired = connection.execute(_ACQUIRED, (self._position,)).fetchall()
            now = time.time()
            with self._lock:
                for stream, fence, agent, expires_at in leases:
                    self._note(stream, fence, agent, expires_at, now)
                for position, stream in acquired:
                    self._position = position
                    self._acquired.append((now, stream))

    def _note(self, stream: str, fence: int, agent: str, expires_at: float, now: float) -> None:
        known = self._terms.get((stream, fence))
        if known is None:
            self._terms[stream, fence] = Term(stream, fence, agent, now, now, expires_at)
        else:
            latest = max(known.expires_at, expires_at)
            self._terms[stream, fence] = replace(known, seen_until=now, expires_at=latest)
