"""Read back what `homeostat audit export` gave: a journal as text, every hash checked, as a journal in memory.

The file is the export's lines, each stream in its own order, packed with gzip where its name ends in `.gz`. It may be
all of a journal or some of its streams.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from homeostat.model.entries import Entry
from homeostat.model.errors import InvariantError, JournalConflict, JournalError
from homeostat.model.ports import Batch
from homeostat.record.chain import ChainCheck, raw
from homeostat.record.codec import CODEC
from homeostat.record.lines import bounded_lines, parse_line, wrong_line
from homeostat.record.memory import MemoryJournal
from homeostat.record.stored import StoredRecord, record_of

RECORDS_MAX = 2_000_000


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of a `StoredRecord`."""

    stream: str
    seq: int
    type: str
    v: int
    at: float
    action_key: str | None
    code_version: str
    body: msgspec.Raw
    body_sha: str
    prev_hash: str
    hash: str


def read_export(path: Path) -> MemoryJournal:
    """Read an export into a journal, whose hashes are its own: what follows it is a copy to analyse, not the proof.

    Raises:
        PolicyError: with the position and the code of the first thing wrong, as `recording.read_recording` gives
            them; R110: a hash does not hold, or a record is missing.
    """
    streams: dict[str, list[Entry]] = {}
    for entry, stream in _checked(path):
        streams.setdefault(stream, []).append(entry)
    if not streams:
        raise wrong_line(path, 1, "R108", "the file is empty, which an export never is")
    journal = MemoryJournal()
    for stream, entries in sorted(streams.items(), key=lambda item: (item[1][0].at, item[0])):
        try:
            journal.append([Batch(stream, 0, entries)])
        except (JournalConflict, InvariantError) as error:
            raise wrong_line(path, 1, "R107", f"this is no journal's export: {error}") from error
    return journal


def _checked(path: Path) -> Iterator[tuple[Entry, str]]:
    check = ChainCheck()
    for number, line in enumerate(bounded_lines(path, RECORDS_MAX), start=1):
        parsed = parse_line(_Line, line, path, number, "R102" if number == 1 else "R104")
        stored = StoredRecord(**{**msgspec.structs.asdict(parsed), "body": bytes(parsed.body)})
        check.check([raw(number, stored)])
        if check.faults:
            raise wrong_line(path, number, "R110", f"the export was changed or lines are missing: {check.faults[0]}")
        try:
            yield record_of(stored, number, CODEC).entry, stored.stream
        except (JournalError, ValueError, RecursionError) as error:
            raise wrong_line(path, number, "R106", str(error)) from error
