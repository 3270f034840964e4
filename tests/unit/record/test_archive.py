"""An archive holds what the journal held, and every change of it is found."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from homeostat.model.entries import ActionEnded, Entry
from homeostat.model.errors import JournalCorrupt, JournalError, UsageError
from homeostat.model.ports import Batch
from homeostat.record.archive import (
    ARTIFACTS,
    MANIFEST,
    RECORDS,
    archived_artifact,
    read_archive,
    verify_archive,
    write_archive,
)
from homeostat.record.memory import MemoryJournal

OUTPUT = b"restarted 3 pods\n" * 50
DIGEST = sha256(OUTPUT).hexdigest()


@pytest.fixture
def journal(make_incident: Callable[[str], list[Entry]]) -> MemoryJournal:
    """Three interleaved incidents; the outcome of the second has an output that was kept."""
    journal = MemoryJournal()
    journal.keep(DIGEST, OUTPUT, bytes_total=len(OUTPUT), truncated=False, at=40.0)
    for number, entries in enumerate(zip(*(make_incident(stream) for stream in ("i1", "i2", "i3")), strict=True)):
        batches = []
        for stream, entry in enumerate(entries, start=1):
            if stream == 2 and isinstance(entry, ActionEnded):
                entry = msgspec.structs.replace(entry, output_sha256=DIGEST)
            batches.append(Batch(f"i{stream}", number, [entry]))
        journal.append(batches)
    return journal


def test_an_archive_gives_back_the_records_it_was_made_of(journal: MemoryJournal, tmp_path: Path) -> None:
    folder = tmp_path / "archive" / "one"
    manifest = write_archive(journal, ["i1", "i2"], folder, 99.0)
    assert list(read_archive(folder)) == [*journal.read("i1"), *journal.read("i2")]
    assert (manifest.records, manifest.first_position, manifest.last_position) == (24, 1, 35)
    assert [stream.stream for stream in manifest.streams] == ["i1", "i2"]
    assert verify_archive(folder) == manifest
    assert (archived_artifact(folder, DIGEST), archived_artifact(folder, "0" * 64)) == (OUTPUT, None)
    assert sorted(path.name for path in folder.iterdir()) == sorted([ARTIFACTS, MANIFEST, RECORDS])
    with pytest.raises(UsageError, match="there is an archive of this name already"):
        write_archive(journal, ["i3"], folder, 99.0)


def test_every_changed_byte_of_an_archive_is_found(journal: MemoryJournal, tmp_path: Path) -> None:
    folder, draw = tmp_path / "one", random.Random(3)
    write_archive(journal, ["i1", "i2"], folder, 99.0)
    for name in (RECORDS, ARTIFACTS):
        content = (folder / name).read_bytes()
        for place in draw.sample(range(len(content)), 40):
            (folder / name).write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
            with pytest.raises(JournalCorrupt, match=f"the archive is damaged: {name}"):
                verify_archive(folder)
        (folder / name).write_bytes(content)
    verify_archive(folder)


def edited_manifest(folder: Path, **changes: object) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"records": 25}, "the number or the positions"),
        ({"artifacts": []}, "its artifacts are not those"),
        ({"streams": []}, "stream i1 is not as the manifest has it"),
        ({"surprise": 1}, "unknown field `surprise`"),
    ],
)
def test_a_manifest_that_says_something_else_is_damage(
    journal: MemoryJournal, tmp_path: Path, changes: dict[str, object], fault: str
) -> None:
    folder = tmp_path / "one"
    write_archive(journal, ["i1", "i2"], folder, 99.0)
    edited_manifest(folder, **changes)
    with pytest.raises(JournalCorrupt, match=fault):
        verify_archive(folder)


def test_records_written_anew_under_a_new_digest_do_not_pass(journal: MemoryJournal, tmp_path: Path) -> None:
    """Whoever mends the manifest's digests still has the hash chain of every stream to mend, and its head."""
    import pyarrow as pa  # type: ignore[import-untyped] # shipped without types
    import pyarrow.parquet as pq  # type: ignore[import-untyped] # shipped without types

    folder = tmp_path / "one"
    manifest = write_archive(journal, ["i1", "i2"], folder, 99.0)
    table = pq.read_table(folder / RECORDS)
    rows = table.to_pylist()
    rows[6]["body"] = rows[6]["body"].replace(b"4711", b"4712")
    pq.write_table(pa.Table.from_pylist(rows, table.schema), folder / RECORDS)
    digest = sha256((folder / RECORDS).read_bytes()).hexdigest()
    edited_manifest(folder, digests={**manifest.digests, RECORDS: digest})
    with pytest.raises(JournalCorrupt, match="record 7: its body is not the one that was written"):
        verify_archive(folder)


def test_what_is_no_archive_or_a_newer_one_is_refused(journal: MemoryJournal, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no archive here"):
        verify_archive(tmp_path)
    folder = tmp_path / "one"
    write_archive(journal, ["i1"], folder, 99.0)
    edited_manifest(folder, version=2)
    with pytest.raises(UsageError, match="upgrade Homeostat"):
        verify_archive(folder)


class Damaged(MemoryJournal):
    """Gives a record with another time than it was written with."""

    def stored(self, stream):  # type: ignore[no-untyped-def]
        return (record._replace(at=1.5) for record in super().stored(stream))


def test_a_damaged_journal_is_not_archived_and_nothing_is_left(
    tmp_path: Path, make_incident: Callable[[str], list[Entry]]
) -> None:
    journal = Damaged()
    journal.append([Batch("i1", 0, make_incident("i1"))])
    with pytest.raises(JournalError, match="record 1: its header or its hash"):
        write_archive(journal, ["i1"], tmp_path / "one", 99.0)
    assert list(tmp_path.iterdir()) == []
