"""Signals as something to wait for beside pipes. Standard library only."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from types import FrameType


class Wakeup:
    """Makes signals readable on `descriptor`, and remembers whether one of them asked to stop.

    SIGTERM and SIGINT ask to stop. SIGHUP is taken and has no effect: the runner has no terminal to lose. They are
    handled and not ignored, since a command would inherit an ignored signal through exec(2).
    """

    def __init__(self) -> None:
        self.stop_signal: signal.Signals | None = None
        self.descriptor, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._note_stop)
        for signum in (signal.SIGCHLD, signal.SIGHUP):
            signal.signal(signum, lambda _signum, _frame: None)

    def wait(self, timeout_s: float) -> None:
        """Wait for a signal or a ring, at most so long."""
        if select.select([self.descriptor], [], [], timeout_s)[0]:
            self.clear()

    def ring(self) -> None:
        """Wake whoever waits, from another thread."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, b"\0")

    def clear(self) -> None:
        """Take what has woken us."""
        with contextlib.suppress(BlockingIOError):
            while len(os.read(self.descriptor, 4096)) == 4096:
                pass

    def _note_stop(self, signum: int, _frame: FrameType | None) -> None:
        self.stop_signal = signal.Signals(signum)
