"""The detached runner: a process that carries out one job, once, and outlives the agent that started it.

    python -I -m homeostat.act.runner FOLDER           carry out the job in FOLDER, or have a unit of systemd's do so
    python -I -m homeostat.act.runner --in-unit FOLDER carry it out in that unit (`systemd_unit.py`)
    python -I -m homeostat.act.runner --guard FOLDER   see to a job whose runner was killed (`guard.py`, `kinds.py`)

It claims the job before anything else; who finds it claimed leaves without effect. Standard library only, and HTTP
only where the job needs it. It reads the system's clocks: it is a process of its own, and its times go into its report.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from homeostat.act.bell import ring
from homeostat.act.files import locked
from homeostat.act.guard import guard
from homeostat.act.job_files import (
    TOO_LATE,
    BrokenJobFileError,
    Ending,
    Exit,
    JobFiles,
    ReservedExit,
    came_too_late,
)
from homeostat.act.kinds import KINDS, DoubtError, module_of
from homeostat.act.output import OutputFile
from homeostat.act.processes import own_identity
from homeostat.act.redaction import Redactor
from homeostat.act.run_command import CommandRun
from homeostat.act.secret import SecretError, resolve
from homeostat.act.systemd_unit import become_unit
from homeostat.act.wakeup import Wakeup

DETAIL_CHARACTERS_MAX = 500
EXIT_WRITES_MAX = 60
"""How often writing the outcome is tried, a second apart, where the disk refuses it."""


def main(arguments: list[str]) -> int:
    """Carry out, or guard, the job in the folder given; 0 if nothing is left to do."""
    files = JobFiles(Path(arguments[-1]))
    try:
        if arguments[0] == "--guard":
            return resume(files) if files.read_job().get("resumable") else guard(files)
        if arguments[0] == "--in-unit":
            _log_to(files)
        elif files.read_job().get("run_with") == "systemd":
            become_unit(files, files.read_job()["cancel_grace_s"])
            return 0
        return carry_out(files)
    except (OSError, BrokenJobFileError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _log_to(files: JobFiles) -> None:
    """What goes wrong is for the agent to read, wherever systemd would have sent it."""
    log = os.open(files.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(log, 2)
    os.close(log)


def carry_out(files: JobFiles) -> int:
    """Claim the job, do it, and record how it ended."""
    job = files.read_job()
    reserved = ReservedExit(files)
    bell = Wakeup()
    if not files.claim_for(own_identity()):
        reserved.discard()
        return 0
    _see_through(files, job, reserved, bell, resumed=False)
    return 0


def resume(files: JobFiles) -> int:
    """Take a dead runner's place: find out what became of a job that it began. One process does so at a time."""
    job = files.read_job()
    with locked(files.guard_lock) as alone:
        if alone and files.read_begun() is not None and files.read_exit() is None and files.read_doubt() is None:
            files.note_resumption()
            _see_through(files, job, ReservedExit(files), Wakeup(), resumed=True)
    return 0


def _see_through(files: JobFiles, job: dict[str, Any], reserved: ReservedExit, bell: Wakeup, *, resumed: bool) -> None:
    started_at, started = time.time(), time.monotonic()
    values, secrets, ending = _values(job)
    redactor = Redactor(secrets)
    output = OutputFile(files.output, job["output_bytes_max"], redactor)
    command = CommandRun(files, job, values, output, bell) if job["kind"] == "command" else None
    try:
        if resumed:
            ending = _resumed(files, job, values, output, bell, ending)
        elif ending is None:
            ending = _called_off(files, job, bell) or _carried_out(files, job, values, output, bell, command)
    except DoubtError as doubt:
        output.finish()
        files.write_doubt(_line(redactor.text(str(doubt))))
        reserved.discard()
        ring(files.folder.parent)
        return
    printed = output.finish()
    detail = redactor.text("; ".join(filter(None, (ending.detail, printed.problem))))
    ended = Exit(
        status=ending.status,
        exit_code=ending.exit_code,
        detail=_line(detail),
        started_at=started_at,
        ended_at=time.time(),
        duration_s=time.monotonic() - started,
        output=printed.text,
        output_bytes=printed.bytes_total,
        output_sha256=printed.sha256 if printed.bytes_total else None,
        truncated=printed.truncated,
    )
    _record(reserved, job["key"], ended)
    ring(files.folder.parent)
    if command is not None:
        command.linger()


def _carried_out(
    files: JobFiles,
    job: Mapping[str, Any],
    values: Mapping[str, str],
    output: OutputFile,
    bell: Wakeup,
    command: CommandRun | None,
) -> Ending:
    if command is not None:
        return command.run()
    if job["kind"] in KINDS:
        ending: Ending = module_of(job["kind"]).run(files, job, values, output, bell)
        return ending
    return _request(files, job, values, output, bell)


def _resumed(
    files: JobFiles,
    job: Mapping[str, Any],
    values: Mapping[str, str],
    output: OutputFile,
    bell: Wakeup,
    missing: Ending | None,
) -> Ending:
    if missing is not None:
        raise DoubtError(f"its runner was killed, and nobody can ask: {missing.detail}")
    ending: Ending = module_of(job["kind"]).resume(files, job, values, output, bell)
    return ending


def _values(job: Mapping[str, Any]) -> tuple[dict[str, str], list[str], Ending | None]:
    """Look up the environment of a command, or the headers of a request; secrets here and nowhere else.

    Gives the values by name, the secrets that were looked up, and how it ended where one of them is not to be had.
    """
    values: dict[str, str] = {}
    secrets: list[str] = []
    for name, source in job["values"].items():
        if "literal" in source:
            values[name] = source["literal"]
        elif "inherit" in source:
            values[name] = os.environ.get(source["inherit"], "")
        else:
            reference = source.get("secret") or source["sign"]
            try:
                secrets.append(resolve(reference, job.get("secret_commands", {})))
                if "secret" in source:
                    values[name] = _checked(job["kind"], reference, secrets[-1])
                else:
                    values |= _signed(job, source["id"], reference, secrets[-1])
            except SecretError as error:
                return values, secrets, Ending("error", None, f"nothing was run: {error}")
    return values, secrets, None


def _signed(job: Mapping[str, Any], identity: str, reference: str, secret: str) -> dict[str, str]:
    """The headers that prove who sent the request and when."""
    # A command need not wait for hmac.
    from homeostat.act.signing import signed_headers

    try:
        return signed_headers(secret, identity, time.time(), (job["body"] or "").encode())
    except ValueError as error:
        raise SecretError(f"the secret {reference} signs nothing: {error}") from None


def _checked(kind: str, reference: str, secret: str) -> str:
    if kind == "http" and not re.fullmatch(r"[\t\x20-\x7e\xa0-\xff]+", secret):
        raise SecretError(f"the secret {reference} holds a line break or a character that no header may hold")
    return secret


def _called_off(files: JobFiles, job: Mapping[str, Any], bell: Wakeup) -> Ending | None:
    if bell.stop_signal is not None or files.cancel_requested():
        return Ending("cancelled", None, "nothing was run: cancelled before it began")
    if came_too_late(job):
        return Ending("cancelled", None, TOO_LATE)
    if job["timeout_s"] <= 0:
        return Ending("timeout", None, "nothing was run: its time-out is 0 s")
    return None


def _request(
    files: JobFiles, job: Mapping[str, Any], headers: Mapping[str, str], output: OutputFile, bell: Wakeup
) -> Ending:
    # A command need not wait for http.client and ssl.
    from homeostat.act.run_request import run_request

    return run_request(files, job, headers, output, bell)


def _record(reserved: ReservedExit, key: str, ended: Exit) -> None:
    for attempt in range(1, EXIT_WRITES_MAX + 1):
        try:
            reserved.write(key, ended)
        except OSError:
            if attempt == EXIT_WRITES_MAX:
                raise
            time.sleep(1.0)
        else:
            return


def _line(text: str) -> str:
    return " ".join(text.split())[:DETAIL_CHARACTERS_MAX]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
