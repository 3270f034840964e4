"""Processes by identity instead of by number, and everybody who descends from one. Linux /proc; see proc(5).

Standard library only.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_DEAD_STATES = frozenset("ZXx")
_ENVIRONMENT_BYTES_MAX = 4 << 20


class Process(NamedTuple):
    """One line of /proc/PID/stat, as far as it is needed."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start_ticks: int

    @property
    def alive(self) -> bool:
        """Whether it can still do anything; a zombie has its pid and start time and cannot."""
        return self.state not in _DEAD_STATES


class Identity(NamedTuple):
    """A process for ever: a pid is reused, a pid with its start time only after a reboot, and never with the boot."""

    pid: int
    start_ticks: int
    boot_id: str

    def alive(self) -> bool:
        """Whether this very process still runs."""
        if self.boot_id != boot_id():
            return False
        process = process_at(self.pid)
        return process is not None and process.alive and process.start_ticks == self.start_ticks


@functools.cache
def boot_id() -> str:
    """Name this boot of the host, which no process outlives."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def own_identity() -> Identity:
    """The calling process."""
    process = process_at(os.getpid())
    if process is None:
        raise OSError("/proc does not show this process; is /proc mounted?")
    return Identity(process.pid, process.start_ticks, boot_id())


def process_at(pid: int) -> Process | None:
    """Who has this pid now; None if nobody."""
    try:
        line = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The command's name, in parentheses, may itself hold blanks and parentheses.
    fields = line[line.rindex(b")") + 2 :].split()
    return Process(pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def descendants(ancestor: int) -> list[Process]:
    """Everybody alive below `ancestor`. Whole only under a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    return _below({ancestor}, list(_everybody()))


def relatives(leader: Identity, mark: str) -> list[Process]:
    """Everybody alive who belongs to a command whose runner is gone.

    Args:
        leader: the command itself, which led a session of its own.
        mark: `NAME=value` that was in the command's environment and in no other's, by which those are found who left
            its session.
    """
    everybody = list(_everybody())
    wanted = b"\0" + mark.encode() + b"\0"
    # A session's number is not reused while it has members; once a stranger has it, it says nothing any more.
    stranger = any(p.pid == leader.pid and p.start_ticks != leader.start_ticks for p in everybody)
    session = None if stranger else leader.pid
    roots = {p.pid for p in everybody if p.session == session or wanted in _environment(p.pid)}
    roots.discard(os.getpid())
    return [p for p in everybody if p.pid in roots and p.alive] + _below(roots, everybody)


def send(processes: Iterable[Process], signum: signal.Signals) -> None:
    """Signal each of them once; who is gone meanwhile, or may not be signalled, is passed over."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, signum)


def _everybody() -> Iterator[Process]:
    for name in os.listdir(_PROC):  # noqa: PTH208 - thousands of names, of which a Path each would be waste
        if name.isdecimal():
            process = process_at(int(name))
            if process is not None:
                yield process


def _below(roots: set[int], everybody: list[Process]) -> list[Process]:
    children: dict[int, list[Process]] = {}
    for process in everybody:
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    pending = list(roots)
    seen = set(roots)
    while pending:
        for child in children.get(pending.pop(), []):
            if child.pid not in seen:
                seen.add(child.pid)
                pending.append(child.pid)
                if child.alive:
                    found.append(child)
    return found


def _environment(pid: int) -> bytes:
    try:
        with (_PROC / str(pid) / "environ").open("rb") as file:
            return b"\0" + file.read(_ENVIRONMENT_BYTES_MAX)
    except OSError:
        return b""
