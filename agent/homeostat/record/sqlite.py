"""The embedded journal: one SQLite file, one writing connection, any number of readers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import cast

from homeostat.model.entries import RESTRICTING_TYPES, Closed, Suspected
from homeostat.model.errors import (
    InvariantError,
    JournalConflict,
    JournalCorrupt,
    JournalError,
    JournalWriteError,
)
from homeostat.model.ports import Batch, Record
from homeostat.record import sqlite_open
from homeostat.record.anchors import AnchorCheck
from homeostat.record.chain import GENESIS, chained, check_alone, checked
from homeostat.record.codec import CODEC, Codec, EncodedEntry
from homeostat.record.sqlite_beside import Beside
from homeostat.record.sqlite_verify import verify
from homeostat.record.stored import StoredRecord, moved_on, record_of, starts_something
from homeostat.record.writer_lock import WriterLock
from homeostat.version import __version__

_HEAD = "SELECT seq, hash FROM journal WHERE stream = ? ORDER BY seq DESC LIMIT 1"
_INSERT = """
INSERT INTO journal (stream, seq, type, v, at, action_key, code_version, body, body_sha, prev_hash, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_OPENED = """
INSERT INTO incident (stream, policy, policy_hash, dedup_key, opened_at, head_seq, head_hash)
VALUES (?, ?, ?, ?, ?, 0, '')"""
_CLOSED = "UPDATE incident SET closed_at = ? WHERE stream = ? AND closed_at IS NULL"
_MOVE_HEAD = "UPDATE incident SET head_seq = ?, head_hash = ? WHERE stream = ?"

# The body comes as the bytes that were stored, so that nothing stands between them and their digest.
_COLUMNS = "stream, seq, type, v, at, action_key, code_version, CAST(body AS BLOB), body_sha, prev_hash, hash, position"
_STREAM = f"SELECT {_COLUMNS} FROM journal WHERE stream = ? ORDER BY seq"  # noqa: S608 - constants
# The plus keeps SQLite from going through all records of these types instead of through the newest of any type.
_AFTER = f"""
SELECT {_COLUMNS} FROM journal WHERE position > ? AND +type IN (SELECT value FROM json_each(?))
ORDER BY position"""  # noqa: S608 - constants
_POSITION = "SELECT coalesce(max(position), 0) FROM journal"
_SINCE = f"""
SELECT {_COLUMNS}
FROM journal
WHERE position IN (
    SELECT position FROM journal WHERE at >= ? AND type IN (SELECT value FROM json_each(?)))
ORDER BY position"""  # noqa: S608 - constants
# Jumps from one stream to the next through the index, instead of reading every record.
_STREAMS = """
WITH RECURSIVE name (stream) AS (
    SELECT min(stream) FROM journal WHERE stream >= ?1
    UNION ALL
    SELECT (SELECT min(stream) FROM journal WHERE stream > name.stream) FROM name WHERE name.stream IS NOT NULL)
SELECT stream FROM name WHERE substr(stream, 1, length(?1)) = ?1"""

_RESTRICTING = json.dumps(sorted(RESTRICTING_TYPES))

_REMEDIES = {
    "SQLITE_FULL": "free some space on its disk",
    "SQLITE_IOERR": "check its disk and the free space on it",
    "SQLITE_READONLY": "make the file and its directory writable for the agent",
    "SQLITE_CANTOPEN": "make the file and its directory writable for the agent",
    "SQLITE_BUSY": "another program holds the journal open for writing; end it",
}

Heads = dict[str, tuple[int, str]]
"""Stream -> seq and hash of its last record."""


class SqliteJournal(Beside):
    """Implements `StoredJournal` in one file. May be used from several threads; appends wait for each other.

    Every append is one transaction in the write-ahead log, and on the disk (`synchronous = FULL`) before it
    returns. While the journal is open for writing, no second one can be, in this process or another.

    Args:
        path: the database file; created when it is missing and `read_only` is not set.
        read_only: for looking at a journal beside the agent that writes it: takes no lock, changes nothing.
        code_version: what new records name as the release that wrote them.

    Raises:
        JournalError, JournalCorrupt, JournalTooNew: it cannot be used; the message says what to do.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, codec: Codec = CODEC, code_version: str = __version__
    ) -> None:
        # Resolved, so that links to one file have one lock.
        self._path = path.resolve()
        self._read_only = read_only
        self._codec = codec
        self._code_version = code_version
        self._append_lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        if read_only:
            sqlite_open.check_readable(self._path)
        else:
            self._writer_lock = WriterLock(self._path)
            try:
                sqlite_open.prepare(self._path)
                self._writing()
            except BaseException:
                self._writer_lock.release()
                raise
        self._readers = sqlite_open.reader_engine(self._path)

    def append(self, batches: Sequence[Batch], *, seen: int | None = None) -> int:
        """See `model.ports.Journal.append`.

        Raises:
            InvariantError: an entry cannot be stored, or means something its stream does not allow.
        """
        if self._read_only:
            raise JournalError(f"{self._path}: the journal is open for reading only")
        encoded = [(batch, [self._codec.encode(entry) for entry in batch.entries]) for batch in batches]
        with self._append_lock:
            connection = self._writing()
            heads: Heads = {}
            try:
                connection.execute("BEGIN IMMEDIATE")
                if seen is not None and starts_something(batches):
                    self._check_seen(connection, seen)
                for batch, entries in encoded:
                    heads[batch.stream] = self._insert(connection, batch, entries)
                (position,) = connection.execute(_POSITION).fetchone()
            except BaseException as error:
                self._roll_back()
                if isinstance(error, sqlite3.Error):
                    raise self._refusal(error) from error
                raise
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._settle(heads, error)
            return int(position)

    def _check_seen(self, connection: sqlite3.Connection, seen: int) -> None:
        if connection.execute(_AFTER, (seen, _RESTRICTING)).fetchone() is not None:
            raise moved_on()

    def _insert(self, connection: sqlite3.Connection, batch: Batch, entries: Sequence[EncodedEntry]) -> tuple[int, str]:
        """Insert one batch and give the stream's new head."""
        stream = batch.stream
        seq, head_hash = _head(connection, stream)
        if batch.head_seq is not None and seq != batch.head_seq:
            raise JournalConflict(f"stream {stream} is at record {seq}, not at {batch.head_seq}")
        for encoded, row in zip(entries, chained(stream, seq, head_hash, entries, self._code_version), strict=True):
            connection.execute(_INSERT, (*row[:7], row.body.decode(), *row[8:]))
            self._note(connection, row, encoded)
            seq, head_hash = row.seq, row.hash
        connection.execute(_MOVE_HEAD, (seq, head_hash, stream))
        return seq, head_hash

    def _note(self, connection: sqlite3.Connection, row: StoredRecord, encoded: EncodedEntry) -> None:
        """Keep the incident table in step with a record just inserted."""
        match encoded.entry:
            case Suspected() as opened:
                if row.seq != 1:
                    raise InvariantError(f"stream {row.stream}: {row.type} must be the stream's first record")
                identity = (opened.policy, opened.policy_hash, opened.dedup_key)
                connection.execute(_OPENED, (row.stream, *identity, row.at))
            case Closed():
                if connection.execute(_CLOSED, (row.at, row.stream)).rowcount != 1:
                    raise InvariantError(f"stream {row.stream}: {row.type} where no incident is open")

    def _settle(self, heads: Heads, error: sqlite3.Error) -> None:
        """After a COMMIT that reported an error: find out whether it happened, and tell the truth about it."""
        self._roll_back()
        try:
            connection = self._writing()
            found = {stream: _head(connection, stream) for stream in heads}
        except (sqlite3.Error, JournalError) as unknown:
            self._drop_connection()
            raise JournalWriteError(
                f"{self._path}: whether the last records were written is not known, and the journal cannot be"
                f" read: {unknown}; {_remedy(error)}"
            ) from error
        # SQLite shows a transaction only once it is in the log and synchronised.
        if found != heads:
            raise self._refusal(error) from error

    def _refusal(self, error: sqlite3.Error) -> JournalError:
        """Give our error for SQLite's, of an append that did not happen."""
        code = getattr(error, "sqlite_errorname", "")
        if code in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"):
            return JournalConflict(_conflict(str(error)))
        if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return JournalCorrupt(f"{self._path}: the file is damaged: {error}; restore it from a backup")
        return JournalWriteError(f"{self._path}: nothing was written: {error} ({code}); {_remedy(error)}")

    def _writing(self) -> sqlite3.Connection:
        """Give the writing connection, opened anew if the last one failed beyond use."""
        if self._closed:
            raise JournalError(f"{self._path}: the journal was closed")
        if self._connection is None:
            try:
                self._connection = sqlite_open.connect(self._path, "rw")
            except sqlite3.Error as error:
                raise self._refusal(error) from error
        return self._connection

    def _roll_back(self) -> None:
        """End a failed transaction; a connection that cannot even do that is given up."""
        connection = self._connection
        try:
            if connection is not None and connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop_connection()

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def read(self, stream: str) -> Iterator[Record]:
        """See `model.ports.Journal.read`."""
        found = self._select(_STREAM, (stream,))
        positions: list[int] = []
        for stored in checked(_noting(found, positions)):
            yield record_of(stored, positions[-1], self._codec)

    def stored(self, stream: str) -> Iterator[StoredRecord]:
        """See `StoredJournal.stored`."""
        return (stored for stored, _ in self._select(_STREAM, (stream,)))

    def since(self, at: float, types: Iterable[str]) -> Iterator[Record]:
        """See `model.ports.Journal.since`. Each record is checked by itself, not against the one before it."""
        return self._each(_SINCE, (at, json.dumps(sorted(types))))

    def after(self, position: int, types: Iterable[str]) -> Iterator[Record]:
        """See `model.ports.Journal.after`. Each record is checked by itself, as in `since`."""
        return self._each(_AFTER, (position, json.dumps(sorted(types))))

    def position(self) -> int:
        """See `model.ports.Journal.position`."""
        with self._reading() as connection:
            return int(connection.execute(_POSITION).fetchone()[0])

    def _each(self, statement: str, parameters: tuple[object, ...]) -> Iterator[Record]:
        for stored, position in self._select(statement, parameters):
            check_alone(stored)
            yield record_of(stored, position, self._codec)

    def head_seq(self, stream: str) -> int:
        """See `model.ports.Journal.head_seq`."""
        with self._reading() as connection:
            return _head(connection, stream)[0]

    def open_incidents(self) -> list[str]:
        """See `model.ports.Journal.open_incidents`."""
        return self._names("SELECT stream FROM incident WHERE closed_at IS NULL ORDER BY id")

    def incidents(self) -> list[str]:
        """See `model.ports.Journal.incidents`."""
        return self._names("SELECT stream FROM incident ORDER BY id")

    def streams(self, prefix: str = "") -> list[str]:
        """See `StoredJournal.streams`."""
        return self._names(_STREAMS, (prefix,))

    def verify(self, anchors: AnchorCheck | None = None) -> list[str]:
        """See `StoredJournal.verify`: all chains, the incident table, artifacts, anchors, SQLite's own structures."""
        return verify(sqlite_open.uri(self._path), self._reading, anchors or AnchorCheck())

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """Lend the writing connection for one durable transaction beside the journal's own appends."""
        if self._read_only:
            raise JournalError(f"{self._path}: the journal is open for reading only")
        with self._append_lock:
            connection = self._writing()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back()
                if isinstance(error, sqlite3.Error):
                    raise self._refusal(error) from error
                raise

    def close(self) -> None:
        """See `model.ports.Journal.close`. Harmless when repeated."""
        with self._append_lock:
            self._closed = True
            self._readers.dispose()
            self._drop_connection()
            if not self._read_only:
                self._writer_lock.release()

    def _names(self, statement: str, parameters: tuple[str, ...] = ()) -> list[str]:
        with self._reading() as connection:
            return [name for (name,) in connection.execute(statement, parameters)]

    def _select(self, statement: str, parameters: tuple[object, ...]) -> Iterator[tuple[StoredRecord, int]]:
        """Give records and their write positions one by one, as they were when the first was asked for."""
        with self._reading() as connection:
            for row in connection.execute(statement, parameters):
                yield StoredRecord._make(row[:-1]), row[-1]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a reading connection."""
        if self._closed:
            raise JournalError(f"{self._path}: the journal was closed")
        with sqlite_open.reading_errors(self._path):
            lent = self._readers.raw_connection()
            try:
                yield cast("sqlite3.Connection", lent.driver_connection)
            finally:
                lent.close()


def _noting(found: Iterable[tuple[StoredRecord, int]], positions: list[int]) -> Iterator[StoredRecord]:
    """Pass records on, and leave the write position of the last one."""
    for stored, position in found:
        positions[:] = [position]
        yield stored


def _head(connection: sqlite3.Connection, stream: str) -> tuple[int, str]:
    """Give seq and hash of a stream's last record."""
    return connection.execute(_HEAD, (stream,)).fetchone() or (0, GENESIS)


def _remedy(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorname", "")
    return next((remedy for start, remedy in _REMEDIES.items() if code.startswith(start)), "check its disk")


def _conflict(message: str) -> str:
    """Say in our words which unique index an append ran into."""
    if "incident.dedup_key" in message:
        return "an incident is open already under this dedup key"
    if "journal.action_key" in message:
        return "there is an intent or an outcome under this action's key already"
    return f"somebody else appended first: {message}"
