"""`[heartbeat]` of the settings file."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from homeostat.act.secret import FORMS, is_reference
from homeostat.app.table import Table


class HeartbeatTable(Table):
    """The dead man's switch: who watches the watcher.

    `url` is called after a tick that did its work, at most every `interval_s`. It is a reference (env:NAME or
    file:/PATH), since whoever knows such an address can keep the alarm quiet; one without a secret in it may be written
    as it is. An agent that has not read its telemetry for `blind_s_max` does not beat: it sees nothing.
    """

    url: str | None = None
    interval_s: float = Field(60.0, ge=1.0, le=3600.0)
    timeout_s: float = Field(10.0, ge=0.5, le=60.0)
    blind_s_max: float = Field(300.0, ge=10.0, le=86_400.0)

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is None or is_reference(url):
            return url
        return web_address(url)


def web_address(url: str) -> str:
    """The same, if it is one that can be called. Raises ValueError, as pydantic wants it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"must be an address with https:// or http:// and a host, or {FORMS}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user and no password: settings are no place for secrets; name it by reference")
    return url
