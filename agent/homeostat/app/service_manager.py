"""Tells systemd how the agent is (sd_notify(3)); without a NOTIFY_SOCKET it says nothing."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

_SEND_TIMEOUT_S = 1.0
_USEC = 1_000_000


class ServiceManager:
    """The service manager that started this process, if it wants to hear.

    Args:
        environ: where NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are looked for.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        watched = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        given = environ.get("WATCHDOG_USEC", "")
        self._watchdog_usec = int(given) if watched and given.isascii() and given.isdecimal() else 0

    def ready(self, stall_limit_s: float) -> None:
        """The agent has begun. Where it is watched, its silence counts only after `stall_limit_s`.

        The unit's own WatchdogSec knows nothing of the poll interval; the longer of the two holds.
        """
        lines = ["READY=1"]
        if self._watchdog_usec:
            lines.append(f"WATCHDOG_USEC={max(self._watchdog_usec, int(stall_limit_s * _USEC))}")
        self._tell(*lines)

    def alive(self) -> None:
        """A turn of the loop is complete."""
        if self._watchdog_usec:
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The agent ends on purpose."""
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        """Send one datagram. A manager that does not listen must not hold up the loop, nor end it."""
        if not self._address.startswith(("/", "@")):
            return
        path = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.settimeout(_SEND_TIMEOUT_S)
            sender.sendto("\n".join(lines).encode(), path)
