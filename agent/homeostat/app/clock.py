"""The system's clock, handed out to everybody who needs time."""

from __future__ import annotations

import threading
import time


class SystemClock:
    """Implements `model.ports.Clock`. `stop` ends a wait at once."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def now(self) -> float:
        """Unix seconds, to the millisecond: finer digits only make journals harder to read."""
        return round(time.time(), 3)

    def wait(self, seconds: float) -> bool:
        """Wait for `seconds` or until `stop`; True when stopped."""
        return self._stop.wait(max(0.0, seconds))

    def stop(self) -> None:
        """End the present wait and every later one. Safe to call from a signal handler."""
        self._stop.set()
