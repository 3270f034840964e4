"""The journal, append-only, and the incidents in it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_position = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create both tables, the unique indexes that carry the journal's promises, and the append-only triggers."""
    op.create_table(
        "journal",
        sa.Column("position", _position, primary_key=True, autoincrement=True),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("v", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("action_key", sa.Text),
        sa.Column("code_version", sa.Text, nullable=False),
        sa.Column("body_sha", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("stream", "seq", name="journal_stream_seq"),
        sqlite_autoincrement=True,
    )
    for name, where in (("intent", sa.text("type = 'action.intent'")), ("outcome", sa.text("type = 'action.outcome'"))):
        op.create_index(
            f"journal_{name}", "journal", ["action_key"], unique=True, sqlite_where=where, postgresql_where=where
        )
    op.create_index("journal_type_at", "journal", ["type", "at"])
    op.create_table(
        "incident",
        sa.Column("id", _position, primary_key=True, autoincrement=True),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("policy_hash", sa.Text, nullable=False),
        sa.Column("dedup_key", sa.Text, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("closed_at", sa.Double),
        sa.Column("head_seq", sa.BigInteger, nullable=False),
        sa.Column("head_hash", sa.Text, nullable=False),
        sa.UniqueConstraint("stream", name="incident_stream"),
    )
    still_open = sa.text("closed_at IS NULL")
    op.create_index(
        "incident_open_dedup_key",
        "incident",
        ["dedup_key"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    if op.get_bind().dialect.name == "postgresql":
        _refuse_changes_on_postgresql()
        return
    for change in ("update", "delete"):
        op.execute(
            f"CREATE TRIGGER journal_refuses_{change} BEFORE {change.upper()} ON journal "
            "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        )


def _refuse_changes_on_postgresql() -> None:
    """Twice: by privilege for those who have none to spare, by trigger for the owner and superusers."""
    op.execute(
        "CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$"
    )
    for change, scope in (("update", "ROW"), ("delete", "ROW"), ("truncate", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER journal_refuses_{change} BEFORE {change.upper()} ON journal "
            f"FOR EACH {scope} EXECUTE FUNCTION journal_is_append_only()"
        )
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON journal FROM PUBLIC, CURRENT_USER")


def downgrade() -> None:
    """There is no way back from a journal."""
    raise NotImplementedError("the journal is append-only; restore a backup made by the older release")
