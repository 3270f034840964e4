"""What an SQLite journal keeps beside its records: the output of actions, and anchors."""

from __future__ import annotations

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path

from msgspec.structs import astuple

from homeostat.model.errors import JournalCorrupt
from homeostat.record.anchors import Anchor, anchor_of
from homeostat.record.stored import check_artifact, check_follows

_KEEP = """
INSERT INTO artifact (sha256, content, bytes, truncated, stored_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (sha256) DO NOTHING"""
_DISCARD = """
DELETE FROM artifact WHERE stored_at < ? AND sha256 IN (SELECT value FROM json_each(?))"""
_ANCHORS = "SELECT position, at, previous, digest, key_id, signature FROM anchor ORDER BY position"
_ADD_ANCHOR = "INSERT INTO anchor (position, at, previous, digest, key_id, signature) VALUES (?, ?, ?, ?, ?, ?)"
_HASHES = "SELECT position, hash FROM journal WHERE position > ? ORDER BY position"


class Beside(ABC):
    """Implements that part of `StoredJournal`."""

    _path: Path

    @abstractmethod
    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Lend a reading connection."""

    @abstractmethod
    def _changing(self) -> AbstractContextManager[sqlite3.Connection]:
        """Lend the writing connection for one durable transaction."""

    def keep(self, digest: str, content: bytes, *, bytes_total: int, truncated: bool, at: float) -> None:
        """See `model.ports.Journal.keep`."""
        check_artifact(digest, content)
        with self._changing() as connection:
            connection.execute(_KEEP, (digest, content, bytes_total, int(truncated), at))

    def artifact(self, digest: str) -> bytes | None:
        """See `StoredJournal.artifact`."""
        with self._reading() as connection:
            found = connection.execute("SELECT content FROM artifact WHERE sha256 = ?", (digest,)).fetchone()
        if found is None:
            return None
        (content,) = found
        if not isinstance(content, bytes) or sha256(content).hexdigest() != digest:
            raise JournalCorrupt(f"{self._path}: the artifact {digest} is not the one that was kept")
        return content

    def discard(self, digests: Collection[str], *, stored_before: float) -> int:
        """See `StoredJournal.discard`."""
        with self._changing() as connection:
            return connection.execute(_DISCARD, (stored_before, json.dumps(sorted(digests)))).rowcount

    def anchors(self) -> Iterator[Anchor]:
        """See `StoredJournal.anchors`."""
        with self._reading() as connection:
            for row in connection.execute(_ANCHORS):
                yield anchor_of(row)

    def last_anchor(self) -> Anchor | None:
        """See `anchors.Anchored`."""
        with self._reading() as connection:
            found = connection.execute(f"{_ANCHORS} DESC LIMIT 1").fetchone()
        return anchor_of(found) if found else None

    def hashes(self, after: int) -> Iterator[tuple[int, str]]:
        """See `anchors.Anchored`."""
        with self._reading() as connection:
            yield from connection.execute(_HASHES, (after,))

    def add_anchor(self, anchor: Anchor) -> None:
        """See `anchors.Anchored`."""
        with self._changing() as connection:
            last = connection.execute(f"{_ANCHORS} DESC LIMIT 1").fetchone()
            check_follows(anchor, anchor_of(last) if last else None)
            connection.execute(_ADD_ANCHOR, astuple(anchor))
