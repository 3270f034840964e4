"""The output of actions, kept by its digest, and the signed anchors of the journal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_position = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create both tables; anchors are append-only, contents of artifacts may be pruned."""
    op.create_table(
        "artifact",
        sa.Column("sha256", sa.Text, primary_key=True, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("truncated", sa.Integer, nullable=False),
        sa.Column("stored_at", sa.Double, nullable=False),
    )
    op.create_table(
        "anchor",
        sa.Column("position", _position, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        _refuse_changes_on_postgresql()
    else:
        for change in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER anchor_refuses_{change} BEFORE {change.upper()} ON anchor "
                "BEGIN SELECT RAISE(ABORT, 'anchors are append-only'); END"
            )


def _refuse_changes_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION anchor_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'anchors are append-only'; END $$"
    )
    for change, scope in (("update", "ROW"), ("delete", "ROW"), ("truncate", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER anchor_refuses_{change} BEFORE {change.upper()} ON anchor "
            f"FOR EACH {scope} EXECUTE FUNCTION anchor_is_append_only()"
        )


def downgrade() -> None:
    """There is no way back from a journal."""
    raise NotImplementedError("the journal is append-only; restore a backup made by the older release")
