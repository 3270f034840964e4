from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from homeostat.model.entries import ConditionChanged
from homeostat.model.errors import JournalError
from homeostat.model.ports import Batch
from homeostat.record import sqlite_open
from homeostat.record.schema import APPEND_ONLY_TRIGGERS, HEAD_REVISION, METADATA, schema_faults
from homeostat.record.sqlite import SqliteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    journal.append([Batch("s", 0, [ConditionChanged(at=1.0, watch="w", truth=None)])])
    journal.close()
    return path


@pytest.fixture
def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", "homeostat.record:migrations")
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def test_revisions_are_numbered_in_one_line_up_to_the_head(scripts: ScriptDirectory) -> None:
    revisions = [script.revision for script in scripts.walk_revisions()][::-1]
    assert revisions == [f"{number:04}" for number in range(1, len(revisions) + 1)]
    assert scripts.get_heads() == [HEAD_REVISION]


def test_the_migrations_make_the_tables_of_the_schema(path: Path) -> None:
    with sqlite_open.writer_engine(path).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == HEAD_REVISION


def test_after_every_migration_the_journal_is_still_append_only(tmp_path: Path, scripts: ScriptDirectory) -> None:
    """Alembic's batch mode would drop the triggers without a word."""
    for script in scripts.walk_revisions():
        path = tmp_path / f"{script.revision}.db"
        with closing(sqlite_open.connect(path, "rwc")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        sqlite_open.migrate(path, script.revision)
        with closing(sqlite3.connect(path)) as connection:
            found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
            assert {"journal_refuses_update", "journal_refuses_delete"} <= found
            if script.revision == HEAD_REVISION:
                assert set(APPEND_ONLY_TRIGGERS) <= found
                assert schema_faults(connection) == []


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM alembic_version")
        connection.commit()
    with pytest.raises(
        JournalError, match=f"could not be brought to {HEAD_REVISION}; it is as it was: table journal already exists"
    ):
        sqlite_open.migrate(path, HEAD_REVISION)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD_REVISION,))
        connection.commit()
    journal = SqliteJournal(path)
    assert journal.head_seq("s") == 1
    journal.close()


def test_the_migrations_are_in_the_package() -> None:
    folder = Path(sqlite_open.__file__).parent / "migrations"
    assert {"__init__.py", "env.py", "versions"} <= {file.name for file in folder.iterdir()}
    assert (folder / "versions" / "0001_journal.py").is_file()
