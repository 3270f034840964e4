"""What all tables of the settings file have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

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
