"""The spool of detached jobs: submit, look up, cancel and clear away, by key, from any agent process at any time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from homeostat.act.bell import ACTIONS_FOLDER
from homeostat.act.context import ActuatorContext
from homeostat.act.files import is_locked, make_folder, read_at_most
from homeostat.act.job_files import Begun, BrokenJobFileError, Exit, JobFiles, Result, job_folder
from homeostat.act.launch import Launcher
from homeostat.act.processes import Identity, boot_id
from homeostat.act.values import variables_of
from homeostat.model.commands import Done, InDoubt, NeverStarted, Report, Running
from homeostat.model.errors import ActuatorError
from homeostat.model.reasons import OutcomeStatus

PASSED_ON = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that every runner gets from the agent, where the agent has them."""

ARTIFACT_BYTES_MAX = 64 << 20
"""More than any cap on outputs; a file that is larger is not one that a runner kept."""

RESUMPTIONS_MAX = 5
"""How many processes may take a dead runner's place, one after the other, before what it did stays in doubt."""

_LOG_BYTES_MAX = 1 << 16
_REMOVED_PREFIX = ".removed."


class Spool:
    """All jobs of an agent's state folder.

    The folder of a job is the only state: what a method says holds for every agent process before and after this one.
    """

    def __init__(self, context: ActuatorContext) -> None:
        self._context = context
        self._actions = context.state / ACTIONS_FOLDER
        self._launcher = Launcher()

    def settled(self, key: str) -> bool:
        """Whether this key is taken, so that submitting it again would have no effect. Raises ActuatorError."""
        try:
            return self._claimed(self._files(key))
        except OSError as error:
            raise ActuatorError(f"{key} could not be looked up: {error}") from error

    def submit(self, key: str, job: Mapping[str, Any], variables: Iterable[str]) -> None:
        """Have a runner carry out the job, unless one ever did or the key was withdrawn.

        Args:
            key: the idempotency key.
            job: what the runner does; see `command.py` and `http.py`.
            variables: names of the agent's variables that the runner needs.

        Raises:
            ActuatorError: the job could not be written or the runner not be started.
        """
        files = self._files(key)
        self._reap()
        if self.settled(key) or self._launcher.living(files.folder):
            return
        limits = {
            "cancel_grace_s": self._context.cancel_grace_s,
            "output_bytes_max": self._context.output_bytes_max,
        }
        try:
            make_folder(self._actions)
            # Durable when the runner claims it, off the loop's thread and before anything can begin.
            files.folder.mkdir(mode=0o700, exist_ok=True)
            files.work.mkdir(mode=0o700, exist_ok=True)
            files.write_job({"key": key, **limits, **job})
            self._launcher.launch(files, self._environment(variables))
        except (ValueError, BrokenJobFileError) as error:
            self.withdraw(key, OutcomeStatus.ERROR, f"nothing was run: {error}")
        except OSError as error:
            raise ActuatorError(f"the runner of {key} could not be started: {error}") from error

    def withdraw(self, key: str, status: OutcomeStatus, detail: str) -> bool:
        """Settle a key that no runner has claimed: it will never run. False if one has.

        Raises:
            ActuatorError: it could not be recorded.
        """
        files = self._files(key)
        try:
            make_folder(files.folder)
            return files.withdraw(status, detail)
        except OSError as error:
            raise ActuatorError(f"{key} could not be withdrawn: {error}") from error

    def lookup(self, key: str) -> Report:
        """Say what became of a key. Raises ActuatorError if its folder cannot be read."""
        self._reap()
        files = self._files(key)
        try:
            return self._report(files)
        except BrokenJobFileError as error:
            return InDoubt(str(error))
        except OSError as error:
            raise ActuatorError(f"{key} could not be looked up: {error}") from error

    def artifact(self, key: str) -> bytes | None:
        """All that was kept of an ended job's output: capped and redacted. None where nothing was.

        Raises:
            ActuatorError: it cannot be read, or is not what the runner kept.
        """
        files = self._files(key)
        try:
            ended = files.read_exit()
            if ended is None or ended.output_sha256 is None:
                return None
            content = read_at_most(files.output, ARTIFACT_BYTES_MAX) or b""
        except (OSError, ValueError, BrokenJobFileError) as error:
            raise ActuatorError(f"the output of {key} cannot be read: {error}") from error
        if hashlib.sha256(content).hexdigest() != ended.output_sha256:
            raise ActuatorError(f"the output of {key} in {files.output} is not what its runner kept")
        return content

    def cancel(self, key: str) -> None:
        """Have a running job stopped, and one that has not begun never begin.

        Raises:
            ActuatorError: the wish could not be recorded or passed on.
        """
        self._reap()
        files = self._files(key)
        withdrawn = "nothing was run: cancelled before it began"
        if not self.settled(key) and self.withdraw(key, OutcomeStatus.CANCELLED, withdrawn):
            return
        try:
            claim = files.read_claim()
            if claim is None or claim.runner is None or files.read_exit() is not None:
                return
            files.request_cancel()
            if claim.runner.alive():
                # Its identity was true a moment ago; a pid is not reused that fast.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(claim.runner.pid, signal.SIGTERM)
            else:
                self._guard(files)
        except (OSError, BrokenJobFileError) as error:
            raise ActuatorError(f"{key} could not be cancelled: {error}") from error

    def _report(self, files: JobFiles) -> Report:
        claim = files.read_claim()
        if claim is None:
            starting = self._launcher.living(files.folder)
            return NeverStarted() if starting is None else Running(f"pid {starting}")
        if claim.withdrawn is not None:
            status, detail = claim.withdrawn
            return Done(OutcomeStatus(status), 0.0, detail=detail)
        if claim.runner is None:
            raise BrokenJobFileError(f"{files.folder} is claimed by nobody")
        ended = files.read_exit()
        if ended is None and claim.runner.alive():
            return Running(f"pid {claim.runner.pid}")
        # It may have ended between the two looks; then its outcome is there by now.
        ended = ended or files.read_exit()
        return _done(ended) if ended is not None else self._report_without_runner(files, claim.runner)

    def _report_without_runner(self, files: JobFiles, runner: Identity) -> Report:
        begun = files.read_begun()
        if begun is None:
            why = _last_line(files) or "its runner was killed before it began"
            return Done(OutcomeStatus.ERROR, 0.0, detail=f"nothing was run: {why}")
        if begun.process.alive():
            with contextlib.suppress(OSError):
                self._guard(files)
            return Running(f"pid {begun.process.pid}")
        guarded = self._guarded(files)
        ended = files.read_exit()
        if ended is not None:
            return _done(ended)
        doubt = files.read_doubt()
        if doubt is not None:
            return InDoubt(doubt)
        if guarded or self._resumed(files):
            return Running(f"pid {begun.process.pid}")
        # It has ended, and its runner did not live to remove what must not outlive it.
        with contextlib.suppress(OSError):
            files.clear_away(files.read_job())
        result = files.read_result()
        return _said(begun, result) if result is not None else InDoubt(_lost(begun, runner))

    def _resumed(self, files: JobFiles) -> bool:
        """Have somebody find out what became of a job that a dead runner began, where its kind can tell."""
        if not files.read_job().get("resumable") or files.resumptions() >= RESUMPTIONS_MAX:
            return False
        with contextlib.suppress(OSError):
            self._guard(files)
        return True

    def _guard(self, files: JobFiles) -> None:
        """Put somebody in the dead runner's place who holds the command to its time-out."""
        if self._guarded(files):
            return
        job = files.read_job()
        # Who finds out what became of a job has to sign in as its runner did; a guard of a command needs no secret.
        variables = variables_of(job["values"], job["secret_commands"]) if job.get("resumable") else ()
        self._launcher.launch(files, self._environment(variables), guard=True)

    def _guarded(self, files: JobFiles) -> bool:
        """Whether a guard, of this agent process or an earlier one, sees to what the command left."""
        return self._launcher.living(files.folder) is not None or is_locked(files.guard_lock)

    def _reap(self) -> None:
        """Clear away ended runners. One that died before it could claim its job has settled it: nothing was run."""
        for folder in self._launcher.reap():
            files = JobFiles(folder)
            if not self._claimed(files):
                why = _last_line(files) or "its runner was killed before it began"
                with contextlib.suppress(OSError):
                    files.withdraw(OutcomeStatus.ERROR, f"nothing was run: {why}")

    def _claimed(self, files: JobFiles) -> bool:
        return (files.folder / "claim").exists()

    def _environment(self, variables: Iterable[str]) -> dict[str, str]:
        own = self._context.environment
        return {name: own[name] for name in (*PASSED_ON, *variables) if name in own}

    def _files(self, key: str) -> JobFiles:
        return JobFiles(job_folder(self._actions, key))


def prune(state: Path, journalled: Iterable[str], *, now: float, older_than_s: float) -> int:
    """Remove the folders of jobs whose outcome is in the journal; give how many.

    Args:
        state: the agent's state folder.
        journalled: keys with an outcome in the journal. No other job is ever touched.
        now: Unix seconds.
        older_than_s: folders that changed more recently than this stay, for people to look at.
    """
    actions = state / ACTIONS_FOLDER
    removed = 0
    for key in journalled:
        folder = job_folder(actions, key)
        files = JobFiles(folder)
        try:
            claim = files.read_claim()
            over = claim is not None and (claim.withdrawn is not None or files.read_exit() is not None)
            if not over or now - folder.stat().st_mtime < older_than_s:
                continue
            # First out of sight in one step: half a folder could be taken for a job that never started.
            folder.rename(actions / f"{_REMOVED_PREFIX}{folder.name}")
            removed += 1
        except (OSError, BrokenJobFileError):
            continue
    for leftover in actions.glob(f"{_REMOVED_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    return removed


def _done(ended: Exit) -> Done:
    return Done(
        status=OutcomeStatus(ended.status),
        duration_s=ended.duration_s,
        exit_code=ended.exit_code,
        output=ended.output,
        output_bytes=ended.output_bytes,
        output_sha256=ended.output_sha256,
        detail=ended.detail,
    )


def _said(begun: Begun, result: Result) -> Done:
    """What a program of ours left, whose runner did not live to see its end."""
    status = OutcomeStatus.OK if result.exit_code == 0 else OutcomeStatus.ERROR
    return Done(status, max(0.0, result.at - begun.at), exit_code=result.exit_code, detail=result.detail)


def _lost(begun: Begun, runner: Identity) -> str:
    if begun.process.boot_id != boot_id():
        return "the host was restarted while it ran"
    if begun.process == runner:
        return "its runner was killed after the request was sent"
    return "its runner was killed, and the command has ended since; how is not known"


def _last_line(files: JobFiles) -> str:
    try:
        lines = (read_at_most(files.log, _LOG_BYTES_MAX) or b"").decode(errors="replace").splitlines()
    except (OSError, ValueError):
        return ""
    return lines[-1][:500] if lines else ""
