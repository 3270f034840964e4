"""What haproxy's Runtime API is asked about: its socket, a server of a backend, and the server's weight.

https://docs.haproxy.org/2.6/management.html#9.3
"""

from __future__ import annotations

import re

WEIGHT_MAX = 256
"""haproxy's own bound."""

SOCKET_PATH_BYTES_MAX = 107
"""What an address of a Unix socket holds (unix(7))."""

_PORT_MAX = 65535
_NAME = r"[A-Za-z0-9_.:-]{1,200}"
_SERVER = re.compile(f"{_NAME}/{_NAME}", re.ASCII)
_LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost):([1-9][0-9]{0,4})", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,3}", re.ASCII)
_SHARE = re.compile(r"(100|[1-9]?[0-9])%", re.ASCII)


def is_socket(address: str) -> bool:
    """Whether it is where a Runtime API may be asked: a path, or a port of this host."""
    if address.startswith("/"):
        return "\0" not in address and len(address.encode(errors="replace")) <= SOCKET_PATH_BYTES_MAX
    found = _LOOPBACK.fullmatch(address)
    return found is not None and int(found[1]) <= _PORT_MAX


def is_server(name: str) -> bool:
    """Whether it reads BACKEND/SERVER, in characters that names have in haproxy's configuration."""
    return _SERVER.fullmatch(name) is not None


def is_weight(weight: object) -> bool:
    """Whether it is 0 to 256, or a share of the configured weight like `50%`."""
    if isinstance(weight, str):
        return _SHARE.fullmatch(weight) is not None or (
            _NUMBER.fullmatch(weight) is not None and int(weight) <= WEIGHT_MAX
        )
    return type(weight) is int and 0 <= weight <= WEIGHT_MAX
