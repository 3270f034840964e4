"""Alembic migrations of the journal's tables, run by `record/sqlite_open.py`; there is no alembic.ini.

Traps for whoever adds one: on SQLite, `batch_alter_table` rebuilds a table and silently drops its triggers, so the
journal only ever gets plain ADD COLUMN; a revision, once released, is never edited; `schema.py` moves with the
newest one.
"""
