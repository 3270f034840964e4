"""What a PostgreSQL journal keeps beside its records: the output of actions, and anchors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from hashlib import sha256
from typing import Any

from homeostat.model.errors import JournalConflict, JournalCorrupt, JournalError
from homeostat.record.anchors import Anchor, anchor_of
from homeostat.record.postgres_connection import Server
from homeostat.record.postgres_readers import Readers
from homeostat.record.stored import check_artifact, check_follows

_KEEP = """
INSERT INTO artifact (sha256, content, bytes, truncated, stored_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (sha256) DO NOTHING"""
_ARTIFACT = "SELECT content FROM artifact WHERE sha256 = %s"
_ARTIFACTS = "SELECT sha256, content FROM artifact WHERE sha256 > %s ORDER BY sha256 LIMIT %s"
_DISCARD = "DELETE FROM artifact WHERE stored_at < %s AND sha256 = ANY (%s) RETURNING 1"
_ANCHORS = "SELECT position, at, previous, digest, key_id, signature FROM anchor"
# Repeated after a lost answer it changes nothing; that no two anchors follow the same one is an index's business.
_ADD_ANCHOR = """
INSERT INTO anchor (position, at, previous, digest, key_id, signature) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING"""
_PAGE = 50


class Beside:
    """Implements that part of `StoredJournal`. Every statement may be repeated, and has a deadline."""

    def __init__(self, server: Server, application: str, *, read_only: bool) -> None:
        self._shown = server.shown
        self._read_only = read_only
        self._rows = Readers(server, application, writing=not read_only)

    def keep(self, digest: str, content: bytes, *, bytes_total: int, truncated: bool, at: float) -> None:
        """See `model.ports.Journal.keep`."""
        check_artifact(digest, content)
        self._change(_KEEP, (digest, content, bytes_total, int(truncated), at))

    def artifact(self, digest: str) -> bytes | None:
        """See `StoredJournal.artifact`."""
        found = self._rows.query(_ARTIFACT, (digest,))
        if not found:
            return None
        content = bytes(found[0][0])
        if sha256(content).hexdigest() != digest:
            raise JournalCorrupt(f"{self._shown}: the artifact {digest} is not the one that was kept")
        return content

    def discard(self, digests: Collection[str], *, stored_before: float) -> int:
        """See `StoredJournal.discard`."""
        return len(self._change(_DISCARD, (stored_before, sorted(digests))))

    def anchors(self) -> Iterator[Anchor]:
        """See `StoredJournal.anchors`."""
        return map(anchor_of, self._rows.query(f"{_ANCHORS} ORDER BY position"))

    def last_anchor(self) -> Anchor | None:
        """See `anchors.Anchored`."""
        found = self._rows.query(f"{_ANCHORS} ORDER BY position DESC LIMIT 1")
        return anchor_of(found[0]) if found else None

    def add_anchor(self, anchor: Anchor) -> None:
        """See `anchors.Anchored`. Of several agents at most one follows an anchor."""
        last = self.last_anchor()
        if last == anchor:
            return
        check_follows(anchor, last)
        self._change(_ADD_ANCHOR, _columns(anchor))
        if self.last_anchor() != anchor:
            raise JournalConflict(f"another agent was first to anchor what follows position {anchor.position}")

    def artifact_faults(self) -> Iterator[str]:
        """One sentence for each artifact that is not the one that was kept."""
        digest = ""
        while rows := self._rows.query(_ARTIFACTS, (digest, _PAGE)):
            for digest, content in rows:
                if sha256(bytes(content)).hexdigest() != digest:
                    yield f"the artifact {digest} is not the one that was kept."

    def close(self) -> None:
        """Close the connections."""
        self._rows.close()

    def _change(self, statement: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        if self._read_only:
            raise JournalError(f"{self._shown}: the journal is open for reading only")
        return self._rows.query(statement, parameters)


def _columns(anchor: Anchor) -> tuple[object, ...]:
    """The columns of an anchor's row."""
    return (anchor.position, anchor.at, anchor.previous, anchor.digest, anchor.key_id, anchor.signature)
