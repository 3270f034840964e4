"""Being asked to end while a system is up: what was started is ended, and what was broken is put back, all the same."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ASKED = (signal.SIGTERM, signal.SIGHUP)
"""By a supervisor, and by a terminal that is closed. Python raises KeyboardInterrupt for SIGINT by itself."""

_Handler = Callable[[int, FrameType | None], Any] | int | None


@contextmanager
def ends_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP end this process as Ctrl-C does: by an exception, so that everything is taken down."""

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    with _handled(ASKED, end):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whoever asks to end meanwhile is heard afterwards. What is done here must be bounded."""
    heard: list[int] = []
    with _handled((*ASKED, signal.SIGINT), lambda number, _frame: heard.append(number)):
        yield
    for number in heard[:1]:
        signal.raise_signal(number)


@contextmanager
def _handled(numbers: tuple[signal.Signals, ...], by: _Handler) -> Iterator[None]:
    """Signals that are ignored stay so, as under nohup. No handler outlives an exec, so no child inherits anything."""
    before: dict[signal.Signals, _Handler] = {}
    if threading.current_thread() is threading.main_thread():  # signals are the main thread's
        before = {number: was for number in numbers if (was := signal.getsignal(number)) is not signal.SIG_IGN}
    try:
        for number in before:
            signal.signal(number, by)
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)
