"""`[store]` of the settings file."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from homeostat.app.table import Reference, Table


class StoreTable(Table):
    """Where the journal is kept: without `url` in the state folder, for one agent; with it in a PostgreSQL for many.

    `password` is a reference (`env:NAME`, `file:/PATH`), never the password itself. An agent that has not been heard of
    for `lease_ttl_s` loses its incidents to the others.
    """

    url: str | None = None
    password: Reference | None = None
    lease_ttl_s: float = Field(15.0, ge=2.0, le=300.0)
    require_synchronous_standby: bool = False

    @field_validator("url")
    @classmethod
    def _is_postgresql(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
            raise ValueError("must read postgresql://USER@HOST:PORT/DATABASE")
        if parts.password is not None or "password" in parts.query:
            raise ValueError(
                "must not hold a password; name it by reference in the table [store] of homeostat.toml:"
                " password = 'env:NAME' or 'file:/PATH'"
            )
        return url
