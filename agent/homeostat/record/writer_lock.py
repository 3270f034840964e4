"""One writing process per journal: an advisory lock on a file beside it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from homeostat.model.errors import JournalError

_PID_BYTES_MAX = 32
_USED = "writes to this journal; stop it first, or give this one a journal of its own"


class WriterLock:
    """Held from construction until `release` or the end of the process, however it ends (flock(2)).

    The descriptor is closed on exec, so that programs the agent starts do not inherit the lock.

    Args:
        journal: the journal's path; the lock file is beside it, named `<journal>.lock`, and is never removed:
            a removed one could be locked by two processes at once.
        used: how the other process uses it, and what to do, for the error.

    Raises:
        JournalError: another process (or this one, earlier) writes to the journal, or no file can be made here.
    """

    def __init__(self, journal: Path, used: str = _USED) -> None:
        path = journal.with_name(journal.name + ".lock")
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise JournalError(
                f"{path}: cannot be written ({error.strerror}); the agent must be able to create files in"
                f" {path.parent}: create it or correct its owner, or name another place for the journal"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._descriptor, _PID_BYTES_MAX).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            raise JournalError(f"{journal}: another agent, process {holder}, {used}") from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    @staticmethod
    def holder(journal: Path) -> str | None:
        """The process id of who holds the lock of a journal now, as text; None for nobody. It makes no file."""
        try:
            descriptor = os.open(journal.with_name(journal.name + ".lock"), os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return os.read(descriptor, _PID_BYTES_MAX).decode(errors="replace").strip() or "unknown"
        finally:
            os.close(descriptor)
        return None

    def release(self) -> None:
        """Let others write. Harmless when repeated."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
