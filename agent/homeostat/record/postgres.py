"""The shared journal: one PostgreSQL database, any number of agents."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from threading import Lock
from typing import Any
from uuid import uuid4

import psycopg

from homeostat import __version__
from homeostat.model.errors import JournalConflict, JournalCorrupt, JournalError, JournalWriteError
from homeostat.model.ports import Batch, Lease, Record
from homeostat.record import postgres_open
from homeostat.record.anchors import AnchorCheck
from homeostat.record.chain import GENESIS, check_alone, checked
from homeostat.record.codec import CODEC, Codec, EncodedEntry
from homeostat.record.held import HeldLeases, boottime_s, margin_s
from homeostat.record.postgres_append import Append, Head, execute, moved_head, named, refusal, stored
from homeostat.record.postgres_beside import Beside
from homeostat.record.postgres_connection import READING_STATEMENT_S, BoundedConnection, Server, lost
from homeostat.record.postgres_readers import Readers
from homeostat.record.postgres_session import AgentProcess, Session
from homeostat.record.postgres_verify import verify
from homeostat.record.stored import StoredRecord

LEASE_TTL_S = 15.0
HEADS_KEPT = 10_000
"""Streams whose last record is remembered, to chain onto without asking."""
RACES_MAX = 50
"""How often an append to a stream that all agents write to is tried again, after others were first."""

_HEADS = """
SELECT s.stream, j.seq, j.hash FROM unnest(%s::text[]) AS s (stream)
CROSS JOIN LATERAL (SELECT seq, hash FROM journal WHERE stream = s.stream ORDER BY seq DESC LIMIT 1) AS j"""
_WRITTEN = "SELECT hash, position FROM journal WHERE stream = %s AND seq = %s"
_POSITION = "SELECT position FROM head"

_COLUMNS = "stream, seq, type, v, at, action_key, code_version, body, body_sha, prev_hash, hash, position"
_STREAM = f"""
SELECT {_COLUMNS}, (SELECT position FROM head) FROM journal
WHERE stream = %s AND seq > %s AND position <= %s ORDER BY seq LIMIT %s"""  # noqa: S608 - constants
_AFTER = "SELECT position FROM journal WHERE position > %s AND type = ANY (%s) ORDER BY position"
_SINCE = "SELECT position FROM journal WHERE at >= %s AND type = ANY (%s) ORDER BY position"
_AT = f"SELECT {_COLUMNS} FROM journal WHERE position = ANY (%s) ORDER BY position"  # noqa: S608 - constants
_STREAMS = """
WITH RECURSIVE name (stream) AS (
    SELECT min(stream) FROM journal
    UNION ALL
    SELECT (SELECT min(stream) FROM journal WHERE stream > name.stream) FROM name WHERE name.stream IS NOT NULL)
SELECT stream FROM name WHERE stream IS NOT NULL"""

_HASHES = "SELECT position, hash FROM journal WHERE position > %s ORDER BY position LIMIT %s"

_LAST_POSITION = 2**63 - 1
_PAGE = 500
"""Records fetched at once: no reader keeps a transaction open between them."""


class PostgresJournal(Beside):
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
        super().__init__(self.server, f"homeostat {agent} keeping", read_only=read_only)

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
            found = connection.execute(_HEADS, ([stored(stream) for stream in unknown],)).fetchall()
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

    def read(self, stream: str) -> Iterator[Record]:
        """See `model.ports.Journal.read`."""
        positions: list[int] = []
        for found in checked(self._noting(stream, positions)):
            yield self._record(found, positions[-1])

    def stored(self, stream: str) -> Iterator[StoredRecord]:
        """See `StoredJournal.stored`."""
        return (found for found, _ in self._pages(stream))

    def _noting(self, stream: str, positions: list[int]) -> Iterator[StoredRecord]:
        for found, position in self._pages(stream):
            positions[:] = [position]
            yield found

    def _pages(self, stream: str) -> Iterator[tuple[StoredRecord, int]]:
        """Give a stream's records as they were when the first was asked for, page by page.

        Positions are in order of the commits and without a gap: a bound on them is a moment.
        """
        seq, upto = 0, _LAST_POSITION
        while True:
            rows = self._query(_STREAM, (stored(stream), seq, upto, _PAGE))
            yield from (_stored_record(row[:-1]) for row in rows)
            if len(rows) < _PAGE:
                return
            seq = rows[-1][1]
            upto = min(upto, rows[-1][-1])

    def since(self, at: float, types: Iterable[str]) -> Iterator[Record]:
        """See `model.ports.Journal.since`. Each record is checked by itself, not against the one before it."""
        return self._each(_SINCE, (at, sorted(types)))

    def after(self, position: int, types: Iterable[str]) -> Iterator[Record]:
        """See `model.ports.Journal.after`. Each record is checked by itself, as in `since`."""
        return self._each(_AFTER, (position, sorted(types)))

    def _each(self, statement: str, parameters: tuple[object, ...]) -> Iterator[Record]:
        positions = [position for (position,) in self._query(statement, parameters)]
        for first in range(0, len(positions), _PAGE):
            for row in self._query(_AT, (positions[first : first + _PAGE],)):
                found, position = _stored_record(row)
                check_alone(found)
                yield self._record(found, position)

    def position(self) -> int:
        """See `model.ports.Journal.position`."""
        [(position,)] = self._query(_POSITION)
        return int(position)

    def head_seq(self, stream: str) -> int:
        """See `model.ports.Journal.head_seq`."""
        found = self._query(_HEADS, ([stored(stream)],))
        return int(found[0][1]) if found else 0

    def open_incidents(self) -> list[str]:
        """See `model.ports.Journal.open_incidents`."""
        return self._names("SELECT stream FROM incident WHERE closed_at IS NULL ORDER BY id")

    def incidents(self) -> list[str]:
        """See `model.ports.Journal.incidents`."""
        return self._names("SELECT stream FROM incident ORDER BY id")

    def streams(self, prefix: str = "") -> list[str]:
        """See `StoredJournal.streams`."""
        return sorted(name for name in self._names(_STREAMS) if name.startswith(prefix))

    def hashes(self, after: int) -> Iterator[tuple[int, str]]:
        """See `anchors.Anchored`."""
        while rows := self._query(_HASHES, (after, _PAGE)):
            yield from rows
            after = rows[-1][0]

    def verify(self, anchors: AnchorCheck | None = None) -> list[str]:
        """See `StoredJournal.verify`: all chains, the incident table, the head, artifacts and anchors."""
        anchors = anchors or AnchorCheck()
        anchors.begin(self.anchors())
        self._query(_POSITION)
        with closing(Readers(self.server, "homeostat verify", statement_s=READING_STATEMENT_S)) as patient:
            return [*verify(patient.query, anchors), *self.artifact_faults(), *anchors.finish()]

    def close(self) -> None:
        """See `model.ports.Journal.close`. Harmless when repeated."""
        with self._append_lock:
            self._closed = True
            self._session.drop()
            self.readers.close()
            super().close()

    def _record(self, found: StoredRecord, position: int) -> Record:
        entry = self._codec.decode(found.type, found.v, found.body)
        if entry.at != found.at:
            raise JournalCorrupt(f"stream {found.stream}, record {found.seq}: body and header differ in their time")
        return Record(found.stream, found.seq, entry, found.prev_hash, found.hash, position)

    def _names(self, statement: str) -> list[str]:
        return [named(name) for (name,) in self._query(statement)]

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


def _stored_record(row: tuple[Any, ...]) -> tuple[StoredRecord, int]:
    stream, seq, name, v, at, key, code_version, body, body_sha, prev_hash, record_hash, position = row
    key = None if key is None else named(key)
    header = (named(stream), seq, name, v, at, key, code_version)
    return StoredRecord(*header, body.encode(), body_sha, prev_hash, record_hash), position
