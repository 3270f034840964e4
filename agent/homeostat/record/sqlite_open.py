"""Opening a journal in SQLite: what is checked, refused, created and migrated before the first record is read."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from homeostat.model.errors import JournalCorrupt, JournalError, JournalTooNew
from homeostat.record.schema import HEAD_REVISION, schema_faults
from homeostat.record.storage import network_filesystem, synchronise

APPLICATION_ID = 0x484D5354
"""`HMST` in the file's header (sqlite.org/fileformat.html#application_id): this database is a journal."""

BUSY_TIMEOUT_S = 5.0
WAL_BYTES_MAX = 64 * 1024 * 1024
"""What the write-ahead log is cut back to once its content is in the database."""

CHECKPOINT_PAGES = 4000
"""Pages of 4 KiB in the write-ahead log at which SQLite moves them into the database. A page that many appends change
(the end of an index) is then written and synchronised once for all of them."""

READERS_KEPT = 4

_RESTORE = "restore the journal from a backup, or move it away to begin a new one"


def prepare(path: Path) -> None:
    """Make sure there is a journal at `path` that this release can write: create it, or migrate it.

    The caller holds the writer's lock.

    Raises:
        JournalError, JournalCorrupt, JournalTooNew: there is none that can be used; the message says what to do.
    """
    refuse_network(path)
    if not path.exists():
        _create(path)
    check_file(path)
    with reading_errors(path), closing(connect(path, "rw")) as connection:
        revision = read_revision(path, connection)
    if revision != HEAD_REVISION:
        migrate(path)
        check_readable(path)


def check_readable(path: Path) -> None:
    """Make sure that the journal at `path` can be read as it is, without changing anything.

    Raises:
        JournalError, JournalCorrupt, JournalTooNew: it cannot; the message says what to do.
    """
    check_file(path)
    with reading_errors(path), closing(connect(path, reading_mode(path))) as connection:
        revision = read_revision(path, connection)
    if revision != HEAD_REVISION:
        raise JournalError(
            f"{path}: an older release of Homeostat made this journal (schema {revision}, not {HEAD_REVISION});"
            " start this release's agent on it once, which migrates it"
        )


def refuse_network(path: Path) -> None:
    """Raise JournalError when `path` is on a file system that SQLite's write-ahead log cannot live on."""
    if found := network_filesystem(path):
        raise JournalError(
            f"{path}: this is a {found} file system, where SQLite cannot keep a journal safely;"
            " put the journal on a local disk"
        )


def check_file(path: Path) -> None:
    """Look at the file before SQLite does.

    It is not opened for that: closing it again would drop the locks of every SQLite connection of this process
    (sqlite.org/howtocorrupt.html, section 2.2).

    Raises:
        JournalError: it is missing or no file.
        JournalCorrupt: it is empty, which SQLite takes for a new database.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise JournalError(f"{path}: there is no journal here; `homeostat run` begins one") from error
    except OSError as error:
        raise JournalError(f"{path}: cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise JournalError(f"{path}: this is not a file; name the journal's file")
    if not status.st_size:
        raise JournalCorrupt(f"{path}: the file is empty, which a journal never is; {_RESTORE}")


def read_revision(path: Path, connection: sqlite3.Connection) -> str:
    """Give the migration a journal is at, once it is known to be one this release can use or migrate.

    Raises:
        JournalCorrupt: it is not a Homeostat journal, or has lost a part of its schema.
        JournalTooNew: a newer release migrated it.
    """
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if application_id != APPLICATION_ID:
        raise JournalCorrupt(f"{path}: this SQLite database is not a Homeostat journal; {_RESTORE}")
    try:
        revisions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.OperationalError:
        revisions = []
    if len(revisions) != 1 or not str(revisions[0][0]).isdigit():
        raise JournalCorrupt(f"{path}: the journal does not say which release made it; {_RESTORE}")
    revision = str(revisions[0][0])
    if int(revision) > int(HEAD_REVISION):
        raise JournalTooNew(
            f"{path}: a newer release of Homeostat made this journal (schema {revision}, this release reads up to"
            f" {HEAD_REVISION}); upgrade Homeostat"
        )
    if revision == HEAD_REVISION and (faults := schema_faults(connection)):
        raise JournalCorrupt(f"{path}: the journal lacks {', '.join(faults)}; {_RESTORE}")
    return revision


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open one connection; `mode` is `rw`, `ro`, `rwc` (sqlite.org/uri.html) or `immutable`.

    Transactions begin and end by statement, never by themselves.
    """
    connection = sqlite3.connect(
        uri(path, mode),
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    if mode in ("ro", "immutable"):
        connection.execute("PRAGMA query_only = ON")
    else:
        # REPLACE fires the delete trigger, and so is refused, only with recursive triggers.
        connection.execute("PRAGMA recursive_triggers = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    return connection


def uri(path: Path, mode: str | None = None) -> str:
    """Name a journal's file to SQLite; without a mode, for reading."""
    mode = mode or reading_mode(path)
    query = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    return f"file:{quote(str(path))}?{query}"


def writer_engine(path: Path) -> Engine:
    """Give the engine the one writing connection comes from."""
    return create_engine("sqlite://", creator=lambda: connect(path, "rw"), poolclass=NullPool)


def reader_engine(path: Path) -> Engine:
    """Give an engine for reading beside the writer, in this process or another."""
    mode = reading_mode(path)
    return create_engine(
        "sqlite://",
        creator=lambda: connect(path, mode),
        poolclass=QueuePool,
        pool_size=READERS_KEPT,
        max_overflow=-1,
    )


def reading_mode(path: Path) -> str:
    """Choose how to read a journal: one on a read-only medium has no write-ahead log, and none can be made."""
    wal = path.with_name(path.name + "-wal")
    return "ro" if wal.exists() or os.access(path.parent, os.W_OK, effective_ids=True) else "immutable"


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors while reading into ours."""
    try:
        yield
    except UnicodeDecodeError as error:  # the text of an SQLite error about a damaged name
        raise JournalCorrupt(f"{path}: the file is damaged: {error}; {_RESTORE}") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "decode to UTF-8" in str(error):
            raise JournalCorrupt(f"{path}: the file is damaged: {error}; {_RESTORE}") from error
        raise JournalError(f"{path}: cannot be read: {error} ({code or type(error).__name__})") from error


def _create(path: Path) -> None:
    """Create a journal under another name and move it into place, so that there is never half of one."""
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        raise JournalCorrupt(
            f"{path}: the journal is gone, but its write-ahead log {wal.name} is still there;"
            " restore both, or move the log away to begin a new journal"
        )
    draft = path.with_name(path.name + ".new")
    try:
        for leftover in ("", "-journal", "-shm", "-wal"):
            draft.with_name(draft.name + leftover).unlink(missing_ok=True)
        with closing(connect(draft, "rwc")) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute("PRAGMA journal_mode = WAL")
        migrate(draft)
        draft.rename(path)
        synchronise(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"{path}: no journal can be created here: {error}") from error


def migrate(path: Path, revision: str = HEAD_REVISION) -> None:
    """Bring a journal's schema to `revision` in one transaction.

    Raises:
        JournalError: it could not be, and is as it was.
    """
    # Imported here because a journal is migrated once and opened often.
    from alembic import command
    from alembic.config import Config

    engine = writer_engine(path)
    event.listen(engine, "begin", _begin_immediate)
    config = Config()
    config.set_main_option("script_location", "homeostat.record:migrations")
    config.set_main_option("path_separator", "os")
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise JournalError(
            f"{path}: the schema could not be brought to {revision}; it is as it was: {reason}"
        ) from error
    finally:
        engine.dispose()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
