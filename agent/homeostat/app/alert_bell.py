"""The bell that alerts ring: it wakes the loop, and never more often than once in a while."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable

GAP_S_MIN = 1.0
"""Between two wakes, however many alerts come in."""


class AlertBell:
    """Implements `app.clock.Alarm`. A ring within `gap_s` of the last one is heard when that time is over.

    Args:
        gap_s: between two wakes.
        monotonic: seconds of a clock that nobody sets.
    """

    def __init__(self, gap_s: float = GAP_S_MIN, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._gap_s = gap_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._rung_at: float | None = None
        self._due: threading.Timer | None = None
        self._is_closed = False
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def ring(self) -> None:
        """Wake the loop, now or at the end of the gap. Safe from any thread."""
        with self._lock:
            if self._is_closed or self._due is not None:
                return
            now = self._monotonic()
            wait_s = 0.0 if self._rung_at is None else self._rung_at + self._gap_s - now
            if wait_s <= 0.0:
                self._sound(now)
                return
            due = threading.Timer(wait_s, self._ring_now)
            due.daemon = True
            due.start()
            self._due = due  # not before: one that could not be started must not silence those after it

    def _ring_now(self) -> None:
        with self._lock:
            self._due = None
            if not self._is_closed:
                self._sound(self._monotonic())

    def _sound(self, now: float) -> None:
        self._rung_at = now
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, b"\0")

    def fileno(self) -> int:
        """Readable once it was rung."""
        return self._read

    def clear(self) -> None:
        """Take all rings so far."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 4096)

    def close(self) -> None:
        """Ring no more."""
        with self._lock:
            self._is_closed = True
            if self._due is not None:
                self._due.cancel()
            os.close(self._read)
            os.close(self._write)
