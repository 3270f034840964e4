"""Opening a journal in PostgreSQL: what is checked, refused, created and migrated before the first record is read."""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from homeostat.model.errors import JournalCorrupt, JournalError, JournalTooNew
from homeostat.record.postgres_connection import BoundedConnection, Server
from homeostat.record.schema import HEAD_REVISION, METADATA

MIGRATING_S = 60.0
"""How long one statement of a migration may take, waiting for another agent's included."""

VERSION_MIN = 140000
"""PostgreSQL 14: the oldest that its makers still maintain and that knows all we ask of it."""

TABLES = frozenset({"head", "lease", "agent_process", "inbox"})
INDEXES = frozenset({"anchor_previous", "inbox_kind_put_at"})
FUNCTIONS = frozenset({"homeostat_append", "homeostat_begin_session", "homeostat_acquire", "homeostat_hand_over"})
TRIGGERS = frozenset(
    f"{table}_refuses_{change}" for table in ("journal", "anchor") for change in ("update", "delete", "truncate")
)

_LOCK = 0x484D5354
"""`HMST`: the advisory lock under which one agent at a time migrates."""

_RESTORE = "restore the database from a backup, or name an empty one to begin a new journal"

_OBJECTS = """
SELECT 'table ' || table_name FROM information_schema.tables WHERE table_schema = current_schema()
UNION ALL SELECT 'column ' || table_name || '.' || column_name FROM information_schema.columns
    WHERE table_schema = current_schema()
UNION ALL SELECT 'index ' || indexname FROM pg_indexes WHERE schemaname = current_schema()
UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger
    JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = current_schema()::regnamespace AND tgenabled IN ('O', 'A')"""


def prepare(server: Server) -> None:
    """Make sure that there is a journal this release can write: create it, or migrate it.

    Several agents may do so at once; each but the first finds it done.

    Raises:
        JournalError, JournalCorrupt, JournalTooNew: there is none that can be used; the message says what to do.
    """
    try:
        with server.connect("homeostat-migrate", writing=True, statement_s=MIGRATING_S) as connection:
            _check_server(server, connection)
            if _revision(server, connection) == HEAD_REVISION:
                return
            connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{MIGRATING_S:g}s",))
            connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            if _revision(server, connection) != HEAD_REVISION:
                migrate(server, connection)
            if _revision(server, connection) != HEAD_REVISION:
                raise JournalError(f"{server.shown}: the schema could not be brought to {HEAD_REVISION}")
    except psycopg.Error as error:
        raise server.unreachable(error) from error


def check_readable(server: Server) -> None:
    """Make sure that the journal can be read as it is, without changing anything.

    Raises:
        JournalError, JournalCorrupt, JournalTooNew: it cannot; the message says what to do.
    """
    try:
        with server.connect("homeostat-read", writing=False) as connection:
            _check_server(server, connection)
            revision = _revision(server, connection)
    except psycopg.Error as error:
        raise server.unreachable(error) from error
    if revision is None:
        raise JournalError(f"{server.shown}: there is no journal here; `homeostat run` begins one")
    if revision != HEAD_REVISION:
        raise JournalError(
            f"{server.shown}: an older release of Homeostat made this journal (schema {revision}, not {HEAD_REVISION});"
            " start this release's agent on it once, which migrates it"
        )


def migrate(server: Server, connection: BoundedConnection, revision: str = HEAD_REVISION) -> None:
    """Bring the schema to `revision` in one transaction, on a connection that holds the migrations' lock.

    Raises:
        JournalError: it could not be, and is as it was.
    """
    # Imported here because a journal is migrated once and opened often.
    from alembic import command
    from alembic.config import Config

    # Of the pools, this one alone leaves the connection open that it was lent.
    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
    config = Config()
    config.set_main_option("script_location", "homeostat.record:migrations")
    config.set_main_option("path_separator", "os")
    connection.autocommit = False
    try:
        with engine.begin() as wrapped:
            config.attributes["connection"] = wrapped
            command.upgrade(config, revision)
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise JournalError(
            f"{server.shown}: the schema could not be brought to {revision}; it is as it was: {reason}"
        ) from error
    finally:
        if not connection.closed:
            connection.rollback()
            connection.autocommit = True


def schema_faults(connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
    """Name what a database at `HEAD_REVISION` lacks; one phrase each."""
    found = {name for (name,) in connection.execute(_OBJECTS)}
    wanted = [f"trigger {name}" for name in sorted(TRIGGERS)]
    wanted += [f"function {name}" for name in sorted(FUNCTIONS)]
    wanted += [f"table {name}" for name in sorted(TABLES)]
    wanted += [f"index {name}" for name in sorted(INDEXES)]
    for table in METADATA.sorted_tables:
        wanted.append(f"table {table.name}")
        wanted += [f"column {table.name}.{column.name}" for column in table.columns]
        wanted += [f"index {index.name}" for index in table.indexes]
    return [name for name in wanted if name not in found]


def _check_server(server: Server, connection: BoundedConnection) -> None:
    version = connection.info.server_version
    if version < VERSION_MIN:
        raise JournalError(
            f"{server.shown}: this is PostgreSQL {version // 10000}; {VERSION_MIN // 10000} or newer is needed"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise JournalError(
            f"{server.shown}: the database's encoding is {encoding}, where a journal needs UTF8;"
            " create it anew: createdb --encoding UTF8 --template template0"
        )


def _revision(server: Server, connection: BoundedConnection) -> str | None:
    """Give the migration a journal is at; None for an empty database.

    Raises:
        JournalCorrupt: it is something else, or has lost a part of its schema.
        JournalTooNew: a newer release migrated it.
    """
    found = connection.execute("SELECT to_regclass('alembic_version'), to_regclass('journal')").fetchone()
    assert found is not None  # noqa: S101 - a query without FROM gives one row
    versioned, journal = found
    if versioned is None and journal is None:
        return None
    revisions = [] if versioned is None else connection.execute("SELECT version_num FROM alembic_version").fetchall()
    if journal is None or len(revisions) != 1 or not str(revisions[0][0]).isdigit():
        raise JournalCorrupt(f"{server.shown}: the database does not say which release made its journal; {_RESTORE}")
    revision = str(revisions[0][0])
    if int(revision) > int(HEAD_REVISION):
        raise JournalTooNew(
            f"{server.shown}: a newer release of Homeostat made this journal (schema {revision}, this release reads up"
            f" to {HEAD_REVISION}); upgrade Homeostat"
        )
    if revision == HEAD_REVISION and (faults := schema_faults(connection)):
        raise JournalCorrupt(f"{server.shown}: the journal lacks {', '.join(faults)}; {_RESTORE}")
    return revision
