"""`[heartbeat]` of the settings file."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from homeostat.act.secret import FORMS, is_reference
from homeostat.app.table import Table


class HeartbeatTable(Table):
    """The dead man's switch: `url` is called after a healthy tick, at most every `every_s`. Without `url` it is not.

    `url` begins with https:// (http:// on loopback), or is a reference, since who knows it can keep the switch quiet.
    A source that could not be read for `blind_s_max` stops the beats.
    """

    url: str | None = None
    every_s: float = Field(60.0, ge=1.0, le=86_400.0)
    timeout_s: float = Field(10.0, ge=0.1, le=60.0)
    blind_s_max: float = Field(300.0, ge=1.0, le=86_400.0)

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is not None and not is_reference(url) and not is_beat_url(url):
            raise ValueError(f"must begin with https:// (http:// on loopback only), or be a reference: {FORMS}")
        return url


def is_beat_url(url: str) -> bool:
    """Whether beats may be sent there: what is secret in the address crosses no network in clear text."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.username is not None or parts.password is not None:
        return False
    loopback = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    return bool(parts.hostname) and (parts.scheme == "https" or loopback)
