"""Start runner processes so that nothing that happens to the agent reaches them, and notice when they end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path

from homeostat.act.job_files import JobFiles
from homeostat.act.nursery import LENGTH, PID

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from homeostat.act.nursery import main; main(int(sys.argv[2]))"
_ROOT = Path(__file__).resolve().parents[2]
"""Where this very package is: agent and runners are of one version, however it was installed."""
_NURSERY_SOCKET = 3
_ANSWER_S_MAX = 5.0
_TRIES = 2


class Launcher:
    """Starts runners, each in a session of its own: no signal to the agent's process group is theirs.

    They are children of a nursery (`nursery.py`) that is started with the first of them. A pidfd tells of the end of
    each; where none could be opened, a runner is left to what its files say.
    """

    def __init__(self) -> None:
        self._runners: dict[int, tuple[int, Path]] = {}
        """By pidfd: pid and the job's folder."""
        self._pids: dict[Path, int] = {}
        self._poll = select.poll()
        self._nursery: Nursery | None = None
        weakref.finalize(self, _close_all, self._runners)

    def launch(self, files: JobFiles, environment: Mapping[str, str], *, guard: bool = False) -> int:
        """Start the runner (or the guard) of a job; give its pid. Raises OSError."""
        folder = str(files.folder.absolute())
        request = json.dumps({"folder": folder, "environment": dict(environment), "guard": guard}).encode()
        pid, pidfd = self._ask(request)
        if pidfd is not None:
            self._runners[pidfd] = (pid, files.folder)
            self._pids[files.folder] = pid
            self._poll.register(pidfd, select.POLLIN)
        return pid

    def living(self, folder: Path) -> int | None:
        """The pid of a runner or guard of this job that this process started and that still runs."""
        return self._pids.get(folder)

    def reap(self) -> Iterator[Path]:
        """Note those that ended; give the folders of their jobs."""
        for pidfd, _ in self._poll.poll(0) if self._runners else ():
            self._poll.unregister(pidfd)
            os.close(pidfd)
            pid, folder = self._runners.pop(pidfd)
            if self._pids.get(folder) == pid:
                del self._pids[folder]
            yield folder

    def _ask(self, request: bytes) -> tuple[int, int | None]:
        """Have the nursery fork; a new one takes the place of one that is gone. A job's claim allows one runner."""
        for left in reversed(range(_TRIES)):
            if self._nursery is None:
                self._nursery = Nursery()
            try:
                return self._nursery.fork(request)
            except OSError as error:
                # A late answer must not be taken for that to the next request.
                self._nursery.close()
                self._nursery = None
                if not left or not isinstance(error, ConnectionError):
                    raise
        raise AssertionError


class Nursery:
    """The agent's end of its nursery process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-c", _BOOT, str(_ROOT), str(_NURSERY_SOCKET)],
                {},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), _NURSERY_SOCKET),
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=(
                    signal.SIGHUP,
                    signal.SIGINT,
                    signal.SIGQUIT,
                    signal.SIGTERM,
                    signal.SIGCHLD,
                    signal.SIGPIPE,
                ),
            )
        ours.settimeout(_ANSWER_S_MAX)
        self._socket = ours
        self.close = weakref.finalize(self, _end, self.pid, ours)

    def fork(self, request: bytes) -> tuple[int, int | None]:
        """Give a new runner's pid and pidfd.

        Raises:
            ConnectionError: the nursery is gone. OSError: it does not answer, or cannot fork.
        """
        self._socket.sendall(LENGTH.pack(len(request)) + request)
        answer, pidfds, _, _ = socket.recv_fds(self._socket, PID.size, 1)
        if len(answer) < PID.size:
            raise ConnectionResetError("the process that runners are forked from has ended")
        pid = PID.unpack(answer)[0]
        if not pid:
            raise OSError("no runner could be forked; are there too many processes?")
        return pid, pidfds[0] if pidfds else None


def _end(pid: int, ours: socket.socket) -> None:
    """Hang up, and clear the nursery away. It has no state, and its runners do not notice."""
    ours.close()
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _close_all(descriptors: Mapping[int, object]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
