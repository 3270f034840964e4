"""Processes with a pid file: started in a group of their own, ended by id, and never mistaken for another."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from homeostat.model.errors import ActuatorError
from homeostat.rig.asked_to_end import undisturbed
from homeostat.rig.layout import Layout, write_whole

STOP_S_MAX = 5.0
LOG_BYTES_MAX = 4 << 20
POLL_S = 0.05
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}
"""What this very process started, to be reaped; the rig's truth are the pid files."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that the rig started.

    Attributes:
        started_ticks: field 22 of /proc/PID/stat. Ids are used again; an id with its start is not.
    """

    pid: int
    started_ticks: int


def _stat(pid: int) -> tuple[str, int] | None:
    """State letter and start of a process, from /proc/PID/stat (proc(5)); None if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[19])


def _pid_file(layout: Layout, name: str) -> Path:
    return layout.folder / "run" / f"{name}.pid"


def names(layout: Layout) -> list[str]:
    """The processes with a pid file."""
    return sorted(path.stem for path in (layout.folder / "run").glob("*.pid"))


def recorded(layout: Layout, name: str) -> Process | None:
    """What the pid file says, if that process is still there and not a zombie."""
    try:
        process = Process(**json.loads(_pid_file(layout, name).read_text()))
    except FileNotFoundError:
        return None
    stat = _stat(process.pid)
    return process if stat is not None and stat[0] not in "ZX" and stat[1] == process.started_ticks else None


def is_running(layout: Layout, name: str) -> bool:
    """Whether it is there, stopped by a signal or not."""
    return recorded(layout, name) is not None


def start(layout: Layout, name: str, arguments: Sequence[str | Path]) -> None:
    """Start it unless it runs.

    Raises:
        ActuatorError: its program could not be started.
    """
    if is_running(layout, name):
        return
    log_path = layout.folder / "log" / f"{name}.log"
    with undisturbed():  # nothing runs that no pid file tells of
        try:
            with log_path.open("ab") as log:
                child = subprocess.Popen(
                    [str(argument) for argument in arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    cwd=layout.folder / "work", start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise ActuatorError(f"{name}: {arguments[0]} could not be started: {error}") from error
        _CHILDREN[child.pid] = child
        stat = _stat(child.pid)
        write_whole(
            _pid_file(layout, name), json.dumps({"pid": child.pid, "started_ticks": 0 if stat is None else stat[1]})
        )


def start_module(layout: Layout, name: str, module: str, *arguments: str) -> None:
    """Start a process of this package."""
    start(layout, name, [sys.executable, "-m", f"homeostat.rig.{module}", str(layout.folder), *arguments])


def send(layout: Layout, name: str, number: signal.Signals) -> bool:
    """Send a signal to it and its children; False if it does not run."""
    process = recorded(layout, name)
    if process is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
        return True
    return False


def stop(layout: Layout, name: str, number: signal.Signals = signal.SIGTERM) -> None:
    """End it and its children, at last by force."""
    send(layout, name, signal.SIGCONT)
    if send(layout, name, number) and not _gone(layout, name, STOP_S_MAX):
        send(layout, name, signal.SIGKILL)
        if not _gone(layout, name, STOP_S_MAX):
            raise ActuatorError(f"{name}: still there {STOP_S_MAX:g} s after SIGKILL")
    _reap(layout, name)
    _pid_file(layout, name).unlink(missing_ok=True)


def _reap(layout: Layout, name: str) -> None:
    """Collect it where this process is the one that started it."""
    with contextlib.suppress(FileNotFoundError):
        child = _CHILDREN.pop(json.loads(_pid_file(layout, name).read_text())["pid"], None)
        if child is not None:
            child.wait(STOP_S_MAX)


def _gone(layout: Layout, name: str, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while is_running(layout, name):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def wait_until(layout: Layout, name: str, ready: Callable[[], bool], within_s: float) -> None:
    """Wait until it is ready; its end or the deadline is an error that shows the end of its log.

    Raises:
        ActuatorError: it ended, or was not ready in time.
    """
    deadline = time.monotonic() + within_s
    while not ready():
        if not is_running(layout, name) or time.monotonic() > deadline:
            state = "not ready after " + f"{within_s:g} s" if is_running(layout, name) else "ended"
            raise ActuatorError(f"{name}: {state}; the end of its log:\n{log_end(layout, name)}")
        time.sleep(POLL_S)


def log_end(layout: Layout, name: str) -> str:
    """The last lines that it wrote."""
    path = layout.folder / "log" / f"{name}.log"
    return path.read_text(errors="replace")[-2000:] if path.exists() else ""


def bound_logs(layout: Layout) -> None:
    """Empty logs that grew beyond `LOG_BYTES_MAX`; they are opened for appending, so their writers go on."""
    for path in (layout.folder / "log").glob("*.log"):
        if path.stat().st_size > LOG_BYTES_MAX:
            os.truncate(path, 0)
