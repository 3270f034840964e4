"""An append that cannot be made durable says so, leaves nothing behind, and works again once the cause is gone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from homeostat.model.entries import AgentStarted, ConditionChanged, Entry
from homeostat.model.errors import JournalConflict, JournalCorrupt, JournalError, JournalWriteError
from homeostat.model.ports import Batch
from homeostat.record import sqlite_open
from homeostat.record.sqlite import SqliteJournal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(tmp_path / "journal.db")
    journal.append([Batch("s", 0, [changed(1)])])
    yield journal
    journal.close()


def changed(at: float) -> ConditionChanged:
    return ConditionChanged(at=at, watch="trigger", truth=True)


def big(at: float) -> Entry:
    return AgentStarted(at=at, agent="a" * 200_000, version="0", seed=1)


def assert_only_first_and_then_usable(journal: SqliteJournal) -> None:
    assert [record.entry for record in journal.read("s")] == [changed(1)]
    assert journal.streams() == ["s"]
    journal.append([Batch("s", 1, [changed(2)]), Batch("t", 0, [big(3)])])
    assert journal.head_seq("s") == 2
    assert journal.verify() == []


def test_a_full_database(journal: SqliteJournal) -> None:
    connection = journal._writing()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 3}")
    for _ in range(3):
        with pytest.raises(JournalWriteError, match=r"nothing was written: .*full \(SQLITE_FULL\); free some space"):
            journal.append([Batch("s", 1, [changed(2)]), Batch("t", 0, [big(3)])])
    connection.execute("PRAGMA max_page_count = 100000")
    assert_only_first_and_then_usable(journal)


def test_a_file_that_became_read_only(journal: SqliteJournal) -> None:
    journal._writing().execute("PRAGMA query_only = ON")
    with pytest.raises(JournalWriteError, match=r"SQLITE_READONLY\); make the file and its directory writable"):
        journal.append([Batch("s", 1, [changed(2)])])
    journal._writing().execute("PRAGMA query_only = OFF")
    assert_only_first_and_then_usable(journal)


def test_another_program_that_writes(journal: SqliteJournal, tmp_path: Path) -> None:
    journal._writing().execute("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalWriteError, match=r"SQLITE_BUSY.*another program holds the journal"):
            journal.append([Batch("s", 1, [changed(2)])])
        foreign.execute("ROLLBACK")
    assert_only_first_and_then_usable(journal)


def test_a_damaged_file_is_nothing_to_try_again(journal: SqliteJournal, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal._writing().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    journal._drop_connection()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\x00" * (len(content) - 4096))
    with pytest.raises(JournalCorrupt, match="the file is damaged"):
        journal.append([Batch("s", 1, [changed(2)])])
    with pytest.raises(JournalCorrupt, match="the file is damaged"):
        list(journal.read("s"))
    assert journal.verify()


DISK_FULL = """
import resource, sys
from pathlib import Path
from homeostat.model.entries import AgentStarted
from homeostat.model.errors import JournalWriteError
from homeostat.model.ports import Batch
from homeostat.record.sqlite import SqliteJournal

journal = SqliteJournal(Path(sys.argv[1]))
entry = AgentStarted(at=1.0, agent="a" * 3000, version="0", seed=1)
journal.append([Batch("s", 0, [entry])])
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
acknowledged, refused = 1, 0
while refused < 5:
    try:
        journal.append([Batch("s", acknowledged, [entry, entry]), Batch(f"other/{acknowledged}", 0, [entry])])
        acknowledged += 2
    except JournalWriteError as error:
        refused += 1
        print(error, file=sys.stderr)
        assert journal.head_seq("s") == acknowledged, (journal.head_seq("s"), acknowledged)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append([Batch("s", acknowledged, [entry])])
assert journal.verify() == [], journal.verify()
journal.close()
print(acknowledged + 1)
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """The write-ahead log meets a limit on file sizes inside COMMIT, as it would meet the end of a disk."""
    path = tmp_path / "journal.db"
    done = subprocess.run([sys.executable, "-c", DISK_FULL, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("nothing was written") == 5
    assert done.stderr.count("space on") == 5
    journal = SqliteJournal(path)
    acknowledged = int(done.stdout)
    assert journal.head_seq("s") == acknowledged > 3
    assert len(journal.streams("other/")) == (acknowledged - 2) // 2
    assert journal.verify() == []
    journal.close()


class _LosesItsAnswer(sqlite3.Connection):
    """Commits, or does not, and reports an error either way: the answer to COMMIT is lost."""

    commits = True
    then_breaks = False

    def execute(self, sql: str, /, *parameters: object) -> sqlite3.Cursor:
        if sql == "COMMIT":
            super().execute("COMMIT" if type(self).commits else "ROLLBACK")
            raise sqlite3.OperationalError("disk I/O error")
        if sql.startswith("SELECT seq, hash") and type(self).then_breaks and not self.in_transaction:
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *parameters)  # type: ignore[arg-type]  # the stub names one parameter


def _doubtful(journal: SqliteJournal, tmp_path: Path, *, commits: bool, then_breaks: bool = False) -> None:
    journal._drop_connection()
    kind = type("Lossy", (_LosesItsAnswer,), {"commits": commits, "then_breaks": then_breaks})
    journal._connection = sqlite3.connect(
        tmp_path / "journal.db", isolation_level=None, check_same_thread=False, factory=kind
    )


def test_a_doubtful_commit_that_happened_is_acknowledged(journal: SqliteJournal, tmp_path: Path) -> None:
    _doubtful(journal, tmp_path, commits=True)
    journal.append([Batch("s", 1, [changed(2)]), Batch("t", 0, [changed(3)])])
    assert (journal.head_seq("s"), journal.head_seq("t")) == (2, 1)
    assert journal.verify() == []


def test_a_doubtful_commit_that_did_not_happen_is_refused(journal: SqliteJournal, tmp_path: Path) -> None:
    _doubtful(journal, tmp_path, commits=False)
    with pytest.raises(JournalWriteError, match="nothing was written"):
        journal.append([Batch("s", 1, [changed(2)]), Batch("t", 0, [changed(3)])])
    journal._drop_connection()
    assert_only_first_and_then_usable(journal)


@pytest.mark.parametrize("commits", [True, False])
def test_a_doubtful_commit_nobody_can_look_into_is_called_unknown(
    journal: SqliteJournal, tmp_path: Path, commits: bool
) -> None:
    _doubtful(journal, tmp_path, commits=commits, then_breaks=True)
    with pytest.raises(JournalWriteError, match="whether the last records were written is not known"):
        journal.append([Batch("s", 1, [changed(2)])])
    if commits:
        with pytest.raises(JournalConflict, match="at record 2, not at 1"):
            journal.append([Batch("s", 1, [changed(2)])])
    else:
        journal.append([Batch("s", 1, [changed(2)])])
    assert [record.entry for record in journal.read("s")] == [changed(1), changed(2)]


def test_an_interrupted_append_leaves_nothing(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_note", interrupt)
        with pytest.raises(KeyboardInterrupt):
            journal.append([Batch("s", 1, [changed(2)])])
    assert_only_first_and_then_usable(journal)


def test_a_journal_that_cannot_be_opened_again_says_so(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> sqlite3.Connection:
        raise sqlite3.OperationalError(f"unable to open {path} {mode}")

    journal._drop_connection()
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_open, "connect", refuse)
        with pytest.raises(JournalWriteError, match="nothing was written: unable to open"):
            journal.append([Batch("s", 1, [changed(2)])])
    assert_only_first_and_then_usable(journal)


def test_a_closed_journal_is_not_used(journal: SqliteJournal) -> None:
    journal.close()
    for use in (
        lambda: journal.append([Batch("s", 1, [changed(2)])]),
        lambda: list(journal.read("s")),
        lambda: journal.head_seq("s"),
        lambda: journal.streams(),
    ):
        with pytest.raises(JournalError, match="the journal was closed"):
            use()


def test_what_is_acknowledged_is_synchronised(journal: SqliteJournal) -> None:
    connection = journal._writing()
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    assert connection.execute("PRAGMA busy_timeout").fetchone() == (5000,)
