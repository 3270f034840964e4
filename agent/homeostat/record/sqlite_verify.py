"""Verification of a whole SQLite journal: its file's structure, every chain, and the incident table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from homeostat.model.entries import Closed, Suspected
from homeostat.model.errors import JournalError
from homeostat.record.chain import ChainCheck
from homeostat.record.codec import CODEC

_STRUCTURE_FAULTS_MAX = 20
_OPENED, _CLOSED = Suspected.TYPE.encode(), Closed.TYPE.encode()

_ALL = """
SELECT position, stream, seq, type, v, at, action_key, code_version, body, body_sha, prev_hash, hash
FROM journal ORDER BY position"""
_LAST_POSITION = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'journal'"
_INCIDENTS = """
SELECT stream, policy, policy_hash, dedup_key, opened_at, closed_at, head_seq, head_hash
FROM incident ORDER BY id"""

# A value of another storage class has the same bytes, and so the same hash, but is not found by comparison.
_MISTYPED = """
SELECT 'journal', position FROM journal
WHERE (typeof(stream), typeof(seq), typeof(type), typeof(v), typeof(at), typeof(body)) IS NOT
      ('text', 'integer', 'text', 'integer', 'real', 'text')
   OR (typeof(code_version), typeof(body_sha), typeof(prev_hash), typeof(hash)) IS NOT ('text', 'text', 'text', 'text')
   OR typeof(action_key) NOT IN ('text', 'null')
UNION ALL
SELECT 'incident', id FROM incident
WHERE (typeof(stream), typeof(policy), typeof(policy_hash), typeof(dedup_key)) IS NOT ('text', 'text', 'text', 'text')
   OR (typeof(opened_at), typeof(head_seq), typeof(head_hash)) IS NOT ('real', 'integer', 'text')
   OR typeof(closed_at) NOT IN ('real', 'null')
LIMIT ?"""

_Incident = tuple[bytes, bytes, bytes, bytes, float, float | None, int, bytes]
"""A row of the incident table, text as UTF-8."""


Lend = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""Lends a connection for reading."""


def verify(lend: Lend) -> list[str]:
    """Give one sentence for each fault; none for a sound journal.

    The agent may go on writing meanwhile. SQLite's own check runs beside ours, on another core where there is one:
    it is what proves that the indexes, which `read` goes through, show all records.
    """
    with ThreadPoolExecutor(max_workers=1) as other_thread:
        structure = other_thread.submit(_structure_faults, lend)
        check = ChainCheck(marked=frozenset((_OPENED, _CLOSED)))
        try:
            with lend() as connection:
                _check_content(connection, check)
        except (sqlite3.Error, JournalError) as error:
            check.fault(f"the journal cannot be read to its end: {error}.")
        return [*structure.result(), *check.report()]


def _structure_faults(lend: Lend) -> list[str]:
    try:
        with lend() as connection:
            findings = connection.execute(f"PRAGMA integrity_check({_STRUCTURE_FAULTS_MAX})").fetchall()
            mistyped = connection.execute(_MISTYPED, (_STRUCTURE_FAULTS_MAX,)).fetchall()
    except (sqlite3.Error, JournalError) as error:
        return [f"the file's structure cannot be checked: {error}."]
    return [
        *(f"the file's structure is damaged: {finding}." for (finding,) in findings if finding != "ok"),
        *(f"table {table}, row {row}: a field is not of its type." for table, row in mistyped),
    ]


def _check_content(connection: sqlite3.Connection, check: ChainCheck) -> None:
    """Check every record and the incident table, as they were at one moment."""
    text_factory = connection.text_factory
    connection.text_factory = bytes
    connection.execute("BEGIN")
    try:
        check.check(connection.execute(_ALL))
        (last_position,) = connection.execute(_LAST_POSITION).fetchone()
        if last_position != check.position:
            check.fault(f"the last record is at position {check.position}, but {last_position} were written.")
        _check_incidents(connection, check)
    finally:
        connection.text_factory = text_factory
        connection.execute("ROLLBACK")


def _check_incidents(connection: sqlite3.Connection, check: ChainCheck) -> None:
    """Compare the incident table with what the journal says."""
    expected = {row[0]: row for row in _incidents_of(check)}
    order = list(expected)
    found = {row[0]: row for row in connection.execute(_INCIDENTS)}
    for stream in [*expected, *(stream for stream in found if stream not in expected)]:
        if found.get(stream) != expected.get(stream):
            # A damaged table may hold what is no text at all.
            shown = stream.decode(errors="backslashreplace") if isinstance(stream, bytes) else repr(stream)
            check.fault(f"the incident table and the journal differ on {shown}.")
    if list(found) != order and not check.faults:
        check.fault("the incident table has the incidents in another order than the journal.")


def _incidents_of(check: ChainCheck) -> list[_Incident]:
    """Derive the incident table's rows from the records seen, oldest first."""
    opened: dict[bytes, tuple[Suspected, float]] = {}
    closed_at: dict[bytes, float] = {}
    for name, stream, v, at, body in check.marks:
        if name == _CLOSED:
            closed_at[stream] = at
            continue
        try:
            entry = CODEC.decode(Suspected.TYPE, v, body)
        except JournalError as error:
            check.fault(f"stream {stream.decode(errors='backslashreplace')}: {error}.")
            continue
        if isinstance(entry, Suspected):
            opened[stream] = entry, at
    rows: list[_Incident] = []
    for stream, (entry, at) in opened.items():
        head_seq, _, head_hash = check.heads[stream]
        identity = (entry.policy.encode(), entry.policy_hash.encode(), entry.dedup_key.encode())
        rows.append((stream, *identity, at, closed_at.get(stream), head_seq, head_hash))
    return rows
