"""The system's clock, handed out to everybody who needs time."""

from __future__ import annotations

import contextlib
import os
import select
import time
import weakref
from typing import Protocol

PACE_S_MIN = 0.01
"""No alarm ends a wait sooner than this, so that many of them become one turn of the loop."""


class Alarm(Protocol):
    """Something that may end a wait early."""

    def fileno(self) -> int:
        """Readable while it wants to."""
        ...

    def clear(self) -> None:
        """Make it unreadable until the next time."""
        ...


class SystemClock:
    """Implements `model.ports.Clock`. `stop` ends a wait at once, an alarm soon."""

    def __init__(self) -> None:
        self._stopped = False
        self._stop_read, self._stop_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._alarms: list[Alarm] = []
        weakref.finalize(self, _close, self._stop_read, self._stop_write)

    def now(self) -> float:
        """Unix seconds, to the millisecond: finer digits only make journals harder to read."""
        return round(time.time(), 3)

    def listen_to(self, alarm: Alarm) -> None:
        """Let `alarm` end every wait from now on."""
        self._alarms.append(alarm)

    def wait(self, seconds: float) -> bool:
        """Wait for `seconds`, an alarm or `stop`; True when stopped."""
        deadline = time.monotonic() + seconds
        pace_s = min(seconds, PACE_S_MIN) if self._alarms else 0.0
        if pace_s > 0.0:
            select.select([self._stop_read], [], [], pace_s)
        left_s = max(0.0, deadline - time.monotonic())
        descriptors = [alarm.fileno() for alarm in self._alarms]
        rung, _, _ = select.select([self._stop_read, *descriptors], [], [], left_s)
        for alarm in self._alarms:
            if alarm.fileno() in rung:
                alarm.clear()
        return self._stopped

    def stop(self) -> None:
        """End the present wait and every later one. Safe to call from a signal handler."""
        self._stopped = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._stop_write, b"\0")


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
