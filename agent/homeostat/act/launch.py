"""Start runner processes so that nothing that happens to the agent reaches them, and clear them away when they end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from homeostat.act.job_files import JobFiles

_RUNNER = ("-I", "-m", "homeostat.act.runner")


class Launcher:
    """Starts runners, each in a session of its own: no signal to the agent's process group is theirs.

    They are this process's children until it dies, so it must reap them; it keeps their pids for that alone.
    """

    def __init__(self) -> None:
        self._folders: dict[int, Path] = {}

    def launch(self, files: JobFiles, environment: Mapping[str, str], *, guard: bool = False) -> int:
        """Start the runner (or the guard) of a job; give its pid. Raises OSError."""
        argv = [sys.executable, *_RUNNER, *(["--guard"] if guard else []), str(files.folder)]
        pid = os.posix_spawn(
            sys.executable,
            argv,
            dict(environment),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, str(files.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE),
        )
        self._folders[pid] = files.folder
        return pid

    def living(self, folder: Path) -> int | None:
        """The pid of a runner or guard of this job that this process started and that still runs."""
        return next((pid for pid, of in self._folders.items() if of == folder), None)

    def reap(self) -> Iterator[Path]:
        """Clear away those that ended; give the folders of their jobs."""
        for pid in list(self._folders):
            try:
                ended, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended = pid
            if ended:
                yield self._folders.pop(pid)
