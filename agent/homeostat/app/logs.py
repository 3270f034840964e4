"""Structured logs on stderr: JSON for machines, text for people. Never in the loop's way."""

from __future__ import annotations

import atexit
import contextlib
import queue
import sys
import threading
from typing import TextIO

import structlog

LINES_MAX = 10_000
"""So many lines wait for a reader that is slow; later ones are dropped, and their number is told."""

_DRAIN_S = 1.0


class PatientWriter:
    """A text stream that never blocks and never fails: a thread of its own writes to the real one.

    A log's reader may be stuck, gone, or on a full disk; none of that may hold up or end an agent.
    """

    def __init__(self, target: TextIO) -> None:
        self._target = target
        self._lines: queue.Queue[str] = queue.Queue(LINES_MAX)
        self._dropped = 0
        threading.Thread(target=self._write_on, name="log", daemon=True).start()

    def write(self, text: str) -> None:
        """Take a line to be written soon."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def flush(self) -> None:
        """Nothing is promised about when a line arrives."""

    def drain(self) -> None:
        """Give what waits a moment to be written, at the end of the process."""
        waited = threading.Thread(target=self._lines.join, daemon=True)
        waited.start()
        waited.join(_DRAIN_S)

    def _write_on(self) -> None:
        while True:
            line = self._lines.get()
            dropped, self._dropped = self._dropped, 0
            with contextlib.suppress(OSError, ValueError):  # ValueError: the stream was closed
                if dropped:
                    self._target.write(f"{dropped} log lines were dropped: their reader is too slow\n")
                self._target.write(line)
                self._target.flush()
            self._lines.task_done()


def log_to_stderr(format_name: str) -> None:
    """Configure structlog; `format_name` is `json` or `text`. Standard output stays free for a command's own answer."""
    writer = PatientWriter(sys.stderr)
    atexit.register(writer.drain)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if format_name == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(writer),  # type: ignore[arg-type] # it asks for write and flush only
        cache_logger_on_first_use=False,
    )
