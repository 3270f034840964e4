"""`[audit]` of the settings file."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from homeostat.app.table import Reference, Table, plain_url


class AuditTable(Table):
    """How the journal is anchored. Without a key (`homeostat audit keygen`) it is not.

    `key` is a reference (env:NAME or file:PATH) to a private key that is not in the state folder. Anchors are exported
    to a file, by POST to a URL, or both.
    """

    key: Reference | None = None
    anchor_interval_s: float = Field(300.0, ge=1.0, le=86_400.0)
    export_file: Path | None = None
    export_url: str | None = None

    @field_validator("export_url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        return None if url is None else plain_url(url)
