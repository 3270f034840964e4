"""`[console]` of the settings file."""

from __future__ import annotations

import re

from pydantic import Field, field_validator, model_validator

from homeostat.app.table import Reference, Table, loopback_address

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[1-9][0-9]{0,4})?", re.ASCII)
"""As browsers write it in Origin: in lower case."""


class ConsoleTable(Table):
    """Where `homeostat serve` listens, and which proxy it believes.

    A proxy that has asked somebody who they are (OpenID Connect, SAML) sends their name in `proxy_user_header`; it is
    believed only with the secret of `proxy_secret` (a reference: env:NAME or file:/PATH) in `X-Proxy-Secret`. What they
    may do, `homeostat access` says. `origins`: the addresses that browsers know the console by, when it is not its own.
    """

    listen: str = "127.0.0.1:8420"
    proxy_user_header: str | None = None
    proxy_secret: Reference | None = None
    origins: list[str] = Field(default_factory=list)
    session_s: float = Field(12 * 3600.0, ge=60.0, le=30 * 86_400.0)

    @field_validator("listen")
    @classmethod
    def _is_loopback(cls, address: str) -> str:
        return loopback_address(address)

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if _ORIGIN.fullmatch(origin) is None:
                raise ValueError(f"{origin!r} is no origin: https://HOST or https://HOST:PORT, without a path")
        return origins

    @model_validator(mode="after")
    def _is_whole(self) -> ConsoleTable:
        if (self.proxy_user_header is None) != (self.proxy_secret is None):
            raise ValueError("proxy_user_header needs proxy_secret, and the other way: else anybody could name anybody")
        return self
