"""What all tables of the settings file have in common."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict

from homeostat.act.secret import is_reference

_PORT_MAX = 65535


class Table(BaseModel):
    """One table: unknown keys are refused, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def loopback_address(address: str) -> str:
    """The same, if it is HOST:PORT on this machine alone. Raises ValueError, as pydantic wants it."""
    host, separator, port = address.rpartition(":")
    if not separator or not (port.isascii() and port.isdecimal()) or int(port) > _PORT_MAX:
        raise ValueError("must read HOST:PORT, for example 127.0.0.1:9464")
    if host not in ("127.0.0.1", "localhost"):
        raise ValueError("must be a loopback address: put a proxy that authenticates in front to reach it from outside")
    return address


def _reference(text: str) -> str:
    if not is_reference(text):
        raise ValueError("must be a reference, env:NAME or file:/PATH, and never the secret itself")
    return text


def plain_url(url: str, instead: str = "settings are no place for secrets") -> str:
    """The same, if it is an address of HTTP that holds no secret. Raises ValueError; `instead`: where one belongs."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must begin with https:// or http:// and name a host")
    if parts.username is not None or parts.password is not None or parts.query:
        raise ValueError(f"must hold no user, no password and no query: {instead}")
    return url


Reference = Annotated[str, AfterValidator(_reference)]
"""A secret by reference, as `act.secret` has it."""
