"""What records say of incidents: the two facts the incident table is made of, from their stored bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from homeostat.model.entries import Closed, Suspected
from homeostat.model.errors import JournalCorrupt
from homeostat.record.codec import CODEC

OPENED, CLOSED = Suspected.TYPE.encode(), Closed.TYPE.encode()
MARKED = frozenset((OPENED, CLOSED))
"""The types of entries these facts are in."""

Mark = tuple[bytes, bytes, int, float, bytes]
"""Type, stream, v, at and body of a record, as `ChainCheck.marks` holds them."""


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
