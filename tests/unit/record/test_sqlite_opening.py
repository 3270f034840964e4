"""What is refused before a record is read, and in which words."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from homeostat.model.entries import ConditionChanged, Entry
from homeostat.model.errors import JournalCorrupt, JournalError, JournalTooNew
from homeostat.model.ports import Batch
from homeostat.record import sqlite_open
from homeostat.record.schema import HEAD_REVISION
from homeostat.record.sqlite import SqliteJournal

Open = Callable[[Path], SqliteJournal]
OPENINGS: dict[str, Open] = {
    "writing": SqliteJournal,
    "reading": lambda path: SqliteJournal(path, read_only=True),
}
both = pytest.mark.parametrize("opening", OPENINGS.values(), ids=OPENINGS.keys())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal #1?.db"
    journal = SqliteJournal(path)
    entries: list[Entry] = [ConditionChanged(at=float(number), watch="w" * 500, truth=None) for number in range(200)]
    journal.append([Batch("s", 0, entries)])
    journal.close()
    return path


def _sql(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)


def test_a_journal_is_one_file_and_its_lock_when_closed(path: Path) -> None:
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]


@both
def test_something_else_than_sqlite(path: Path, opening: Open) -> None:
    for content, message in (
        (b"", "the file is empty"),
        (b"<html>404", "not a database"),
        (b"\0" * 9999, "not a database"),
    ):
        path.write_bytes(content)
        with pytest.raises(JournalCorrupt, match=f"journal #1.*{message}.*restore the journal from a backup"):
            opening(path)
        assert path.read_bytes() == content


@both
def test_a_damaged_header(path: Path, opening: Open) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:16] + b"\xff" * 4 + content[20:])
    with pytest.raises(JournalCorrupt, match=r"the file is damaged.*restore the journal from a backup"):
        opening(path)


@both
@pytest.mark.parametrize("size", [50, 4096, 9000, 30000])
def test_a_truncated_file(path: Path, opening: Open, size: int) -> None:
    os.truncate(path, size)
    with pytest.raises(JournalCorrupt, match="restore the journal from a backup"):
        opening(path)


def test_a_corrupt_page_is_found_when_it_is_read(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = content.rindex(b'"at":100.0')
    content[middle - 40 : middle + 40] = os.urandom(80)
    path.write_bytes(content)
    journal = SqliteJournal(path)
    with pytest.raises(JournalCorrupt):
        list(journal.read("s"))
    assert journal.verify()
    journal.close()


@both
def test_a_foreign_database(path: Path, opening: Open) -> None:
    path.unlink()
    _sql(path, "CREATE TABLE journal (position); PRAGMA journal_mode = WAL")
    with pytest.raises(JournalCorrupt, match="not a Homeostat journal"):
        opening(path)


@both
@pytest.mark.parametrize(
    ("statement", "lacks"),
    [
        ("DROP TABLE incident", "table incident"),
        ("DROP TRIGGER journal_refuses_delete", "trigger journal_refuses_delete"),
        ("DROP INDEX journal_intent", "index journal_intent"),
        ("ALTER TABLE incident DROP COLUMN closed_at", "column"),
        ("ALTER TABLE incident RENAME COLUMN policy TO plan", "column incident.policy"),
    ],
)
def test_a_schema_that_lost_a_part(path: Path, opening: Open, statement: str, lacks: str) -> None:
    if "closed_at" in statement:
        _sql(path, "DROP INDEX incident_open_dedup_key")
        lacks = "column incident.closed_at, index incident_open_dedup_key"
    _sql(path, statement)
    with pytest.raises(JournalCorrupt, match=f"the journal lacks {lacks}; restore"):
        opening(path)


@both
def test_a_newer_schema(path: Path, opening: Open) -> None:
    _sql(path, "UPDATE alembic_version SET version_num = '0042'")
    with pytest.raises(
        JournalTooNew, match=rf"newer release.*schema 0042, this release reads up to {HEAD_REVISION}\); upgrade"
    ):
        opening(path)


@both
@pytest.mark.parametrize("statement", ["DELETE FROM alembic_version", "DROP TABLE alembic_version",
                                       "UPDATE alembic_version SET version_num = 'abc'"])  # fmt: skip
def test_a_schema_of_no_release(path: Path, opening: Open, statement: str) -> None:
    _sql(path, statement)
    with pytest.raises(JournalCorrupt, match="does not say which release made it"):
        opening(path)


def test_an_older_schema_is_not_read_before_it_is_migrated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_open, "HEAD_REVISION", "0041")
    with pytest.raises(JournalError, match=r"older release.*start this release's agent on it once"):
        SqliteJournal(path, read_only=True)


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal here; `homeostat run` begins one"):
        SqliteJournal(tmp_path / "journal.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_writing_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"cannot be written \(No such file or directory\).*create it"):
        SqliteJournal(tmp_path / "missing" / "journal.db")


def test_a_folder_in_place_of_the_journal(tmp_path: Path) -> None:
    for opening in OPENINGS.values():
        with pytest.raises(JournalError, match="this is not a file"):
            opening(tmp_path)


def test_a_log_whose_journal_is_gone_is_not_laid_over_a_new_one(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append([Batch("t", 0, [ConditionChanged(at=1.0, watch="w", truth=None)])])
    log = path.with_name(path.name + "-wal")
    content = log.read_bytes()
    journal.close()
    path.unlink()
    log.write_bytes(content)
    with pytest.raises(JournalCorrupt, match=r"the journal is gone, but its write-ahead log .* is still there"):
        SqliteJournal(path)
    log.unlink()
    SqliteJournal(path).close()


def test_what_a_killed_creation_left_behind_is_cleared_away(tmp_path: Path) -> None:
    draft = tmp_path / "journal.db.new"
    with closing(sqlite_open.connect(draft, "rwc")) as connection:
        connection.execute("CREATE TABLE journal (half)")
    (tmp_path / "journal.db.new-wal").write_bytes(b"half")
    journal = SqliteJournal(tmp_path / "journal.db")
    assert journal.verify() == []
    journal.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["journal.db", "journal.db.lock"]


def test_a_link_to_a_journal_is_the_same_journal(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(path)
    first = SqliteJournal(path)
    with pytest.raises(JournalError, match="another agent"):
        SqliteJournal(link)
    reader = SqliteJournal(link, read_only=True)
    assert reader.head_seq("s") == 200
    reader.close()
    first.close()


LOCKS_HELD = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
"""


def test_opening_a_journal_twice_drops_no_locks_of_sqlite(path: Path) -> None:
    """POSIX locks go when any descriptor of the file is closed: SQLite's shared lock must still keep others out."""
    writer = SqliteJournal(path)
    writer.append([Batch("t", 0, [ConditionChanged(at=1.0, watch="w", truth=None)])])
    SqliteJournal(path, read_only=True).close()
    with pytest.raises(JournalError, match="another agent"):
        SqliteJournal(path)
    foreign = subprocess.run([sys.executable, "-c", LOCKS_HELD, path], capture_output=True, text=True, check=False)
    assert "BlockingIOError" in foreign.stderr or "PermissionError" in foreign.stderr
    writer.close()


def test_a_second_writer_is_refused_and_told_who_is_first(path: Path) -> None:
    first = SqliteJournal(path)
    with pytest.raises(JournalError, match=f"another agent, process {os.getpid()}, writes to this journal; stop it"):
        SqliteJournal(path)
    program = "import sys; from pathlib import Path; from homeostat.record.sqlite import SqliteJournal\n"
    program += "try: SqliteJournal(Path(sys.argv[1]))\nexcept Exception as error: print(error)"
    told = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True).stdout
    assert f"another agent, process {os.getpid()}, writes" in told
    first.close()
    SqliteJournal(path).close()


def test_the_lock_is_not_inherited_by_programs_the_agent_starts(path: Path) -> None:
    journal = SqliteJournal(path)
    program = "import sys; print('runs', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"runs\n"
        journal.close()
        SqliteJournal(path).close()
        assert child.poll() is None
        child.communicate()


def test_a_failed_opening_releases_the_lock(path: Path) -> None:
    _sql(path, "UPDATE alembic_version SET version_num = '0042'")
    for _ in range(2):
        with pytest.raises(JournalTooNew):
            SqliteJournal(path)


def test_readers_change_nothing_and_take_no_lock(path: Path) -> None:
    before = path.read_bytes()
    reader = SqliteJournal(path, read_only=True)
    with pytest.raises(JournalError, match="open for reading only"):
        reader.append([])
    writer = SqliteJournal(path)
    assert len(list(reader.read("s"))) == 200
    writer.close()
    reader.close()
    assert path.read_bytes() == before


def test_a_network_file_system_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_open, "network_filesystem", lambda _: "nfs4")
    with pytest.raises(JournalError, match=r"nfs4 file system.*put the journal on a local disk"):
        SqliteJournal(path)


READ_ONLY_FOLDER = """
import os, sys
from pathlib import Path
from homeostat.model.errors import JournalError
from homeostat.record.sqlite import SqliteJournal
import alembic.command, alembic.config

if os.geteuid() == 0:
    os.setegid(65534), os.seteuid(65534)
folder = Path(sys.argv[1])
for name in ("journal.db", "new.db"):
    try:
        SqliteJournal(folder / name)
    except JournalError as error:
        print(error)
journal = SqliteJournal(folder / "journal.db", read_only=True)
print(journal.head_seq("s"), journal.verify(), len(list(journal.read("s"))))
"""


def test_a_folder_nobody_may_write_to_can_still_be_read(path: Path) -> None:
    """As from a backup on a read-only medium. Root may write anywhere, so the test reads as nobody."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "journal.db").write_bytes(path.read_bytes())
        folder.chmod(0o555)
        command = [sys.executable, "-c", READ_ONLY_FOLDER, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        folder.chmod(0o755)
        assert done.returncode == 0, done.stderr
        *refused, read = done.stdout.splitlines()
        assert len(refused) == 2
        for line in refused:
            assert "cannot be written (Permission denied); the agent must be able to create files" in line
        assert read == "200 [] 200"
        assert sorted(file.name for file in folder.iterdir()) == ["journal.db"]


READ_AS_NOBODY = """
import os, sys
from pathlib import Path
from homeostat.record.sqlite import SqliteJournal
if os.geteuid() == 0:
    os.setegid(65534), os.seteuid(65534)
journal = SqliteJournal(Path(sys.argv[1]), read_only=True)
print(journal.head_seq("s"), journal.verify())
"""


def test_somebody_who_may_only_read_sees_what_the_running_agent_wrote() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path = Path(name) / "journal.db"
        writer = SqliteJournal(path)
        writer.append([Batch("s", 0, [ConditionChanged(at=1.0, watch="w", truth=None)])])
        command = [sys.executable, "-c", READ_AS_NOBODY, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "1 []\n", "")
        writer.close()
