from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.journal_contract import JournalContract, changed, closed, content, intended, suspected

from homeostat.model.ports import Batch
from homeostat.record.export import export_journal
from homeostat.record.sqlite import SqliteJournal
from homeostat.record.stored import StoredJournal


@pytest.fixture(scope="class")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new journal, to be copied: making one takes a hundred times as long."""
    path = tmp_path_factory.mktemp("empty") / "journal.db"
    SqliteJournal(path).close()
    return path


class TestSqliteJournal(JournalContract):
    EXAMPLES = 5

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, empty: Path) -> Iterator[None]:
        self._folder, self._empty = tmp_path, empty
        self._opened: list[SqliteJournal] = []
        yield
        for journal in self._opened:
            journal.close()

    def open_new(self) -> StoredJournal:
        path = self._folder / f"{len(self._opened)}.db"
        shutil.copy(self._empty, path)
        return self._open(path)

    def _open(self, path: Path) -> SqliteJournal:
        journal = SqliteJournal(path)
        self._opened.append(journal)
        return journal

    def test_everything_is_there_after_reopening(self) -> None:
        path = self._folder / "journal.db"
        journal = self._open(path)
        journal.append([Batch("a", 0, [suspected("a"), intended("k")]), Batch("b", 0, [suspected("b", 1.0, "b")])])
        journal.append([Batch("b", 1, [closed()]), Batch("agent", 0, [changed()])])
        exported = list(export_journal(journal))
        journal.close()
        journal.close()

        reopened = self._open(path)
        assert list(export_journal(reopened)) == exported
        assert (reopened.incidents(), reopened.open_incidents()) == (["a", "b"], ["a"])
        reopened.append([Batch("a", 2, [changed(5.0), closed()])])
        assert content(reopened, "a") == [suspected("a"), intended("k"), changed(5.0), closed()]
        assert reopened.open_incidents() == []
        assert reopened.verify() == []
