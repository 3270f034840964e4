"""The fast half of verification: ranges of a journal checked by several processes, and put together in order.

It says only whether all is well. Where it is not, `sqlite_verify` checks the journal once more from its beginning and
says what is wrong, so there is one place where faults are told.
"""

from __future__ import annotations

import gc
import os
import sqlite3
from collections import deque
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import closing
from typing import NamedTuple

from homeostat.model.errors import JournalError
from homeostat.record.anchors import AnchorCheck
from homeostat.record.chain import START, ChainCheck, Head
from homeostat.record.incident_facts import MARKED, IncidentFact, incident_facts

RANGE_ROWS = 50_000
PROCESSES_MAX = 8
COLUMNS = "position, stream, seq, type, v, at, action_key, code_version, body, body_sha, prev_hash, hash"
_RANGE = f"SELECT {COLUMNS} FROM journal WHERE position BETWEEN ? AND ? ORDER BY position"  # noqa: S608 - constants
_RANGES_AHEAD = 2


class CheckedRange(NamedTuple):
    """A range without a fault in itself.

    Attributes:
        firsts: per stream, seq and hash of the record that the range's first must follow.
        heads: per stream, its last record in the range.
        hashes: 32 raw bytes a record, in order.
    """

    firsts: dict[bytes, tuple[int, bytes]]
    heads: dict[bytes, Head]
    facts: list[IncidentFact]
    hashes: bytes


class Proven(NamedTuple):
    """A journal whose chains have no fault: its heads, and what it says of incidents, in order."""

    heads: dict[bytes, Head]
    facts: list[IncidentFact]


def check_ranges(uri: str, last_position: int, anchors: AnchorCheck) -> Proven | None:
    """Check the records at positions 1 to `last_position`; None when there is any doubt.

    Memory grows with the number of streams, not of records.
    """
    heads: dict[bytes, Head] = {}
    facts: list[IncidentFact] = []
    first = 1
    try:
        for checked in _each_range(uri, last_position):
            if checked is None or any(
                (head[0], head[2]) != before
                for stream, before in checked.firsts.items()
                for head in (heads.get(stream, START),)
            ):
                return None
            heads.update(checked.heads)
            facts += checked.facts
            anchors.take(first, checked.hashes)
            first += RANGE_ROWS
    except (BrokenExecutor, OSError):
        return None
    return Proven(heads, facts)


def _each_range(uri: str, last_position: int) -> Iterator[CheckedRange | None]:
    """Give the ranges in order; at most a few are checked ahead of the one asked for."""
    workers = min(PROCESSES_MAX, len(os.sched_getaffinity(0)))
    with start_workers(workers) as pool:
        ahead: deque[Future[CheckedRange | None]] = deque()
        try:
            for first in range(1, last_position + 1, RANGE_ROWS):
                ahead.append(pool.submit(check_range, uri, first, min(first + RANGE_ROWS - 1, last_position)))
                if len(ahead) >= workers + _RANGES_AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def start_workers(count: int) -> Executor:
    """Start processes: spawned, since a fork copies locks that other threads hold.

    They make no cycles, and millions of tuples that the garbage collector would look through for some.
    """
    # Imported here because every command reads a journal, and few verify a large one.
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=gc.disable)


def check_range(uri: str, first: int, last: int) -> CheckedRange | None:
    """Check the records at positions `first` to `last` by themselves; None when there is any fault."""
    collected = _Collected()
    check = ChainCheck(marked=MARKED, anchors=collected, position=first - 1, partial=True)
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.text_factory = bytes
            check.check(connection.execute(_RANGE, (first, last)))
        facts = list(incident_facts(check.marks))
    except (sqlite3.Error, JournalError, UnicodeDecodeError):  # the last for SQLite's error about a damaged name
        return None
    if check.faults_count or check.position != last:
        return None
    return CheckedRange(check.firsts, check.heads, facts, b"".join(collected.parts))


class _Collected(AnchorCheck):
    """Keeps hashes for the process that holds the anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []

    def take(self, first: int, hashes: bytes) -> None:
        del first
        self.parts.append(hashes)
