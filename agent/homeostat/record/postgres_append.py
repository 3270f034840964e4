"""What one append says to `homeostat_append`, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg

from homeostat.model.entries import RESTRICTING_TYPES, STARTING_TYPES, Closed, Suspected
from homeostat.model.errors import (
    HomeostatError,
    InvariantError,
    JournalConflict,
    JournalCorrupt,
    JournalError,
    JournalWriteError,
    LeaseLost,
)
from homeostat.model.ports import Batch
from homeostat.record.chain import chained
from homeostat.record.codec import EncodedEntry
from homeostat.record.postgres_connection import Server
from homeostat.record.stored import StoredRecord, moved_on

_TYPES = (
    "uuid bigint text float8 float8 bigint boolean bigint"
    " text[] bigint[] text[] bigint[] text[] bigint[] boolean[]"
    " text text[] bigint[] text[] integer[] float8[] text[] text[] text[] text[] text[]"
    " boolean[] text[] float8[] text[] text[] text[]"
)
_APPEND = f"SELECT homeostat_append({', '.join(f'%s::{name}' for name in _TYPES.split())})"

_AT_ONCE_BYTES, _ROW_BYTES = 6_000, 400
"""libpq sends 8 KiB at once (PQflush); a row has about so much beside its body."""

_HEAD_MOVED = "HS001"
"""SQLSTATE of `homeostat_append` where a stream's head is elsewhere: the message is the stream."""


class Head(NamedTuple):
    """A stream's last record."""

    seq: int
    hash: str


@dataclass(slots=True)
class _Stream:
    before: Head
    after: Head
    starts: bool = False


@dataclass(slots=True)
class Append:
    """One append, chained onto the heads its streams are believed to have.

    Attributes:
        rows: the records, in order.
        opened, closed: streams of the incidents that begin and end with it.
    """

    rows: list[StoredRecord] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    _streams: dict[str, _Stream] = field(default_factory=dict)
    _facts: list[tuple[bool, str, float, str, str, str]] = field(default_factory=list)
    _restricting: int = 0

    @property
    def heads(self) -> dict[str, Head]:
        """Stream -> its last record after the append."""
        return {name: stream.after for name, stream in self._streams.items()}

    @property
    def large(self) -> bool:
        """Whether it may be more than libpq sends at once."""
        return sum(len(row.body) for row in self.rows) + _ROW_BYTES * len(self.rows) > _AT_ONCE_BYTES

    @property
    def starts(self) -> bool:
        """Whether an action starts once it is durable."""
        return any(stream.starts for stream in self._streams.values())

    def add(self, batch: Batch, entries: Sequence[EncodedEntry], believed: Head, code_version: str) -> None:
        """Chain one batch on, after those before it.

        Raises:
            JournalConflict: its stream is not where the batch says. InvariantError: an entry may not be there.
        """
        name = batch.stream
        stream = self._streams.setdefault(name, _Stream(believed, believed))
        if batch.head_seq is not None and batch.head_seq != stream.after.seq:
            raise moved(name, stream.after.seq, batch.head_seq)
        for encoded, row in zip(entries, chained(name, *stream.after, entries, code_version), strict=True):
            self.rows.append(row)
            stream.after = Head(row.seq, row.hash)
            if row.type in RESTRICTING_TYPES:
                self._restricting = len(self.rows)
            stream.starts = stream.starts or row.type in STARTING_TYPES
            self._note(row, encoded)

    def _note(self, row: StoredRecord, encoded: EncodedEntry) -> None:
        match encoded.entry:
            case Suspected() as fact:
                if row.seq != 1:
                    raise InvariantError(f"stream {row.stream}: {row.type} must be the stream's first record")
                self._facts.append((True, row.stream, row.at, fact.policy, fact.policy_hash, fact.dedup_key))
                self.opened.append(row.stream)
            case Closed():
                self._facts.append((False, row.stream, row.at, "", "", ""))
                self.closed.append(row.stream)

    def parameters(self, fence: Callable[[str], int | None]) -> tuple[object, ...]:
        """Give all that `homeostat_append` takes from `p_restricting` on."""
        names = list(self._streams)
        streams = list(self._streams.values())
        rows = self.rows
        facts = list(zip(*self._facts, strict=True)) or [()] * 6
        opens, fact_streams, at, policies, policy_hashes, dedup_keys = (list(column) for column in facts)
        return (
            self._restricting,
            [stored(name) for name in names],
            [stream.before.seq for stream in streams],
            [stream.before.hash for stream in streams],
            [stream.after.seq for stream in streams],
            [stream.after.hash for stream in streams],
            [fence(name) for name in names],
            [stream.starts for stream in streams],
            rows[0].code_version if rows else "",
            [stored(row.stream) for row in rows],
            [row.seq for row in rows],
            [row.type for row in rows],
            [row.v for row in rows],
            [row.at for row in rows],
            [None if row.action_key is None else stored(row.action_key) for row in rows],
            [row.body.decode() for row in rows],
            [row.body_sha for row in rows],
            [row.prev_hash for row in rows],
            [row.hash for row in rows],
            opens,
            [stored(name) for name in fact_streams],
            at,
            [stored(name) for name in policies],
            [stored(name) for name in policy_hashes],
            [stored(name) for name in dedup_keys],
        )


def execute(connection: psycopg.Connection[Any], parameters: tuple[object, ...], *, large: bool) -> int:
    """Run `homeostat_append`, and give the position it gives.

    A prepared statement is several messages; the server begins at one and commits at the next. A client that is stopped
    between sending the two would keep the head locked. What fits into one packet is sent as one; what may not goes as
    one message of the simple protocol, which is slower.
    """
    cursor = psycopg.ClientCursor(connection) if large else connection.cursor()
    written = [_array(value) if isinstance(value, list) else value for value in parameters]
    row = cursor.execute(_APPEND, written, prepare=None if large else True).fetchone()
    return int(row[0]) if row else 0


def _array(values: list[object]) -> str:
    """Write an array as PostgreSQL reads it (its manual, 8.15.2): quicker than to have its types found out."""
    return "{" + ",".join("NULL" if value is None else _element(str(value)) for value in values) + "}"


def _element(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def stored(text: str) -> str:
    r"""Give a name the form it has in a column: PostgreSQL's text has no NUL, so it is `\0`, and `\` is `\\`."""
    return text.replace("\\", "\\\\").replace("\0", "\\0") if "\\" in text or "\0" in text else text


def named(text: str) -> str:
    """Undo `stored`."""
    if "\\" not in text:
        return text
    return "\\".join(part.replace("\\0", "\0") for part in text.split("\\\\"))


def moved(stream: str, seq: int, believed: int) -> JournalConflict:
    """Say that a stream's head is elsewhere."""
    return JournalConflict(f"stream {stream} is at record {seq}, not at {believed}")


def moved_head(error: psycopg.Error) -> tuple[str, Head] | None:
    """Give the stream and the head that a refusal tells of; None for any other error."""
    if error.sqlstate != _HEAD_MOVED:
        return None
    seq, record_hash = (error.diag.message_detail or "0 ").split(" ", 1)
    return named(error.diag.message_primary or ""), Head(int(seq), record_hash)


def refusal(server: Server, error: psycopg.Error, expected: Mapping[str, int]) -> HomeostatError:
    """Give our error for one that says that the append did not happen.

    `expected` maps each stream whose writer named a head to that head's seq.
    """
    stream = named(error.diag.message_primary or "")
    detail = error.diag.message_detail or ""
    match error.sqlstate:
        case "HS001":
            return moved(stream, int(detail.split(" ", 1)[0]), expected.get(stream, 0))
        case "HS002":
            return InvariantError(f"stream {stream}: {Closed.TYPE} where no incident is open")
        case "HS003":
            whose = f"the agent {detail!r} answers for it now" if detail else "nobody, or somebody else, answers for it"
            return LeaseLost(f"stream {stream}: {whose}; nothing was written")
        case "HS004":
            return moved_on()
        case "HS006":
            return JournalWriteError(
                f"{server.shown}: nothing was written, since no standby is synchronous and this agent starts nothing"
                " without one: set synchronous_standby_names, and synchronous_commit to on or remote_apply"
            )
        case "HS007":
            return JournalCorrupt(
                f"{server.shown}: stream {stream}, record {detail}: it is not the record that was acknowledged;"
                " nothing may be decided from this journal: see `homeostat doctor`"
            )
        case "HS008":
            return LeaseLost(f"stream {stream}: its lease is about to run out; nothing was written")
        case "23505":
            return JournalConflict(_CONFLICTS.get(error.diag.constraint_name or "", f"somebody was first: {error}"))
        case "XX001" | "XX002":
            return JournalCorrupt(f"{server.shown}: the database is damaged: {error}; restore it from a backup")
    return _unwritten(server, error)


_CONFLICTS = {
    "incident_open_dedup_key": "an incident is open already under this dedup key",
    "journal_intent": "there is an intent under this action's key already",
    "journal_outcome": "there is an outcome under this action's key already",
}

_REMEDIES = {
    "HS005": "try again",
    "53100": "free some space on the server's disk",
    "53": "the server lacks memory, connections or disk; see its log",
    "55P03": "another session holds the journal's head; see pg_stat_activity",
    "57014": "the server was too slow; see its load and its disk",
    "25006": "the server is read-only: a standby, or default_transaction_read_only is set",
    "42501": "grant the agent's role what the journal's owner has",
}


def _unwritten(server: Server, error: psycopg.Error) -> JournalError:
    code = error.sqlstate or ""
    remedy = next((remedy for start, remedy in _REMEDIES.items() if code.startswith(start)), "see the server's log")
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return JournalWriteError(f"{server.shown}: nothing was written: {said} ({code}); {remedy}")
