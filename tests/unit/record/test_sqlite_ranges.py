"""Verification in ranges says what verification from the beginning says."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pytest
from tests.unit.record.test_sqlite_tamper import EDITS, TRIGGERS

from homeostat.model.entries import Entry
from homeostat.model.ports import Batch
from homeostat.record import sqlite_open, sqlite_ranges, sqlite_verify
from homeostat.record.anchors import AnchorCheck, add_anchor
from homeostat.record.keys import PrivateKey
from homeostat.record.sqlite import SqliteJournal


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, make_incident: Callable[[str], list[Entry]]) -> Path:
    """Three interleaved incidents with an anchor in the middle and one at the end; the last incident is open."""
    path = tmp_path_factory.mktemp("original") / "journal.db"
    key = PrivateKey.generate()
    journal = SqliteJournal(path)
    for number, entries in enumerate(zip(*(make_incident(stream) for stream in ("i1", "i2", "i3")), strict=True)):
        batches = [Batch(f"i{stream}", number, [entry]) for stream, entry in enumerate(entries, start=1)]
        journal.append(batches[:2] if number == 11 else batches)
        if number in (4, 11):
            assert add_anchor(journal, key, at=float(number)) is not None
    journal.append([Batch("i4", 0, make_incident("i4")[:3])])
    journal.close()
    return path


def faults(path: Path, ranges_from_rows: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(sqlite_verify, "RANGES_FROM_ROWS", ranges_from_rows)
    monkeypatch.setattr(sqlite_verify, "RANGES_FROM_PROCESSORS", 1)
    monkeypatch.setattr(sqlite_ranges, "RANGE_ROWS", 5)
    with closing(SqliteJournal(path, read_only=True)) as journal:
        return journal.verify()


@pytest.mark.parametrize("edit", ["nothing", *EDITS])
def test_ranges_find_what_a_check_from_the_beginning_finds(
    original: Path, tmp_path: Path, edit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_ranges, "start_workers", ThreadPoolExecutor)
    path = tmp_path / "journal.db"
    shutil.copy(original, path)
    with closing(sqlite3.connect(path)) as connection:
        triggers = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")]
        connection.executescript(TRIGGERS + EDITS.get(edit, ""))
        for sql in triggers:
            if "ON journal " in sql:
                connection.execute(sql)
    assert faults(path, 1, monkeypatch) == faults(path, 1000, monkeypatch)


def test_a_range_says_what_it_must_follow_and_misses_no_record(original: Path, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    shutil.copy(original, path)
    uri = sqlite_open.uri(path)
    with closing(SqliteJournal(path, read_only=True)) as journal:
        last = journal.position()
    assert sqlite_ranges.check_range(uri, 1, 15) is not None
    middle = sqlite_ranges.check_range(uri, 16, 30)
    assert middle is not None
    with closing(SqliteJournal(path, read_only=True)) as journal:
        before = [record for record in journal.after(0, ["action.intent", "decision.made"]) if record.position < 16]
    assert middle.firsts[b"i1"] == (5, before[0].hash.encode())
    assert sqlite_ranges.check_range(uri, 30, last + 1) is None, "a record is missing at the end"


def test_real_processes_prove_a_journal_and_its_anchors(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_ranges, "RANGE_ROWS", 5)
    anchors = AnchorCheck()
    with closing(SqliteJournal(original, read_only=True)) as journal:
        anchors.begin(journal.anchors())
        proven = sqlite_ranges.check_ranges(sqlite_open.uri(original), journal.position(), anchors)
        assert proven is not None
        assert {stream.decode(): head[0] for stream, head in proven.heads.items()} == {
            stream: journal.head_seq(stream) for stream in journal.streams()
        }
    assert len(proven.facts) == 6
    assert (anchors.count, anchors.finish()) == (2, [])


def test_without_its_processes_a_journal_is_verified_all_the_same(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They end at once, as for want of memory."""

    def start_dying(count: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(count, get_context("spawn"), os._exit, (1,))

    monkeypatch.setattr(sqlite_ranges, "start_workers", start_dying)
    assert sqlite_ranges.check_ranges(sqlite_open.uri(original), 38, AnchorCheck()) is None
    assert faults(original, 1, monkeypatch) == []
