"""The tables as the newest migration leaves them, and how to tell whether a database has them.

`migrations/` makes them; a test holds both to the same shape. The tables are the same on every database; the
triggers below are SQLite's.

`journal` is the truth. `incident` is a cache over it for the few questions asked all the time, and the place
where "one open incident per dedup key" is enforced; `verify` checks the one against the other.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

HEAD_REVISION = "0003"
"""The newest revision in `migrations/versions`. Revisions are numbered, so that a newer one is known as newer."""

METADATA = MetaData()

# SQLite gives out AUTOINCREMENT positions only for a column that is exactly INTEGER.
_Position = BigInteger().with_variant(Integer, "sqlite")

JOURNAL = Table(
    "journal",
    METADATA,
    Column("position", _Position, primary_key=True, autoincrement=True),
    Column("stream", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("v", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("action_key", Text),
    Column("code_version", Text, nullable=False),
    Column("body_sha", Text, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("stream", "seq", name="journal_stream_seq"),
    sqlite_autoincrement=True,
)
"""Append-only. `position` counts all records of all streams in order of writing, from 1 and without a gap."""

_INTENT = text("type = 'action.intent'")
_OUTCOME = text("type = 'action.outcome'")
Index("journal_intent", JOURNAL.c.action_key, unique=True, sqlite_where=_INTENT, postgresql_where=_INTENT)
Index("journal_outcome", JOURNAL.c.action_key, unique=True, sqlite_where=_OUTCOME, postgresql_where=_OUTCOME)
Index("journal_type_at", JOURNAL.c.type, JOURNAL.c.at)

INCIDENT = Table(
    "incident",
    METADATA,
    Column("id", _Position, primary_key=True, autoincrement=True),
    Column("stream", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("policy_hash", Text, nullable=False),
    Column("dedup_key", Text, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("closed_at", Double),
    Column("head_seq", BigInteger, nullable=False),
    Column("head_hash", Text, nullable=False),
    UniqueConstraint("stream", name="incident_stream"),
)
"""One row per incident; `id` counts them in the order they opened."""

_OPEN = text("closed_at IS NULL")
Index("incident_open_dedup_key", INCIDENT.c.dedup_key, unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)

ARTIFACT = Table(
    "artifact",
    METADATA,
    Column("sha256", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("truncated", Integer, nullable=False),
    Column("stored_at", Double, nullable=False),
)
"""Output of actions under the digest of what is kept of it; `bytes` counts the whole output, also when `truncated`."""

ANCHOR = Table(
    "anchor",
    METADATA,
    Column("position", _Position, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("digest", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("signature", Text, nullable=False),
)
"""Append-only: signed states of the journal, see `anchors.py`."""

APPEND_ONLY_TRIGGERS = (
    "journal_refuses_update",
    "journal_refuses_delete",
    "anchor_refuses_update",
    "anchor_refuses_delete",
)


def schema_faults(connection: sqlite3.Connection) -> list[str]:
    """Name what a database at `HEAD_REVISION` lacks; one phrase each.

    Raises:
        sqlite3.Error: the database cannot be read.
    """
    objects = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    faults = [f"trigger {name}" for name in APPEND_ONLY_TRIGGERS if name not in objects]
    for table in METADATA.sorted_tables:
        if table.name not in objects:
            faults.append(f"table {table.name}")
            continue
        found = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table.name,))}
        faults += [f"column {table.name}.{column.name}" for column in table.columns if column.name not in found]
        faults += [f"index {index.name}" for index in table.indexes if index.name not in objects]
    return faults
