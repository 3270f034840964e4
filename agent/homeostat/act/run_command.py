"""The runner's half of the `command` actuator: one program, watched to its end. Standard library only.

The runner is the subreaper of everything the command starts, so that a grandchild that leaves its session or its
parent is still found. A command that ends by itself may leave processes behind (`service start` does so on purpose);
one that is cancelled or over its time may not.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from homeostat.act.job_files import TOO_LATE, Begun, Ending, JobFiles, TooLateError, came_too_late
from homeostat.act.output import OutputFile
from homeostat.act.processes import Process, descendants, own_identity, send
from homeostat.act.wakeup import Wakeup

EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127
EXIT_SIGNALLED = 128
"""Exit codes of programs that could not be run or were killed, as POSIX shells give them."""

RUN_VARIABLE = "HOMEOSTAT_RUN_ID"
"""In the command's environment: by its value, drawn anew for every run, a guard finds what the command started.

The idempotency key would not do: two agents on one host may have the same.
"""

KILL_INTERVAL_S = 0.2
_READ_BYTES = 1 << 16
_PR_SET_CHILD_SUBREAPER = 36
_PIPE_BYTES_DEFAULT = 1 << 16


class CommandRun:
    """One command under its runner.

    Args:
        job: `argv`, `cwd`, `timeout_s`, `cancel_grace_s`.
        environment: the command's whole environment.
    """

    def __init__(
        self, files: JobFiles, job: Mapping[str, Any], environment: Mapping[str, str], output: OutputFile, bell: Wakeup
    ) -> None:
        self._files = files
        self._job = job
        self._run_id = os.urandom(16).hex()
        self._environment = {**environment, RUN_VARIABLE: self._run_id}
        self._output = output
        self._bell = bell
        self._selector = selectors.DefaultSelector()
        self._pipe: int | None = None
        self._child = 0
        self._exit_code: int | None = None
        self._childless = False

    def run(self) -> Ending:
        """Run it to its end, its time-out or its cancellation."""
        _adopt_orphans()
        deadline = time.monotonic() + self._job["timeout_s"]
        try:
            self._begin()
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            return _not_begun(error, self._job)
        while self._exit_code is None and self._bell.stop_signal is None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            self._turn(left_s)
        if self._exit_code is not None:
            return self._ended_by_itself(self._exit_code)
        return self._stop()

    def linger(self) -> None:
        """Read on, to nowhere, for as long as a process left behind holds our pipe: its next line would kill it."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        if self._pipe is None or self._childless:
            return
        os.chdir("/")
        os.set_blocking(self._pipe, True)
        while os.read(self._pipe, _READ_BYTES):
            pass

    def _begin(self) -> None:
        self._pipe, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._pipe, False)
        self._selector.register(self._pipe, selectors.EVENT_READ)
        self._selector.register(self._bell.descriptor, selectors.EVENT_READ)
        try:
            child = subprocess.Popen(
                self._job["argv"],
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                env=self._environment,
                cwd=self._job["cwd"] or self._files.work,
                start_new_session=True,
                # In the child, so that no runner's death can leave an effect that is not on record.
                preexec_fn=_BeginRecord(self._files, self._job, os.getpid(), self._run_id),
            )
        finally:
            os.close(write_end)
        self._child = child.pid
        child.returncode = 0  # We reap it ourselves, with everybody it leaves to us; Popen must not try to.

    def _turn(self, timeout_s: float) -> None:
        """Wait for output or a signal, and take what came."""
        for ready, _ in self._selector.select(timeout_s):
            if ready.fd == self._pipe:
                self._read(_READ_BYTES)
            else:
                self._bell.clear()
        self._reap()

    def _read(self, bytes_max: int) -> int:
        if self._pipe is None:
            return 0
        try:
            chunk = os.read(self._pipe, bytes_max)
        except BlockingIOError:
            return 0
        if chunk:
            self._output.feed(chunk)
        else:
            self._selector.unregister(self._pipe)
            os.close(self._pipe)
            self._pipe = None
        return len(chunk)

    def _reap(self) -> None:
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._child:
                    self._exit_code = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            self._childless = True

    def _ended_by_itself(self, code: int) -> Ending:
        self._drain()
        # We adopt whoever is orphaned below us: with no child there is nobody, and no need to read all of /proc.
        left = 0 if self._childless else len(descendants(os.getpid()))
        note = f"left {left} {'process' if left == 1 else 'processes'} running" if left else ""
        if code == 0:
            return Ending("ok", 0, note)
        what = f"exit code {code}" if code > 0 else f"killed by {_signal_name(-code)}"
        return Ending("error", _shell_code(code), "; ".join(filter(None, (what, note))))

    def _drain(self) -> None:
        """Read what the ended command left in the pipe, which is at most what a pipe holds."""
        left = _PIPE_BYTES_DEFAULT if self._pipe is None else fcntl.fcntl(self._pipe, fcntl.F_GETPIPE_SZ)
        while left > 0:
            count = self._read(min(left, _READ_BYTES))
            if not count:
                return
            left -= count

    def _stop(self) -> Ending:
        """End everything below us: TERM, a grace, then KILL until nobody is left.

        There is no bound on the last part: as long as somebody lives, the action is not over and must not be
        reported so. A process that cannot be killed keeps it running, which is the truth.
        """
        stop_signal = self._bell.stop_signal
        grace_s = self._job["cancel_grace_s"]
        self._send_term()
        deadline = time.monotonic() + grace_s
        while not self._childless and (left_s := deadline - time.monotonic()) > 0:
            self._turn(left_s)
        means = "TERM" if self._childless else f"KILL, {grace_s:g} s after TERM"
        while not self._childless:
            send(descendants(os.getpid()), signal.SIGKILL)
            self._turn(KILL_INTERVAL_S)
        self._drain()
        code = None if self._exit_code is None else _shell_code(self._exit_code)
        if stop_signal is None:
            return Ending("timeout", code, f"no end within {self._job['timeout_s']:g} s; stopped by {means}")
        why = "cancelled" if self._files.cancel_requested() else f"its runner was sent {stop_signal.name}"
        return Ending("cancelled", code, f"{why}; stopped by {means}")

    def _send_term(self) -> None:
        """TERM to the command's group as one, and to whoever left it; CONT, since a stopped process takes no TERM."""
        ask_to_end(self._job, self._child, descendants(os.getpid()))


class _BeginRecord:
    """Records the process that is about to become the command, from within it."""

    def __init__(self, files: JobFiles, job: Mapping[str, Any], runner: int, run_id: str) -> None:
        self._files = files
        self._job = job
        self._runner = runner
        self._run_id = run_id

    def __call__(self) -> None:
        identity = own_identity()
        self._files.write_begun(Begun(identity, time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), self._run_id))
        # Whoever finds the runner dead and no record says that nothing was run. From here on that would be a lie,
        # unless the runner was alive when the record was there.
        if os.getppid() != self._runner:
            os._exit(EXIT_NOT_EXECUTABLE)
        # Putting it on record may have taken a slow disk any time.
        if came_too_late(self._job):
            raise TooLateError


def ask_to_end(job: Mapping[str, Any], leader: int, processes: list[Process]) -> None:
    """TERM to everybody; but a program of ours is told alone, since it knows how what it runs is stopped.

    Args:
        job: the job; `own` says that its command is a program of ours (`own_program.py`).
        leader: pid of the command.
        processes: everybody alive who belongs to it.
    """
    told = [process for process in processes if process.pid == leader] if job.get("own") else []
    if told:
        send(told, signal.SIGTERM)
        send(told, signal.SIGCONT)
    else:
        terminate(leader, processes)


def terminate(leader: int, processes: list[Process]) -> None:
    """Send TERM to the process group of `leader` and to those of `processes` outside of it, once each."""
    if any(process.group == leader for process in processes):
        try:
            os.killpg(leader, signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            send((p for p in processes if p.group == leader), signal.SIGTERM)
    send((p for p in processes if p.group != leader), signal.SIGTERM)
    send(processes, signal.SIGCONT)


def _adopt_orphans() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(code)}")


def _not_begun(error: Exception, job: Mapping[str, Any]) -> Ending:
    program = job["argv"][0]
    if isinstance(error, subprocess.SubprocessError) and came_too_late(job):
        return Ending("cancelled", None, TOO_LATE)
    if isinstance(error, subprocess.SubprocessError):
        return Ending("error", None, "nothing was run: its start could not be put on record; is the disk full?")
    if not isinstance(error, OSError):
        return Ending("error", None, f"nothing was run: {error}")
    if job["cwd"] is not None and error.filename == job["cwd"]:
        return Ending("error", None, f"nothing was run: the working directory {job['cwd']}: {error.strerror}")
    if error.errno == errno.ENOENT:
        return Ending("error", EXIT_NOT_FOUND, f"nothing was run: {program}: {_why_not_found(program)}")
    return Ending("error", EXIT_NOT_EXECUTABLE, f"nothing was run: {program}: {error.strerror}")


def _why_not_found(program: str) -> str:
    if "/" not in program:
        return "not found on the PATH"
    return "its interpreter was not found" if os.path.exists(program) else "no such file"  # noqa: PTH110 - a name


def _shell_code(code: int) -> int:
    return code if code >= 0 else EXIT_SIGNALLED - code


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
