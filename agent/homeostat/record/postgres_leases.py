"""Leases in PostgreSQL: a thread of its own renews what this agent holds, and takes what nobody holds.

A lease is a row. It lasts for its time to live from the renewal by the server's clock; here, its holder stops starting
anything a margin before that, counted from when the renewal was *sent*. So neither a slow answer nor a clock that is
wrong makes two agents believe in the same lease.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Lock, Thread

import psycopg

from homeostat.model.errors import JournalError
from homeostat.model.ports import Lease
from homeostat.record.held import WAITS_S, boottime_s, margin_s
from homeostat.record.postgres import PostgresJournal
from homeostat.record.postgres_append import named, stored
from homeostat.record.postgres_connection import BoundedConnection

PERIOD_MAX_S = 0.5
"""How often leases that nobody holds are looked for."""

_RENEW = """
WITH seen AS (
    UPDATE agent_process SET seen_at = clock_timestamp(), blind = %s, watched = %s::text[] WHERE owner = %s)
UPDATE lease SET expires_at = clock_timestamp() + make_interval(secs => %s)
-- An append that closes incidents has their leases locked, in an order of its own.
FROM (SELECT stream FROM lease WHERE owner = %s FOR UPDATE SKIP LOCKED) AS own
WHERE lease.stream = own.stream
RETURNING lease.stream, lease.fence"""
_ELDER = """
SELECT a.agent, a.seen_at > own.started_at + make_interval(secs => %s)
FROM agent_process own JOIN agent_process a ON a.spool = own.spool AND a.started_at < own.started_at
WHERE own.owner = %s AND a.seen_at > clock_timestamp() - make_interval(secs => %s) LIMIT 1"""
_ACQUIRE = "SELECT stream, fence FROM homeostat_acquire(%s, %s, %s, %s, %s::text[])"
_HAND_OVER = "SELECT homeostat_hand_over(%s, %s, %s::text[], %s)"
_LEAVE = """
WITH gone AS (UPDATE agent_process SET seen_at = NULL WHERE owner = %s)
UPDATE lease SET owner = NULL, expires_at = clock_timestamp() WHERE owner = %s"""


@dataclass(slots=True)
class _Told:
    """What the loop last said. `blind_since_s` and `ticked_s` are on CLOCK_BOOTTIME."""

    ticked_s: float
    watched: tuple[str, ...] = ()
    blind_since_s: float | None = None


class PostgresLeases:
    """Implements `model.ports.Leases` beside a `PostgresJournal`, whose owner it is.

    Args:
        stall_s: without a tick for so long (and three times the leases' time to live), nothing is renewed: a loop that
            hangs must not keep its leases.
        failed: told of errors; the keeper goes on.
        now_s: CLOCK_BOOTTIME.
    """

    def __init__(
        self,
        journal: PostgresJournal,
        *,
        stall_s: float = 0.0,
        failed: Callable[[str, Exception], None] = lambda _what, _error: None,
        now_s: Callable[[], float] = boottime_s,
    ) -> None:
        self._server, self._process, self._held = journal.server, journal.process, journal.held
        self._ttl_s = journal.lease_ttl_s
        self._period_s = min(PERIOD_MAX_S, self._ttl_s / 10)
        self._stall_s = max(3 * self._ttl_s, stall_s)
        self._failed = failed
        self._now_s = now_s
        self._lock = Lock()
        self._told = _Told(ticked_s=now_s())
        self._renewed_s = float("-inf")
        self._is_alone = False
        self._connection: BoundedConnection | None = None
        self._wanted = Event()
        self._stopped = False
        self._keeper = Thread(target=self._keep, name="leases", daemon=True)
        self._keeper.start()

    def watch(self, streams: Sequence[str]) -> None:
        """See `model.ports.Leases.watch`."""
        with self._lock:
            self._told.watched = tuple(dict.fromkeys(streams))
        self._wanted.set()

    def held(self) -> Mapping[str, Lease]:
        """See `model.ports.Leases.held`."""
        return self._held.valid(self._now_s())

    def ticked(self, *, blind: bool) -> None:
        """See `model.ports.Leases.ticked`."""
        now_s = self._now_s()
        with self._lock:
            told = self._told
            told.ticked_s = now_s
            told.blind_since_s = (now_s if told.blind_since_s is None else told.blind_since_s) if blind else None

    def release(self) -> None:
        """See `model.ports.Leases.release`. Waits for the keeper, but no longer than a lease lasts."""
        self._stopped = True
        self._wanted.set()
        self._keeper.join(self._ttl_s)
        self._held.drop(self._held.streams())

    def _keep(self) -> None:
        """Be the keeper's thread."""
        while not self._stopped:
            try:
                self._turn()
            except (psycopg.Error, JournalError) as error:
                self._disconnect()
                self._failed("leases", error)
            self._wanted.wait(self._period_s)
            self._wanted.clear()
        try:
            self._connected().execute(_LEAVE, (self._process.owner, self._process.owner))
        except (psycopg.Error, JournalError) as error:
            # They run out by themselves.
            self._failed("leases", error)
        self._disconnect()

    def _turn(self) -> None:
        """Do once what a keeper does: renew, hand over, acquire."""
        now_s = self._now_s()
        with self._lock:
            told = _Told(self._told.ticked_s, self._told.watched, self._told.blind_since_s)
        if now_s - told.ticked_s > self._stall_s:
            return
        connection = self._connected()
        watched = [stored(stream) for stream in told.watched]
        blind = told.blind_since_s is not None
        is_due = now_s - self._renewed_s >= self._ttl_s / 3
        if is_due:
            self._renew(connection, watched, blind=blind)
            blind_long = told.blind_since_s is not None and now_s - told.blind_since_s >= 2 * self._ttl_s
            self._hand_over(connection, watched, blind=blind_long)
        if is_due or not self._is_alone:
            self._is_alone = self._check_alone(connection, tell=is_due)
        if self._is_alone and not blind:
            self._acquire(connection, watched)

    def _renew(self, connection: BoundedConnection, watched: Sequence[str], *, blind: bool) -> None:
        asked, sent_s = self._held.streams(), self._now_s()
        owner = self._process.owner
        rows = connection.execute(_RENEW, (blind, watched, owner, self._ttl_s, owner), prepare=True).fetchall()
        self._held.renew(asked, (self._lease(stream, fence, sent_s) for stream, fence in rows))
        self._renewed_s = sent_s

    def _check_alone(self, connection: BoundedConnection, *, tell: bool) -> bool:
        """Whether no earlier process with this spool may be at work: on a copy of a state folder nothing is taken.

        A process that was killed counts as gone once its leases have run out, so this holds nothing up.
        """
        row = connection.execute(_ELDER, (self._ttl_s, self._process.owner, self._ttl_s)).fetchone()
        if row is not None and row[1] and tell:
            error = JournalError(
                f"{self._server.shown}: the agent '{row[0]}' works on the state folder of which this agent has a copy:"
                " nothing is taken here; stop this agent, and begin it on a new, empty folder"
            )
            self._failed("leases", error)
        return row is None

    def _acquire(self, connection: BoundedConnection, watched: Sequence[str]) -> None:
        sent_s = self._now_s()
        parameters = (self._process.owner, stored(self._process.agent), self._ttl_s, WAITS_S, watched)
        for stream, fence in connection.execute(_ACQUIRE, parameters, prepare=True).fetchall():
            self._held.keep(self._lease(stream, fence, sent_s))

    def _hand_over(self, connection: BoundedConnection, watched: Sequence[str], *, blind: bool) -> None:
        """Leave streams to others: the surplus over a fair share, or all that are watched for one that is blind."""
        parameters = (self._process.owner, self._ttl_s, watched, blind)
        rows = connection.execute(_HAND_OVER, parameters, prepare=True).fetchall()
        self._held.drop(named(stream) for (stream,) in rows)

    def _lease(self, stream: str, fence: int, sent_s: float) -> Lease:
        return Lease(named(stream), fence, sent_s + self._ttl_s - margin_s(self._ttl_s))

    def _connected(self) -> BoundedConnection:
        if self._connection is None or self._connection.closed:
            self._connection = self._server.connect(f"homeostat {self._process.agent} leases"[:63], writing=True)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
