"""What the programs share that run another program for an actuator and read what it says. Standard library only.

The runner starts one of them as the command of a job. Its working directory is the job's `work/`; what to do is the
`request` of the job beside it, which is private to the agent's user, so that nothing of it is in an argument list.
Its exit code and one sentence go into `work/result.json`, durably, so that its end is known even where its runner was
killed meanwhile. Told to end (TERM), it passes that on to the one process that it runs, and says how far it came.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from homeostat.act.files import write_all
from homeostat.act.job_files import JobFiles, Result

DETAIL_CHARACTERS_MAX = 400
CAPTURED_BYTES_MAX = 64 << 20
EXIT_REFUSED = 3
"""Of a program that ran nothing, since what it was about to do is out of bounds."""
EXIT_NOT_FOUND = 127
EXIT_STOPPED = 130
"""As POSIX shells give them."""

_LINE_BYTES_MAX = 1 << 16


class EndedError(Exception):
    """The action is over.

    Attributes:
        exit_code: 0 for success. detail: one sentence.
    """

    def __init__(self, exit_code: int, detail: str) -> None:
        super().__init__(detail)
        self.exit_code = exit_code
        self.detail = detail


class Ran(NamedTuple):
    """A program's end. `first_error` is what its first line said that began with `Error: `."""

    exit_code: int
    output: str
    first_error: str = ""


class Own:
    """One run of a program of ours: its request, its files, and the wish to stop."""

    def __init__(self) -> None:
        self.files = JobFiles(Path.cwd().parent)
        self.job = self.files.read_job()
        self.stopped = False
        self._child: subprocess.Popen[bytes] | None = None
        self._told = False
        self._nothing_yet = "nothing was run: "
        signal.signal(signal.SIGTERM, self._on_term)

    @property
    def request(self) -> Mapping[str, Any]:
        """What the actuator wrote down."""
        request: Mapping[str, Any] = self.job["request"]
        return request

    def _on_term(self, _signum: int, _frame: FrameType | None) -> None:
        self.stopped = True
        self._end_child()

    def _end_child(self) -> None:
        """Tell it once: some programs give up at once when they are told twice."""
        if self._child is not None and not self._told:
            self._told = True
            self._child.terminate()

    def run(self, argv: Sequence[str], *, folder: str | None = None, shown: bool = True) -> Ran:
        """Run a program to its end.

        Args:
            argv: the program and its arguments.
            folder: its working directory.
            shown: whether what it prints goes into the action's output too; else it is only given back.

        Raises:
            EndedError: the wish to stop came before it began, it could not be started, or it printed too much.
        """
        if self.stopped:
            raise EndedError(EXIT_STOPPED, f"stopped before {argv[0]} was called again")
        errors = -1 if shown else os.memfd_create("errors")
        child = self._start(argv, folder, subprocess.STDOUT if shown else errors)
        kept, first_error = bytearray(), ""
        pipe = child.stdout
        while pipe is not None and (line := pipe.readline(_LINE_BYTES_MAX)):
            if shown:
                say(line)
                first_error = first_error or _error_in(line)
            if len(kept) <= CAPTURED_BYTES_MAX:
                kept += line
        code = child.wait()
        self._child = None
        for line in [] if shown else _lines_of(errors):
            say(line)
            first_error = first_error or _error_in(line)
        if len(kept) > CAPTURED_BYTES_MAX:
            raise EndedError(EXIT_REFUSED, f"{argv[0]} {argv[1]} printed more than {CAPTURED_BYTES_MAX} bytes")
        return Ran(code if code >= 0 else 128 - code, kept.decode(errors="replace"), first_error)

    def _start(self, argv: Sequence[str], folder: str | None, stderr: int | None) -> subprocess.Popen[bytes]:
        try:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, cwd=folder)
        except OSError as error:
            what = folder if folder is not None and error.filename == folder else argv[0]
            raise EndedError(EXIT_NOT_FOUND, f"{self._nothing_yet}{what}: {error.strerror}") from error
        self._nothing_yet = ""
        self._child = child
        if self.stopped:
            # The wish came before there was anybody to pass it on to.
            self._end_child()
        return child


def _lines_of(descriptor: int) -> list[bytes]:
    """What a program wrote into a file in memory, of which its beginning is enough."""
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return file.read(_LINE_BYTES_MAX).splitlines(keepends=True)


def say(content: bytes | str) -> None:
    """Add to the action's output. Where the runner was killed nobody listens, and the work goes on without that."""
    with contextlib.suppress(BrokenPipeError):
        write_all(sys.stdout.fileno(), content.encode() if isinstance(content, str) else content)


def carry_out(work: Callable[[Own], str]) -> int:
    """Do the work, record how it ended, and give the exit code. `work` gives the sentence of its success."""
    own = Own()
    try:
        code, detail = 0, work(own)
    except EndedError as ended:
        code, detail = ended.exit_code, ended.detail
    detail = " ".join(detail.split())[:DETAIL_CHARACTERS_MAX]
    own.files.write_result(Result(code, detail, time.time()))
    return code


def _error_in(line: bytes) -> str:
    """What a line says after `Error: `, which may have a frame drawn before it."""
    found = re.match(r"\W*Error: (.{1,300})", line.decode(errors="replace"))
    return found[1].strip() if found else ""
