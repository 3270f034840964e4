"""Time-out and cancellation for a command whose runner was killed. Standard library only.

The guard is no parent of the command, so it cannot learn its exit code: a command that ends by itself stays in doubt.
One that the guard ended is known to have been ended, and recorded so.
"""

from __future__ import annotations

import hashlib
import signal
import time
from typing import Any

from homeostat.act.files import locked
from homeostat.act.job_files import Begun, Exit, JobFiles, ReservedExit
from homeostat.act.output import readable
from homeostat.act.processes import relatives, send
from homeostat.act.run_command import KILL_INTERVAL_S, RUN_VARIABLE, ask_to_end

POLL_INTERVAL_S = 0.1


def guard(files: JobFiles) -> int:
    """Watch the orphaned command until it ends, is cancelled or is over its time; only one guard does."""
    job = files.read_job()
    begun = files.read_begun()
    if begun is None:
        return 0
    with locked(files.guard_lock) as alone:
        if not alone:
            return 0
        while begun.process.alive():
            if files.cancel_requested():
                _end(files, job, begun, "cancelled", "cancelled after its runner was killed")
                return 0
            if _elapsed_s(begun) >= job["timeout_s"]:
                _end(files, job, begun, "timeout", f"no end within {job['timeout_s']:g} s, and its runner was killed")
                return 0
            time.sleep(POLL_INTERVAL_S)
    return 0


def _end(files: JobFiles, job: dict[str, Any], begun: Begun, status: str, why: str) -> None:
    """Stop the command and all its relatives, and record it. As in the runner, KILL goes on until nobody is left."""
    reserved = ReservedExit(files)
    leader, mark = begun.process, f"{RUN_VARIABLE}={begun.run_id}"
    ask_to_end(job, leader.pid, relatives(leader, mark))
    deadline = time.monotonic() + job["cancel_grace_s"]
    while (left := relatives(leader, mark)) and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL_S)
    means = f"KILL, {job['cancel_grace_s']:g} s after TERM" if left else "TERM"
    while left := relatives(leader, mark):
        send(left, signal.SIGKILL)
        time.sleep(KILL_INTERVAL_S)
    files.clear_away(job)
    kept = files.output.read_bytes() if files.output.exists() else b""
    ended = Exit(
        status=status,
        exit_code=None,
        detail=f"{why}; stopped by {means}",
        started_at=begun.at,
        ended_at=time.time(),
        duration_s=_elapsed_s(begun),
        output=readable(kept),
        output_bytes=len(kept),
        output_sha256=hashlib.sha256(kept).hexdigest() if kept else None,
        truncated=True,
    )
    reserved.write(job["key"], ended)


def _elapsed_s(begun: Begun) -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) - begun.boottime_s
