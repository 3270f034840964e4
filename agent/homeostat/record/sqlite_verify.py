"""Verification of a whole SQLite journal: its file's structure, every chain, the incident table, artifacts, anchors."""

from __future__ import annotations

import gc
import os
import sqlite3
from binascii import b2a_hex
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from typing import Any

from homeostat.model.errors import JournalError
from homeostat.record.anchors import Anchor, AnchorCheck
from homeostat.record.chain import ChainCheck
from homeostat.record.incident_facts import (
    MARKED,
    IncidentRow,
    check_incident_rows,
    incident_rows,
    readable_facts,
    text_of,
)
from homeostat.record.sqlite_ranges import COLUMNS, check_ranges

RANGES_FROM_ROWS = 200_000
RANGES_FROM_PROCESSORS = 3
"""From so many records on, and with so many processors, starting further processes pays; SQLite's check takes one."""

_STRUCTURE_FAULTS_MAX = 20
_MAPPED_BYTES_MAX = 1 << 36
"""SQLite's own bound (2 GiB as it is built here) holds where it is less."""

_ALL = f"SELECT {COLUMNS} FROM journal ORDER BY position"  # noqa: S608 - constants
_LAST = "SELECT coalesce(max(position), 0) FROM journal"
_LAST_POSITION = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'journal'"
_INCIDENTS = """
SELECT stream, policy, policy_hash, dedup_key, opened_at, closed_at, head_seq, head_hash, id
FROM incident ORDER BY id"""
_ARTIFACTS = "SELECT sha256, content FROM artifact"
_ANCHORS = "SELECT position, at, previous, digest, key_id, signature FROM anchor ORDER BY position"

# A value of another storage class has the same bytes, and so the same hash, but is not found by comparison. Text sorts
# below every blob, the empty one included, which is a quicker question than its type; the numbers of the journal are
# checked with the chains.
_MISTYPED = """
SELECT 'journal', position FROM journal
WHERE (stream < x'' AND type < x'' AND code_version < x'' AND body_sha < x'' AND prev_hash < x'' AND hash < x''
       AND body < x'' AND (action_key IS NULL OR action_key < x'')) IS NOT 1
UNION ALL
SELECT 'incident', id FROM incident
WHERE (typeof(stream), typeof(policy), typeof(policy_hash), typeof(dedup_key)) IS NOT ('text', 'text', 'text', 'text')
   OR (typeof(opened_at), typeof(head_seq), typeof(head_hash)) IS NOT ('real', 'integer', 'text')
   OR typeof(closed_at) NOT IN ('real', 'null')
UNION ALL
SELECT 'artifact', rowid FROM artifact
WHERE (typeof(sha256), typeof(content), typeof(bytes), typeof(truncated), typeof(stored_at))
   IS NOT ('text', 'blob', 'integer', 'integer', 'real') OR truncated NOT IN (0, 1)
UNION ALL
SELECT 'anchor', position FROM anchor
WHERE (typeof(at), typeof(digest), typeof(previous), typeof(key_id), typeof(signature))
   IS NOT ('real', 'text', 'text', 'text', 'text')
LIMIT ?"""

Lend = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""Lends a connection for reading."""


def verify(uri: str, lend: Lend, anchors: AnchorCheck) -> list[str]:
    """Give one sentence for each fault; none for a sound journal.

    The agent may go on writing meanwhile. SQLite's own check runs beside ours, on another core where there is one:
    it is what proves that the indexes, which `read` goes through, show all records.

    Args:
        uri: of the journal's file, for further processes.
        lend: lends connections for reading.
        anchors: what the journal is held against.
    """
    with ThreadPoolExecutor(max_workers=1) as other_thread, _without_garbage_collection():
        structure = other_thread.submit(_structure_faults, lend)
        check = ChainCheck(marked=MARKED, anchors=anchors)
        try:
            with lend() as connection, _mapped(connection), _at_one_moment(connection):
                _check_content(connection, uri, check, anchors)
        except (sqlite3.Error, JournalError) as error:
            check.fault(f"the journal cannot be read to its end: {error}.")
        return [*structure.result(), *check.report(), *anchors.finish()]


def _structure_faults(lend: Lend) -> list[str]:
    try:
        with lend() as connection, _mapped(connection):
            findings = connection.execute(f"PRAGMA integrity_check({_STRUCTURE_FAULTS_MAX})").fetchall()
            mistyped = connection.execute(_MISTYPED, (_STRUCTURE_FAULTS_MAX,)).fetchall()
    except (sqlite3.Error, JournalError) as error:
        return [f"the file's structure cannot be checked: {error}."]
    return [
        *(f"the file's structure is damaged: {finding}." for (finding,) in findings if finding != "ok"),
        *(f"table {table}, row {row}: a field is not of its type." for table, row in mistyped),
    ]


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Millions of tuples come and go, and none of them is in a cycle: looking for some is a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _mapped(connection: sqlite3.Connection) -> Iterator[None]:
    """Read the file through the memory map (sqlite.org/mmap.html) while it is read from end to end."""
    connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES_MAX}")
    try:
        yield
    finally:
        connection.execute("PRAGMA mmap_size = 0")


@contextmanager
def _at_one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Read everything as it is now, and text as it is stored."""
    text_factory = connection.text_factory
    connection.text_factory = bytes
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.text_factory = text_factory
        connection.execute("ROLLBACK")


def _check_content(connection: sqlite3.Connection, uri: str, check: ChainCheck, anchors: AnchorCheck) -> None:
    own = [_anchor(row) for row in connection.execute(_ANCHORS)]
    anchors.begin(own)
    (last,) = connection.execute(_LAST).fetchone()
    pays = last >= RANGES_FROM_ROWS and len(os.sched_getaffinity(0)) >= RANGES_FROM_PROCESSORS
    proven = check_ranges(uri, last, anchors) if pays else None
    if proven is not None:
        check.position = last
        heads, facts = proven
    else:
        anchors.begin(own)
        check.check(connection.execute(_ALL))
        heads, facts = check.heads, readable_facts(check)
    (last_position,) = connection.execute(_LAST_POSITION).fetchone()
    if last_position != check.position:
        check.fault(f"the last record is at position {check.position}, but {last_position} were written.")
    _check_incidents(connection, check, incident_rows(heads, facts))
    _check_artifacts(connection, check)


def _anchor(row: tuple[Any, ...]) -> Anchor:
    """Give an anchor as it is stored, whatever is stored; `AnchorCheck` looks at it closely."""
    position, at, *texts = row
    previous, digest, key_id, signature = (
        text.decode(errors="backslashreplace") if isinstance(text, bytes) else "" for text in texts
    )
    number = at if isinstance(at, float) else float("nan")
    return Anchor(position=position, at=number, previous=previous, digest=digest, key_id=key_id, signature=signature)


def _check_incidents(connection: sqlite3.Connection, check: ChainCheck, expected: Iterable[IncidentRow]) -> None:
    """Compare the incident table with what the journal says."""
    found: list[IncidentRow] = []
    numbers: list[int] = []
    for *fields, number in connection.execute(_INCIDENTS):
        found.append(tuple(fields))
        numbers.append(number)
    is_in_order = check_incident_rows(expected, found, check)
    if not check.faults and not (is_in_order and numbers == list(range(1, len(numbers) + 1))):
        check.fault("the incident table has the incidents in another order, or under other numbers, than the journal.")


def _check_artifacts(connection: sqlite3.Connection, check: ChainCheck) -> None:
    """Hold what is kept of outputs against the digest it is kept under."""
    for digest, content in connection.execute(_ARTIFACTS):
        if not isinstance(content, bytes) or b2a_hex(sha256(content).digest()) != digest:
            check.fault(f"the artifact {text_of(digest)} is not the one that was kept.")
