"""A runner in a transient unit of systemd's, out of the agent's control group. Standard library only.

A service manager that stops or kills the agent by its control group (`KillMode=control-group`, the default; an
out-of-memory kill) takes the runners with it; one in a unit of its own stays. The unit is named by the job, so systemd
refuses a second one while the first is there, and the job's claim decides beyond that
(https://www.freedesktop.org/software/systemd/man/latest/systemd-run.html).
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from homeostat.act.job_files import JobFiles

PROGRAM = "systemd-run"
STOP_MARGIN_S = 10
"""How much longer than the command's own grace systemd waits before it kills a runner that it was asked to stop."""

CLAIM_S_MAX = 30.0
"""How long one process waits for the claim of another that is about to run the same job."""

_POLL_S = 0.05
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from homeostat.act import runner; sys.exit(runner.main(sys.argv[2:]))"
)
_ROOT = Path(__file__).resolve().parents[2]


def become_unit(files: JobFiles, cancel_grace_s: float) -> None:
    """Turn this process into one that starts the job's unit and waits for its end; return if the job is claimed.

    As long as the agent sees it, somebody is about to claim the job, or has. Only one process of the host is that for
    a job; the lock goes with it.

    Raises:
        OSError: there is no systemd-run, or the one who has the lock never claims the job.
    """
    lock = os.open(files.folder / "unit.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + CLAIM_S_MAX
    while not _locked(lock):
        if files.read_claim() is not None:
            return
        if time.monotonic() >= deadline:
            raise TimeoutError(f"another process was about to run this job, and has not within {CLAIM_S_MAX:g} s")
        time.sleep(_POLL_S)
    if files.read_claim() is not None:
        return
    os.set_inheritable(lock, True)
    command = unit_command(files.folder.absolute(), cancel_grace_s, os.environ, user=os.geteuid() != 0)
    try:
        os.execvp(PROGRAM, command)  # noqa: S606 - an argument list, and no shell is wanted
    except FileNotFoundError:
        raise FileNotFoundError(f"run_with: systemd needs {PROGRAM}, and it is not on the agent's PATH") from None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unit_command(folder: Path, cancel_grace_s: float, variables: Iterable[str], *, user: bool) -> list[str]:
    """Give the argument list that runs a job's runner in a unit.

    `KillMode=process`: what a command leaves running on purpose is left running, as without systemd. The unit's
    environment can be read by everybody on the host, so it holds nothing secret; see `command.py`.
    """
    return [
        PROGRAM,
        *(["--user"] if user else []),
        "--quiet",
        "--collect",
        "--wait",
        "--service-type=exec",
        f"--unit=homeostat-{folder.name}",
        f"--working-directory={folder}",
        "--property=KillMode=process",
        f"--property=TimeoutStopSec={cancel_grace_s + STOP_MARGIN_S:g}",
        *(f"--setenv={name}" for name in sorted(variables)),
        "--",
        sys.executable,
        "-I",
        "-S",
        "-c",
        _BOOT,
        str(_ROOT),
        "--in-unit",
        str(folder),
    ]
