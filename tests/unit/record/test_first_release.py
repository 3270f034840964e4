"""A journal made by the first release opens in this one, means what it meant, and goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from homeostat.app.explain import explain, render
from homeostat.decide.projection import fold
from homeostat.model.entries import ActionIntended, AgentStopped, PolicyLoaded
from homeostat.model.errors import JournalError
from homeostat.model.ports import Batch
from homeostat.model.reasons import Result
from homeostat.record.anchors import AnchorCheck, add_anchor
from homeostat.record.keys import PrivateKey
from homeostat.record.schema import HEAD_REVISION
from homeostat.record.sqlite import SqliteJournal
from homeostat.record.sqlite_backup import restore

FIXTURE = Path(__file__).parent / "fixtures/release_0_1.sql"
RECORDS = 111


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(FIXTURE.read_text())
    return path


def test_the_fixture_is_as_old_as_it_says(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        assert connection.execute("SELECT DISTINCT v FROM journal WHERE type = 'action.intent'").fetchall() == [(1,)]
    with pytest.raises(JournalError, match=r"older release.*start this release's agent on it once"):
        SqliteJournal(path, read_only=True)


def test_it_is_migrated_verified_folded_and_written_on(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        before = connection.execute("SELECT * FROM journal ORDER BY position").fetchall()
    with closing(SqliteJournal(path)) as journal:
        assert journal.verify() == []
        assert journal.position() == RECORDS == len(before)
        incidents = [fold(record.entry for record in journal.read(stream)) for stream in journal.incidents()]
        assert [incident.result for incident in incidents] == [Result.RECOVERED] * 2
        assert [sum(1 for _ in incident.every_attempt()) for incident in incidents] == [1, 2]
        for stream in journal.incidents():
            assert "recovered" in render(explain([record.entry for record in journal.read(stream)]))
        intents = [record.entry for record in journal.since(0.0, [ActionIntended.TYPE])]
        assert [(e.policy, e.undoes, e.spool) for e in intents if isinstance(e, ActionIntended)] == [("", None, "")] * 3
        (loaded,) = [record.entry for record in journal.since(0.0, [PolicyLoaded.TYPE])]
        assert isinstance(loaded, PolicyLoaded)
        assert loaded.environment is None

        assert journal.append([Batch("agent", None, [AgentStopped(at=2e9, agent="a")])]) == RECORDS + 1
        anchor = add_anchor(journal, PrivateKey.generate(), 2e9)
        assert anchor is not None
        assert anchor.position == RECORDS + 1
        assert journal.verify() == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM journal ORDER BY position").fetchall()[:RECORDS] == before
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD_REVISION,)]


def test_a_backup_of_it_is_restored_into_this_release(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "state.sqlite"
    assert restore(path, target, AnchorCheck()) == RECORDS
    with closing(SqliteJournal(target, read_only=True)) as journal:
        assert journal.verify() == []
