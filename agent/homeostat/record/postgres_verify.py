"""Verification of a whole PostgreSQL journal: every chain, the incident table, and the one order of writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from homeostat.model.entries import Closed
from homeostat.model.errors import JournalError
from homeostat.record.anchors import AnchorCheck
from homeostat.record.chain import ChainCheck, RawRow
from homeostat.record.incident_facts import MARKED, IncidentRow, check_incident_rows, incident_rows, readable_facts
from homeostat.record.postgres_append import named

Query = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]

_PAGE = 5_000

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


def verify(query: Query, anchors: AnchorCheck) -> list[str]:
    """Give one sentence for each fault; none for a sound journal.

    Agents may go on writing meanwhile: what is checked is the journal as it was at one write position.
    """
    check = ChainCheck(marked=MARKED, anchors=anchors)
    try:
        [(upto, last)] = query(_HEAD, ())
        if upto != last:
            check.fault(f"the last record is at position {last}, but {upto} were written.")
        check.check(_raw_rows(query, max(upto, last)))
        found = map(_incident_row, query(_INCIDENTS, (Closed.TYPE, upto, upto)))
        is_in_order = check_incident_rows(incident_rows(check.heads, readable_facts(check)), found, check)
        if not is_in_order and not check.faults:
            check.fault("the incident table has the incidents in another order than the journal.")
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


def _incident_row(row: tuple[Any, ...]) -> IncidentRow:
    stream, policy, policy_hash, dedup_key, opened_at, closed_at, head_seq, head_hash = row
    identity = (named(stream).encode(), named(policy).encode(), named(policy_hash).encode(), named(dedup_key).encode())
    return (*identity, opened_at, closed_at, head_seq, head_hash.encode())
