"""Alembic's entry point. The connection, in a transaction already, is handed in by the caller."""

from alembic import context

from homeostat.record.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
