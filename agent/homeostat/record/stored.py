"""A record as it lies in a store, and the port of stores that can show it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple, Protocol

from homeostat.model.entries import STARTING_TYPES
from homeostat.model.errors import FactsMovedOn, InvariantError, JournalConflict, JournalCorrupt
from homeostat.model.ports import Batch, Journal, Record
from homeostat.record.anchors import Anchor, AnchorCheck, Anchored
from homeostat.record.codec import Codec

ARTIFACT_BYTES_MAX = 16 * 1024 * 1024
"""What is kept of one output; runners keep less."""


class StoredRecord(NamedTuple):
    """A record as it is stored: what the chain is computed from, and nothing decoded.

    Attributes:
        stream, seq, type, v, at: the header; see `model.ports.Record` and `model.entries`.
        action_key: the idempotency key, for entries about an action.
        code_version: the release that wrote the record.
        body: the exact stored bytes.
        body_sha, prev_hash, hash: 64 hexadecimal digits each; see `chain.py`.
    """

    stream: str
    seq: int
    type: str
    v: int
    at: float
    action_key: str | None
    code_version: str
    body: bytes
    body_sha: str
    prev_hash: str
    hash: str


class StoredJournal(Journal, Anchored, Protocol):
    """A journal that also shows its records undecoded, for export and audit, and keeps artifacts and anchors."""

    def verify(self, anchors: AnchorCheck | None = None) -> list[str]:
        """Check every chain, artifact and anchor; give one sentence for each fault found.

        Args:
            anchors: what else to hold the journal against; None: its own anchors alone, signatures unchecked.
        """
        ...

    def anchors(self) -> Iterator[Anchor]:
        """All anchors, oldest first."""
        ...

    def artifact(self, digest: str) -> bytes | None:
        """The content kept under a digest; None when there is none (any more). Raises JournalCorrupt if it changed."""
        ...

    def discard(self, digests: Collection[str], *, stored_before: float) -> int:
        """Remove artifacts stored before a time (Unix seconds); give how many there were. Records stay as they are."""
        ...

    def stored(self, stream: str) -> Iterator[StoredRecord]:
        """All records of a stream in order, as stored and unchecked."""
        ...

    def streams(self, prefix: str = "") -> list[str]:
        """Names of all streams that begin with `prefix`, sorted by code point."""
        ...


def record_of(stored: StoredRecord, position: int, codec: Codec) -> Record:
    """Decode a record whose hashes hold.

    Raises:
        JournalCorrupt, JournalTooNew: its body cannot be read, or says another time than its header.
    """
    entry = codec.decode(stored.type, stored.v, stored.body)
    if entry.at != stored.at:
        raise JournalCorrupt(f"stream {stored.stream}, record {stored.seq}: body and header differ in their time")
    return Record(stored.stream, stored.seq, entry, stored.prev_hash, stored.hash, position)


def starts_something(batches: Sequence[Batch]) -> bool:
    """Whether an action starts once these entries are durable."""
    return any(entry.TYPE in STARTING_TYPES for batch in batches for entry in batch.entries)


def moved_on() -> FactsMovedOn:
    """Why an append was refused: somebody wrote a fact that may forbid the start after the writer last looked."""
    return FactsMovedOn("an action would start on facts that are no longer all there are; nothing was written")


def check_artifact(digest: str, content: bytes) -> None:
    """Raise InvariantError for an artifact that must not be kept."""
    if len(content) > ARTIFACT_BYTES_MAX:
        raise InvariantError(f"an artifact of {len(content)} bytes: at most {ARTIFACT_BYTES_MAX} are kept")
    if sha256(content).hexdigest() != digest:
        raise InvariantError(f"an artifact's digest is not {digest}")


def check_follows(anchor: Anchor, last: Anchor | None) -> None:
    """Raise JournalConflict for an anchor that does not follow the newest one."""
    if last is not None and (anchor.previous != last.digest or anchor.position <= last.position):
        raise JournalConflict(f"an anchor at position {anchor.position} does not follow the one at {last.position}")
