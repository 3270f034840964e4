"""Verification of a whole PostgreSQL journal: every chain, the incident table, and the one order of writing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from homeostat.model.entries import Closed, Suspected
from homeostat.model.errors import JournalError
from homeostat.record.anchors import AnchorCheck
from homeostat.record.chain import ChainCheck, RawRow
from homeostat.record.codec import CODEC
from homeostat.record.postgres_append import named

Query = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]

_PAGE = 5_000
_OPENED, _CLOSED = Suspected.TYPE.encode(), Closed.TYPE.encode()

_ALL = """
SELECT position, stream, seq, type, v, at, action_key, code_version, body, body_sha, prev_hash, hash
FROM journal WHERE position > %s AND position <= %s ORDER BY position LIMIT %s"""
_HEAD = "SELECT position, (SELECT coalesce(max(position), 0) FROM journal) FROM head"
# One statement is one moment: what was written after `position` is left out of both sides.
_INCIDENTS = """
SELECT i.stream, i.policy, i.policy_hash, i.dedup_key, i.opened_at,
       CASE WHEN EXISTS (SELECT FROM journal j WHERE j.stream = i.stream AND j.type = %s AND j.position > %s)
            THEN NULL ELSE i.closed_at END,
       j.seq, CASE WHEN i.head_seq = (SELECT max(seq) FROM journal WHERE stream = i.stream)
                   AND i.head_hash = (SELECT hash FROM journal WHERE stream = i.stream AND seq = i.head_seq)
              THEN j.hash ELSE '' END
FROM incident i JOIN LATERAL (
    SELECT seq, hash FROM journal WHERE stream = i.stream AND position <= %s ORDER BY seq DESC LIMIT 1) j ON true
ORDER BY i.id"""

_Incident = tuple[str, str, str, str, float, float | None, int, str]


def verify(query: Query, anchors: AnchorCheck) -> list[str]:
    """Give one sentence for each fault; none for a sound journal.

    Agents may go on writing meanwhile: what is checked is the journal as it was at one write position.
    """
    check = ChainCheck(marked=frozenset((_OPENED, _CLOSED)), anchors=anchors)
    try:
        [(upto, last)] = query(_HEAD, ())
        if upto != last:
            check.fault(f"the last record is at position {last}, but {upto} were written.")
        check.check(_raw_rows(query, max(upto, last)))
        found = query(_INCIDENTS, (Closed.TYPE, upto, upto))
        _check_incidents([(named(row[0]), *map(named, row[1:4]), *row[4:]) for row in found], check)
    except JournalError as error:
        check.fault(f"the journal cannot be read to its end: {error}.")
    return check.report()


def _raw_rows(query: Query, upto: int) -> Iterator[RawRow]:
    position = 0
    while rows := query(_ALL, (position, upto, _PAGE)):
        for row in rows:
            position, stream, seq, name, v, at, key, version, body, *digests = row
            key = None if key is None else named(key).encode()
            header = (position, named(stream).encode(), seq, name.encode(), v, at, key, version.encode())
            body_sha, prev_hash, record_hash = (digest.encode() for digest in digests)
            yield (*header, body.encode(), body_sha, prev_hash, record_hash)


def _check_incidents(rows: Iterable[tuple[Any, ...]], check: ChainCheck) -> None:
    """Compare the incident table with what the journal says."""
    expected = {row[0]: row for row in _incidents_of(check)}
    found = {row[0]: row for row in rows}
    for stream in [*expected, *(stream for stream in found if stream not in expected)]:
        if found.get(stream) != expected.get(stream):
            check.fault(f"the incident table and the journal differ on {stream}.")
    if list(found) != list(expected) and not check.faults:
        check.fault("the incident table has the incidents in another order than the journal.")


def _incidents_of(check: ChainCheck) -> Iterator[_Incident]:
    """Derive the incident table's rows from the records seen, oldest first."""
    closed_at = {stream: at for name, stream, _, at, _ in check.marks if name == _CLOSED}
    for name, stream, v, at, body in check.marks:
        if name == _CLOSED:
            continue
        try:
            entry = CODEC.decode(Suspected.TYPE, v, body)
        except JournalError as error:
            check.fault(f"stream {stream.decode(errors='backslashreplace')}: {error}.")
            continue
        if isinstance(entry, Suspected):
            seq, _, record_hash = check.heads[stream]
            identity = (entry.policy, entry.policy_hash, entry.dedup_key)
            yield stream.decode(), *identity, at, closed_at.get(stream), seq, record_hash.decode()
