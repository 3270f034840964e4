"""The shared journal: one PostgreSQL database, any number of agents."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import closing
from threading import Lock
from typing import Any
from uuid import uuid4

import psycopg

from homeostat.model.errors import JournalConflict, JournalCorrupt, JournalError, JournalWriteError
from homeostat.model.ports import Batch, Lease
from homeostat.record import postgres_open
from homeostat.record.anchors import AnchorCheck
from homeostat.record.chain import GENESIS
from homeostat.record.codec import CODEC, Codec, EncodedEntry
from homeostat.record.held import HeldLeases, boottime_s, margin_s
from homeostat.record.postgres_append import Append, Head, execute, moved_head, named, refusal, stored
from homeostat.record.postgres_beside import Beside
from homeostat.record.postgres_connection import READING_STATEMENT_S, BoundedConnection, Server, lost
from homeostat.record.postgres_readers import Readers
from homeostat.record.postgres_reading import HEADS, POSITION, Reading
from homeostat.record.postgres_session import AgentProcess, Session
from homeostat.record.postgres_verify import verify
from homeostat.version import __version__

LEASE_TTL_S = 15.0
HEADS_KEPT = 10_000
"""Streams whose last record is remembered, to chain onto without asking."""
RACES_MAX = 50
"""How often an append to a stream that all agents write to is tried again, after others were first."""

_WRITTEN = "SELECT hash, position FROM journal WHERE stream = %s AND seq = %s"


class PostgresJournal(Reading, Beside):
    """Implements `StoredJournal` in a PostgreSQL database that other agents write to at the same time.

    Each append is one autocommitted statement, so that a client which is stopped holds no lock, and durable before it
    returns. All appends are in one order (`head`). May be used from several threads; appends wait for each other.

    Args:
        url: `postgresql://user@host:port/database`.
        password: the user's, where it is not in PGPASSWORD or a password file. It is never shown.
        agent, spool: the name of this agent and the id of its state folder, for those who look who is there.
        read_only: for looking: needs no leases, changes nothing, and may ask a standby.
        lease_ttl_s: how long a lease lasts without renewal. No call blocks for much longer than a third of it.
        code_version: what new records name as the release that wrote them.
        require_synchronous_standby: start no action while the loss of the server would lose its intent.
        told: told in one sentence of lost connections that came back and of another time line.

    Raises:
        JournalError, JournalCorrupt, JournalTooNew: it cannot be used; the message says what to do.
    """

    def __init__(
        self,
        url: str,
        *,
        agent: str,
        spool: str,
        password: str | None = None,
        read_only: bool = False,
        lease_ttl_s: float = LEASE_TTL_S,
        codec: Codec = CODEC,
        code_version: str = __version__,
        require_synchronous_standby: bool = False,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.server = Server.of(url, lease_ttl_s / 3, password)
        self.process = AgentProcess(uuid4(), agent, spool, code_version)
        self.held = HeldLeases()
        self.lease_ttl_s = lease_ttl_s
        self._read_only = read_only
        self._codec = codec
        self._require_standby = require_synchronous_standby
        self._append_lock = Lock()
        self._heads: OrderedDict[str, Head] = OrderedDict()
        self._session = Session(self.server, self.process, told)
        self._closed = False
        if read_only:
            postgres_open.check_readable(self.server)
        else:
            postgres_open.prepare(self.server)
            self._session.open()
        application = f"homeostat {agent} reading"[:63]
        self.readers = Readers(self.server, application, statement_s=READING_STATEMENT_S if read_only else None)
        Beside.__init__(self, self.server, f"homeostat {agent} keeping", read_only=read_only)

    def append(self, batches: Sequence[Batch], *, seen: int | None = None) -> int:
        """See `model.ports.Journal.append`.

        Raises:
            InvariantError: an entry cannot be stored, or means something its stream does not allow.
        """
        if self._read_only:
            raise JournalError(f"{self.server.shown}: the journal is open for reading only")
        encoded = [(batch, [self._codec.encode(entry) for entry in batch.entries]) for batch in batches]
        with self._append_lock:
            self._check_open()
            for _ in range(RACES_MAX):
                position = self._try(encoded, seen)
                if position is not None:
                    return position
        raise JournalConflict(f"other agents were first {RACES_MAX} times; nothing was written")

    def _try(self, encoded: Sequence[tuple[Batch, Sequence[EncodedEntry]]], seen: int | None) -> int | None:
        """Append once; None when another agent was first on a stream that everyone writes to."""
        connection = self._session.open()
        self._fetch_heads(connection, [batch for batch, _ in encoded])
        append, expected = Append(), dict[str, int]()
        for batch, entries in encoded:
            append.add(batch, entries, self._believed(batch), self.process.version)
            if batch.head_seq is not None:
                expected.setdefault(batch.stream, batch.head_seq)
        sent_s = boottime_s()
        connection.warned = ""
        try:
            position = execute(
                connection,
                (
                    *(self.process.owner, self._session.number, self.process.agent),
                    *(self.lease_ttl_s, margin_s(self.lease_ttl_s)),
                    seen if append.starts else None,
                    self._require_standby and append.starts,
                    *append.parameters(self.held.fence),
                ),
                large=append.large,
            )
        except psycopg.Error as error:
            if not lost(connection, error):
                self._refused(error, append, expected)
                return None
            position = self._settle(append, error)
        except BaseException:
            # Interrupted between sending and the answer: as if the connection were lost.
            self._forget(append)
            raise
        else:
            self._check_replicated(connection, append)
        self._acknowledged(append, position, sent_s)
        return position

    def _fetch_heads(self, connection: BoundedConnection, batches: Sequence[Batch]) -> None:
        """Learn the heads to chain onto that are not known."""
        unknown = {batch.stream for batch in batches if not self._knows(batch)}
        if not unknown:
            return
        try:
            found = connection.execute(HEADS, ([stored(stream) for stream in unknown],)).fetchall()
        except psycopg.Error as error:
            self._session.drop()
            raise JournalWriteError(f"{self.server.shown}: nothing was written: {error}") from error
        heads = {named(stream): Head(seq, record_hash) for stream, seq, record_hash in found}
        for stream in unknown:
            self._remember(stream, heads.get(stream, Head(0, GENESIS)))

    def _knows(self, batch: Batch) -> bool:
        head = self._heads.get(batch.stream)
        return batch.head_seq == 0 or (head is not None and batch.head_seq in (None, head.seq))

    def _believed(self, batch: Batch) -> Head:
        return Head(0, GENESIS) if batch.head_seq == 0 else self._heads[batch.stream]

    def _remember(self, stream: str, head: Head) -> None:
        self._heads[stream] = head
        self._heads.move_to_end(stream)

    def _refused(self, error: psycopg.Error, append: Append, expected: dict[str, int]) -> None:
        """Raise our error for an append that did not happen; return to try again on the head the store told of."""
        if found := moved_head(error):
            stream, head = found
            self._remember(stream, head)
            if stream not in expected:
                return
        else:
            for stream in append.heads:
                self._heads.pop(stream, None)
        ours = refusal(self.server, error, expected)
        if error.sqlstate == "HS003":
            self.held.drop([named(error.diag.message_primary or "")])
        if error.sqlstate == "HS005":
            self._session.drop()
        raise ours from error

    def _settle(self, append: Append, error: psycopg.Error) -> int:
        """After an append whose answer was lost: find out whether it happened, and tell the truth about it."""
        self._forget(append)
        last = append.rows[-1] if append.rows else None
        try:
            connection = self._session.open()
            found = last and connection.execute(_WRITTEN, (stored(last.stream), last.seq)).fetchone()
        except JournalCorrupt:
            raise
        except (psycopg.Error, JournalError) as unknown:
            self._session.drop(doubtful=True)
            raise self._unknown(unknown) from error
        if last is None or not found or found[0] != last.hash:
            raise JournalWriteError(f"{self.server.shown}: nothing was written: {error}; it is tried again") from error
        return int(found[1])

    def _check_replicated(self, connection: BoundedConnection, append: Append) -> None:
        if connection.warned:
            self._forget(append)
            raise self._unknown(connection.warned)

    def _forget(self, append: Append) -> None:
        self._session.drop(doubtful=True)
        for stream in append.heads:
            self._heads.pop(stream, None)

    def _unknown(self, reason: object) -> JournalWriteError:
        return JournalWriteError(
            f"{self.server.shown}: whether the last records were written, and stay, is not known: {reason};"
            " nothing is started until it is"
        )

    def _acknowledged(self, append: Append, position: int, sent_s: float) -> None:
        """Know what an append that happened has changed."""
        for stream, head in append.heads.items():
            self._remember(stream, head)
        while len(self._heads) > HEADS_KEPT:
            self._heads.popitem(last=False)
        start_before_s = sent_s + self.lease_ttl_s - margin_s(self.lease_ttl_s)
        for stream in append.opened:
            self.held.keep(Lease(stream, 1, start_before_s))
        self.held.drop(append.closed)
        if append.rows:
            self._session.acknowledge(position, append.rows[-1].hash)

    def verify(self, anchors: AnchorCheck | None = None) -> list[str]:
        """See `StoredJournal.verify`: all chains, the incident table, the head, artifacts and anchors."""
        anchors = anchors or AnchorCheck()
        anchors.begin(self.anchors())
        self._query(POSITION)
        with closing(Readers(self.server, "homeostat verify", statement_s=READING_STATEMENT_S)) as patient:
            return [*verify(patient.query, anchors), *self.artifact_faults(), *anchors.finish()]

    def close(self) -> None:
        """See `model.ports.Journal.close`. Harmless when repeated."""
        with self._append_lock:
            self._closed = True
            self._session.drop()
            self.readers.close()
            super().close()

    def _query(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Read, once it is certain that what is there stays. Raises JournalError."""
        self._check_open()
        if self._session.doubtful:
            with self._append_lock:
                self._session.open()
        return self.readers.query(statement, parameters)

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError(f"{self.server.shown}: the journal was closed")
