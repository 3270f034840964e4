"""A backup is whole, proven and beside a running agent; a restored one is the journal that was backed up."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from homeostat.model.entries import ConditionChanged, Entry
from homeostat.model.errors import JournalCorrupt, JournalError, UsageError
from homeostat.model.ports import Batch
from homeostat.record.anchors import AnchorCheck, add_anchor
from homeostat.record.export import export_journal
from homeostat.record.keys import PrivateKey
from homeostat.record.sqlite import SqliteJournal
from homeostat.record.sqlite_backup import back_up, restore


@pytest.fixture
def journal(tmp_path: Path, make_incident: Callable[[str], list[Entry]]) -> Iterator[SqliteJournal]:
    """An open journal, in a folder of its own."""
    (tmp_path / "state").mkdir()
    with closing(SqliteJournal(tmp_path / "state/journal.sqlite")) as journal:
        journal.append([Batch("i1", 0, make_incident("i1"))])
        yield journal


def changed(at: float) -> ConditionChanged:
    return ConditionChanged(at=at, watch="trigger", truth=True)


def test_a_backup_beside_a_writer_is_one_moment_of_it(journal: SqliteJournal, tmp_path: Path) -> None:
    target, stop = tmp_path / "backup.sqlite", threading.Event()

    def write() -> None:
        while not stop.is_set():
            journal.append([Batch("agent", None, [changed(1.0), changed(2.0)])])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while journal.position() < 20:
            stop.wait(0.001)
        position = back_up(tmp_path / "state/journal.sqlite", target, AnchorCheck())
    finally:
        stop.set()
        writer.join()
    assert 20 <= position <= journal.position()
    with closing(SqliteJournal(target, read_only=True)) as copy:
        assert (copy.position(), copy.verify()) == (position, [])
        assert position % 2 == 0, "no half of a transaction"


def test_restoring_gives_the_same_journal_and_only_where_none_is(journal: SqliteJournal, tmp_path: Path) -> None:
    path, target = tmp_path / "state/journal.sqlite", tmp_path / "backup.sqlite"
    back_up(path, target, AnchorCheck())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["backup.sqlite", "state"]
    with pytest.raises(JournalError, match="another agent"):
        restore(target, path, AnchorCheck())
    exported = list(export_journal(journal))
    journal.close()
    with pytest.raises(UsageError, match="there is a file already; move it away"):
        restore(target, path, AnchorCheck())
    for file in (tmp_path / "state").glob("journal.sqlite*"):
        file.rename(tmp_path / f"old-{file.name}")
    assert restore(target, path, AnchorCheck()) == 12
    with closing(SqliteJournal(path)) as restored:
        assert list(export_journal(restored)) == exported
        restored.append([Batch("agent", 0, [changed(1.0)])])
        assert restored.verify() == []


def test_a_backup_never_overwrites_and_leaves_nothing_half_done(journal: SqliteJournal, tmp_path: Path) -> None:
    path, target = tmp_path / "state/journal.sqlite", tmp_path / "backup.sqlite"
    target.write_text("mine")
    with pytest.raises(UsageError, match="there is a file already"):
        back_up(path, target, AnchorCheck())
    assert target.read_text() == "mine"
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        back_up(path, tmp_path / "missing/backup.sqlite", AnchorCheck())
    connection = journal._writing()
    connection.executescript("DROP TRIGGER journal_refuses_update; UPDATE journal SET at = 7.0 WHERE position = 5;")
    connection.execute(
        "CREATE TRIGGER journal_refuses_update BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(JournalCorrupt, match="damaged, so nothing was backed up: stream i1, record 5"):
        back_up(path, tmp_path / "other.sqlite", AnchorCheck())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["backup.sqlite", "state"]


def test_what_is_restored_is_held_against_the_anchors_of_its_time(
    journal: SqliteJournal, tmp_path: Path, make_incident: Callable[[str], list[Entry]]
) -> None:
    path, target = tmp_path / "state/journal.sqlite", tmp_path / "backup.sqlite"
    back_up(path, target, AnchorCheck())
    key = PrivateKey.generate()
    with closing(SqliteJournal(tmp_path / "other.sqlite")) as other:
        other.append([Batch("i2", 0, make_incident("i2")[:9])])
        contradicting = add_anchor(other, key, 1.0)
    journal.append([Batch("agent", 0, [changed(1.0)])])
    later = add_anchor(journal, key, 1.0)
    assert later is not None
    assert contradicting is not None
    journal.close()
    for file in (tmp_path / "state").glob("journal.sqlite*"):
        file.unlink()
    with pytest.raises(JournalCorrupt, match="positions 1 to 9 are not those that were anchored"):
        restore(target, path, AnchorCheck([contradicting]))
    assert not path.exists()
    assert restore(target, path, AnchorCheck([later])) == 12


def test_a_write_ahead_log_is_never_lost_nor_joined_to_another_journal(journal: SqliteJournal, tmp_path: Path) -> None:
    path, target = tmp_path / "state/journal.sqlite", tmp_path / "backup.sqlite"
    with pytest.raises(UsageError, match="this is no backup; use `homeostat backup`"):
        restore(path, tmp_path / "journal.sqlite", AnchorCheck())
    back_up(path, target, AnchorCheck())
    (tmp_path / "journal.sqlite-wal").write_bytes(b"of another journal")
    with pytest.raises(UsageError, match="it belongs to the journal that was here"):
        restore(target, tmp_path / "journal.sqlite", AnchorCheck())
    (tmp_path / "journal.sqlite-wal").write_bytes(b"")
    assert restore(target, tmp_path / "journal.sqlite", AnchorCheck()) == 12


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(JournalCorrupt, match="not a Homeostat journal"):
        restore(other, tmp_path / "journal.sqlite", AnchorCheck())
    other.write_bytes(b"no database at all, but long enough to look at" * 10)
    with pytest.raises(JournalCorrupt, match="the file is damaged"):
        restore(other, tmp_path / "journal.sqlite", AnchorCheck())
    assert not (tmp_path / "journal.sqlite").exists()
