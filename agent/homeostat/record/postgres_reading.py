"""The reading half of a PostgreSQL journal: records as they were at one moment, without a transaction kept open."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from homeostat.model.ports import Record
from homeostat.record.chain import check_alone, checked
from homeostat.record.codec import Codec
from homeostat.record.postgres_append import named, stored
from homeostat.record.stored import StoredRecord, record_of

HEADS = """
SELECT s.stream, j.seq, j.hash FROM unnest(%s::text[]) AS s (stream)
CROSS JOIN LATERAL (SELECT seq, hash FROM journal WHERE stream = s.stream ORDER BY seq DESC LIMIT 1) AS j"""
POSITION = "SELECT position FROM head"

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


class Reading(ABC):
    """Implements that part of `StoredJournal`."""

    _codec: Codec

    @abstractmethod
    def _query(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and give its rows. Raises JournalError."""

    def read(self, stream: str) -> Iterator[Record]:
        """See `model.ports.Journal.read`."""
        positions: list[int] = []
        for found in checked(self._noting(stream, positions)):
            yield record_of(found, positions[-1], self._codec)

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
                yield record_of(found, position, self._codec)

    def position(self) -> int:
        """See `model.ports.Journal.position`."""
        [(position,)] = self._query(POSITION)
        return int(position)

    def head_seq(self, stream: str) -> int:
        """See `model.ports.Journal.head_seq`."""
        found = self._query(HEADS, ([stored(stream)],))
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

    def _names(self, statement: str) -> list[str]:
        return [named(name) for (name,) in self._query(statement)]


def _stored_record(row: tuple[Any, ...]) -> tuple[StoredRecord, int]:
    stream, seq, name, v, at, key, code_version, body, body_sha, prev_hash, record_hash, position = row
    key = None if key is None else named(key)
    header = (named(stream), seq, name, v, at, key, code_version)
    return StoredRecord(*header, body.encode(), body_sha, prev_hash, record_hash), position
