"""What records say of incidents: the facts the incident table is made of, and how the table is held against them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from homeostat.model.entries import Closed, Suspected
from homeostat.model.errors import JournalCorrupt, JournalError
from homeostat.record.chain import ChainCheck, Head
from homeostat.record.codec import CODEC

OPENED, CLOSED = Suspected.TYPE.encode(), Closed.TYPE.encode()
MARKED = frozenset((OPENED, CLOSED))
"""The types of entries these facts are in."""

Mark = tuple[bytes, bytes, int, float, bytes]
"""Type, stream, v, at and body of a record, as `ChainCheck.marks` holds them."""


IncidentRow = tuple[bytes, bytes, bytes, bytes, float, float | None, int, bytes]
"""A row of the incident table, text as UTF-8."""


class IncidentFact(NamedTuple):
    """An incident opened (with `identity`: its policy, the policy's hash, its dedup key) or closed (without)."""

    stream: bytes
    at: float
    identity: tuple[bytes, bytes, bytes] | None


def incident_facts(marks: Iterable[Mark]) -> Iterator[IncidentFact]:
    """Read marked records.

    Raises:
        JournalCorrupt, JournalTooNew: a body is not of its type.
    """
    for name, stream, v, at, body in marks:
        if name == CLOSED:
            yield IncidentFact(stream, at, None)
            continue
        entry = CODEC.decode(Suspected.TYPE, v, body)
        if not isinstance(entry, Suspected):
            raise JournalCorrupt(f"a stored {Suspected.TYPE} is a {entry.TYPE}")
        yield IncidentFact(stream, at, (entry.policy.encode(), entry.policy_hash.encode(), entry.dedup_key.encode()))


def readable_facts(check: ChainCheck) -> list[IncidentFact]:
    """Read the marked records, and tell of those that cannot be read."""
    facts: list[IncidentFact] = []
    for mark in check.marks:
        try:
            facts += incident_facts([mark])
        except JournalError as error:
            check.fault(f"stream {text_of(mark[1])}: {error}.")
    return facts


def incident_rows(heads: dict[bytes, Head], facts: Iterable[IncidentFact]) -> Iterator[IncidentRow]:
    """Derive the incident table's rows from what the journal says, oldest first."""
    opened: dict[bytes, tuple[tuple[bytes, bytes, bytes], float]] = {}
    closed_at: dict[bytes, float] = {}
    for stream, at, identity in facts:
        if identity is None:
            closed_at[stream] = at
        else:
            opened[stream] = identity, at
    for stream, (identity, at) in opened.items():
        head_seq, _, head_hash = heads[stream]
        yield (stream, *identity, at, closed_at.get(stream), head_seq, head_hash)


def check_incident_rows(expected: Iterable[IncidentRow], found: Iterable[IncidentRow], check: ChainCheck) -> bool:
    """Tell of every incident that a table and the journal say otherwise of; give whether both have one order."""
    by_journal, by_table = ({row[0]: row for row in rows} for rows in (expected, found))
    for stream in [*by_journal, *(stream for stream in by_table if stream not in by_journal)]:
        if by_table.get(stream) != by_journal.get(stream):
            check.fault(f"the incident table and the journal differ on {text_of(stream)}.")
    return list(by_table) == list(by_journal)


def text_of(stored: object) -> str:
    """Give what is stored where text should be, for people."""
    return stored.decode(errors="backslashreplace") if isinstance(stored, bytes) else str(stored)
