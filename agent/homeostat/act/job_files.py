"""The folder of one job: what the agent, the runner and the next agent know of it. Standard library only.

`job.json`   what to do, written by the agent before the runner starts; not changed once it is claimed
`claim`      who may do it, decided once: the runner, or the agent that withdrew it before any runner came
`begun`      the process that has the effect, durable before the effect can begin
`cancel`     the wish to stop it
`output`     what it printed
`exit.json`  how it ended
`doubt`      why nobody can say how it ended
`resumed`    a byte for each process that took a dead runner's place
`work/`      the command's working directory, if the action names none
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from homeostat.act import checked
from homeostat.act.files import create_once, read_at_most, replace_durably, sync_directory, write_all
from homeostat.act.processes import Identity

JOB_BYTES_MAX = 2 << 20
_RECORD_BYTES_MAX = 64 << 10
_NOT_SAID = (KeyError, TypeError, ValueError, OverflowError)
_STATUSES = frozenset({"ok", "error", "timeout", "cancelled"})
"""Those of `model.reasons.OutcomeStatus`; a runner imports nothing of ours but this room."""


TOO_LATE = "nothing was run: it came too late to begin"


class TooLateError(Exception):
    """The job's bound has passed; it must not begin."""

    def __init__(self) -> None:
        super().__init__(TOO_LATE)


class BrokenJobFileError(Exception):
    """A job's file does not say what it must; the disk or a person changed it."""


class Claim(NamedTuple):
    """Who took the job. Exactly one of `runner` and `withdrawn` is set.

    Attributes:
        withdrawn: the outcome of a job that will never run: its status, and the reason.
    """

    runner: Identity | None = None
    withdrawn: tuple[str, str] | None = None


class Begun(NamedTuple):
    """The process in which the effect takes place, and when it began.

    Attributes:
        at: Unix seconds. boottime_s: seconds on CLOCK_BOOTTIME, which all processes of one boot share.
        run_id: drawn for this run alone; in the environment of everybody the command starts, unless they drop it.
    """

    process: Identity
    at: float
    boottime_s: float
    run_id: str = ""


class Ending(NamedTuple):
    """How the action ended. `status` is one of `model.reasons.OutcomeStatus`."""

    status: str
    exit_code: int | None
    detail: str


class Exit(NamedTuple):
    """All that is recorded of an ended action."""

    status: str
    exit_code: int | None
    detail: str
    started_at: float
    ended_at: float
    duration_s: float
    output: str
    output_bytes: int
    output_sha256: str | None
    truncated: bool


class JobFiles:
    """Reads and writes the files of one job. Every method may raise OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def output(self) -> Path:
        """Where the output goes."""
        return self.folder / "output"

    @property
    def log(self) -> Path:
        """Where the runner says why it could not run."""
        return self.folder / "runner.log"

    @property
    def work(self) -> Path:
        """The command's working directory, if the action names none."""
        return self.folder / "work"

    @property
    def guard_lock(self) -> Path:
        """Held by the one guard of a command that lost its runner."""
        return self.folder / "guard.lock"

    def write_job(self, job: dict[str, Any]) -> None:
        """Write the job that nobody has claimed yet. Raises ValueError if it is too large.

        A power failure may take it back, or leave it empty, and another start may have another bound; then it is
        written again.
        """
        content = json.dumps(job).encode()
        if len(content) > JOB_BYTES_MAX:
            raise ValueError(f"the action is {len(content)} bytes long; at most {JOB_BYTES_MAX} are taken")
        path = self.folder / "job.json"
        if create_once(path, content, durable_content=False, durable_name=False):
            return
        if not path.stat().st_size or _bound_of(self.read_job()) != _bound_of(job):
            replace_durably(path, content)

    def read_job(self) -> dict[str, Any]:
        """Read the job. Raises BrokenJobFileError also when there is none."""
        job = self._read("job.json", JOB_BYTES_MAX)
        if job is None:
            raise BrokenJobFileError(f"{self.folder} holds no job.json")
        return job

    def claim_for(self, runner: Identity) -> bool:
        """Take the job for a runner; False if it is taken.

        The folder is durable then, and the claim's own name with that of `begun`: before the effect can begin.
        """
        sync_directory(self.folder.parent)
        return create_once(self.folder / "claim", json.dumps({"runner": runner._asdict()}).encode(), durable_name=False)

    def withdraw(self, status: str, detail: str) -> bool:
        """See to it that no runner ever takes the job; False if it is taken."""
        return create_once(self.folder / "claim", json.dumps({"withdrawn": [status, detail]}).encode())

    def read_claim(self) -> Claim | None:
        """Say who took the job; None while nobody has."""
        record = self._read("claim")
        if record is None:
            return None
        try:
            if "runner" in record:
                return Claim(runner=_identity(record["runner"]))
            status, detail = record["withdrawn"]
            return Claim(withdrawn=(_status(status), checked.text(detail)))
        except _NOT_SAID as error:
            raise self._broken("claim", error) from error

    def write_begun(self, begun: Begun) -> None:
        """Record that the effect is about to begin, durably."""
        record = {**begun._asdict(), "process": begun.process._asdict()}
        replace_durably(self.folder / "begun", json.dumps(record).encode())

    def read_begun(self) -> Begun | None:
        """Say where and when the effect began; None if it has not."""
        record = self._read("begun")
        if record is None:
            return None
        try:
            return Begun(
                _identity(record["process"]), float(record["at"]), float(record["boottime_s"]), str(record["run_id"])
            )
        except _NOT_SAID as error:
            raise self._broken("begun", error) from error

    def request_cancel(self) -> None:
        """Leave the wish to stop, durably."""
        create_once(self.folder / "cancel", b"")

    def cancel_requested(self) -> bool:
        """Whether somebody wished it to stop."""
        return (self.folder / "cancel").exists()

    def read_exit(self) -> Exit | None:
        """Say how it ended; None while it has not."""
        record = self._read("exit.json")
        if record is None:
            return None
        try:
            return _exit(record)
        except _NOT_SAID as error:
            raise self._broken("exit.json", error) from error

    def write_doubt(self, detail: str) -> None:
        """Record that how it ended cannot be found out, durably."""
        replace_durably(self.folder / "doubt", json.dumps({"detail": detail}).encode())

    def read_doubt(self) -> str | None:
        """Say why nobody knows how it ended; None where nobody has said so."""
        record = self._read("doubt")
        if record is None:
            return None
        try:
            return checked.text(record["detail"])
        except _NOT_SAID as error:
            raise self._broken("doubt", error) from error

    def resumptions(self) -> int:
        """How many processes took a dead runner's place."""
        path = self.folder / "resumed"
        return path.stat().st_size if path.exists() else 0

    def note_resumption(self) -> None:
        """Count this process among them."""
        with (self.folder / "resumed").open("ab") as file:
            file.write(b".")

    def _read(self, name: str, bytes_max: int = _RECORD_BYTES_MAX) -> dict[str, Any] | None:
        try:
            content = read_at_most(self.folder / name, bytes_max)
            if content is None:
                return None
            record = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise self._broken(name, error) from error
        if not isinstance(record, dict):
            raise self._broken(name, ValueError("not a JSON object"))
        return record

    def _broken(self, name: str, error: Exception) -> BrokenJobFileError:
        return BrokenJobFileError(f"{self.folder / name} is damaged ({type(error).__name__}: {error})")


class ReservedExit:
    """Room on the disk for `exit.json`, taken before the action starts, so that its end can be told on a full disk."""

    def __init__(self, files: JobFiles) -> None:
        self._path = files.folder / f".exit.{os.getpid()}"
        self._folder = files.folder
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(self._descriptor, 0, _RECORD_BYTES_MAX)
        except OSError:
            self.discard()
            raise

    def discard(self) -> None:
        """Give the room back."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def write(self, key: str, ended: Exit) -> None:
        """Write how the action ended, whole and durably."""
        content = json.dumps({"key": key, **ended._asdict()}).encode()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        write_all(self._descriptor, content)
        os.ftruncate(self._descriptor, len(content))
        os.fsync(self._descriptor)
        self._path.replace(self._folder / "exit.json")
        sync_directory(self._folder)
        os.close(self._descriptor)


def _bound_of(job: Mapping[str, Any]) -> float | None:
    """Until when the job may begin, in seconds on CLOCK_BOOTTIME; None: no bound."""
    bound_s = job.get("start_before_boottime_s")
    return None if bound_s is None else float(bound_s)


def came_too_late(job: Mapping[str, Any]) -> bool:
    """Whether the job must not begin any more."""
    bound_s = _bound_of(job)
    return bound_s is not None and time.clock_gettime(time.CLOCK_BOOTTIME) >= bound_s


def job_folder(actions: Path, key: str) -> Path:
    """The folder of a key's job below the folder of all jobs."""
    return actions / hashlib.sha256(key.encode()).hexdigest()[:32]


def _exit(record: dict[str, Any]) -> Exit:
    """Read an outcome; what is not of its type would only be found out in the journal. Raises one of `_NOT_SAID`."""
    code, digest = record["exit_code"], record["output_sha256"]
    return Exit(
        status=_status(record["status"]),
        exit_code=None if code is None else checked.whole(code),
        detail=checked.text(record["detail"]),
        started_at=checked.seconds(record["started_at"]),
        ended_at=checked.seconds(record["ended_at"]),
        duration_s=max(0.0, checked.seconds(record["duration_s"])),
        output=checked.text(record["output"]),
        output_bytes=checked.whole(record["output_bytes"]),
        output_sha256=None if digest is None else checked.text(digest),
        truncated=bool(record["truncated"]),
    )


def _status(value: object) -> str:
    if value not in _STATUSES:
        raise ValueError(f"{value!r:.100} is no status")
    return str(value)


def _identity(record: Any) -> Identity:
    return Identity(int(record["pid"]), int(record["start_ticks"]), str(record["boot_id"]))
