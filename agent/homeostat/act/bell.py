"""A bell that runners ring when an action has ended, so that nobody waits out a poll interval. Standard library only.

It only hastens what polling would find: no ring says which action it was, and one that is lost costs an interval.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from types import TracebackType

from homeostat.act.files import make_folder

ACTIONS_FOLDER = "actions"
_NAME = "bell"
_READ_BYTES = 4096


def ring(actions: Path) -> None:
    """Wake the agent that listens at the folder of all jobs, if there is one."""
    with contextlib.suppress(OSError):
        descriptor = os.open(actions / _NAME, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.write(descriptor, b"\0")
        finally:
            os.close(descriptor)


class Bell:
    """The agent's end: a named pipe (fifo(7)) in its state folder. Implements `app.clock.Alarm`.

    Raises:
        OSError: the pipe cannot be made.
    """

    def __init__(self, state: Path) -> None:
        actions = state / ACTIONS_FOLDER
        make_folder(actions)
        path = actions / _NAME
        if not path.is_fifo() or path.is_symlink():
            # A file reads as rung for ever, and the agent would turn without a rest.
            path.unlink(missing_ok=True)
            with contextlib.suppress(FileExistsError):
                os.mkfifo(path, 0o600)
        # Open for writing too (Linux allows it), so that it never reads as ended between two runners.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)

    def fileno(self) -> int:
        """Readable once it was rung."""
        return self._descriptor

    def clear(self) -> None:
        """Take all rings so far."""
        with contextlib.suppress(BlockingIOError):
            while len(os.read(self._descriptor, _READ_BYTES)) == _READ_BYTES:
                pass

    def close(self) -> None:
        """Stop listening; the pipe stays for the next agent."""
        os.close(self._descriptor)

    def __enter__(self) -> Bell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
