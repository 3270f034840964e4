"""A record as it lies in a store, and the port of stores that can show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from homeostat.model.entries import STARTING_TYPES
from homeostat.model.errors import FactsMovedOn
from homeostat.model.ports import Batch, Journal


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


class StoredJournal(Journal, Protocol):
    """A journal that also shows its records undecoded, for export and audit."""

    def stored(self, stream: str) -> Iterator[StoredRecord]:
        """All records of a stream in order, as stored and unchecked."""
        ...

    def streams(self, prefix: str = "") -> list[str]:
        """Names of all streams that begin with `prefix`, sorted by code point."""
        ...


def starts_something(batches: Sequence[Batch]) -> bool:
    """Whether an action starts once these entries are durable."""
    return any(entry.TYPE in STARTING_TYPES for batch in batches for entry in batch.entries)


def moved_on() -> FactsMovedOn:
    """Why an append was refused: somebody wrote a fact that may forbid the start after the writer last looked."""
    return FactsMovedOn("an action would start on facts that are no longer all there are; nothing was written")
