"""Agents that are killed at a chosen write: forked, one after the other, from one process that has everything loaded.

Reads one order a line from stdin, `Order` as JSON; says on stdout what became of the agent: `pid N`, `ack POSITION
TYPES` for each append that returned to the loop, `health WHY` when it changes, `boundaries N M`, and `end STATUS`.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from homeostat.app import compose
from homeostat.app.agent import Agent
from homeostat.app.settings import load_settings
from homeostat.model.ports import Batch
from homeostat.record import sqlite_open
from homeostat.record.sqlite import SqliteJournal

HEALTH_S = 0.05
WRITING = ("BEGIN", "INSERT", "UPDATE", "COMMIT")


@dataclass(frozen=True)
class Order:
    """One agent process.

    Attributes:
        workspace: its folder.
        statement: the writing statement at which it is killed, counted from 1, two for each: before and after; 0: none.
        call: the same for system calls on the journal's files; needs `disk_faults.c`.
        torn: whether that call has written half of its bytes when the process is killed.
    """

    workspace: str
    statement: int = 0
    call: int = 0
    torn: bool = False


class Statements:
    """Counts writing statements on every connection, and kills this process at one of them."""

    def __init__(self, kill_at: int) -> None:
        self._kill_at = kill_at
        self.boundaries = 0

    def reach(self) -> None:
        self.boundaries += 1
        if self.boundaries == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def factory(self) -> type[sqlite3.Connection]:
        reach = self.reach

        class Killing(sqlite3.Connection):
            def execute(self, sql: str, /, *parameters: Any) -> sqlite3.Cursor:
                if not sql.lstrip().startswith(WRITING):
                    return super().execute(sql, *parameters)
                reach()
                cursor = super().execute(sql, *parameters)
                reach()
                return cursor

        return Killing


def live(order: Order, tell: int) -> None:
    """Be an agent until told to stop, or killed."""
    folder = Path(order.workspace)
    settings = load_settings(folder / "homeostat.toml")
    _arm(settings.journal, folder, order)
    statements = Statements(order.statement)
    opened, factory = sqlite3.connect, statements.factory()
    sqlite_open.sqlite3.connect = lambda *args, **kwargs: opened(*args, factory=factory, **kwargs)  # type: ignore[attr-defined]
    append = SqliteJournal.append

    def acknowledged(self: SqliteJournal, batches: Sequence[Batch], *, seen: int | None = None) -> int:
        position = append(self, batches, seen=seen)
        entries = [entry.TYPE for batch in batches for entry in batch.entries]
        os.write(tell, f"ack {position} {json.dumps(entries)}\n".encode())
        return position

    SqliteJournal.append = acknowledged  # type: ignore[method-assign]
    with compose.agent(settings, None) as agent:
        threading.Thread(target=_tell_health, args=(agent, tell), daemon=True).start()
        agent.run()
    calls = _shim().disk_faults_boundaries() if _is_loaded() else 0
    os.write(tell, f"boundaries {statements.boundaries} {calls}\n".encode())


def _tell_health(agent: Agent, tell: int) -> None:
    """Say whenever the agent's health changes."""
    told: str | None = "nothing yet"
    while True:
        health = agent.unhealthy()
        if health != told:
            told = health
            os.write(tell, f"health {health or 'well'}\n".encode())
        time.sleep(HEALTH_S)


def _is_loaded() -> bool:
    return "disk_faults" in os.environ.get("LD_PRELOAD", "")


def _shim() -> ctypes.CDLL:
    return ctypes.CDLL(os.environ["LD_PRELOAD"])


def _arm(journal: Path, folder: Path, order: Order) -> None:
    if _is_loaded():
        paths = (os.fsencode(journal), os.fsencode(folder / "disk-fault"))
        _shim().disk_faults_arm(*paths, ctypes.c_long(order.call), ctypes.c_int(order.torn))


def _child(order: Order, tell: int) -> NoReturn:
    """Live in a forked process, and never return into the driver's own code."""
    log = os.open(Path(order.workspace) / "agent.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    status = 1
    try:
        live(order, tell)
        status = 0
    except BaseException:  # noqa: BLE001 - it goes into the log, and the exit code says so
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def serve() -> None:
    """Take orders until stdin is closed."""
    tell = os.dup(1)
    for line in sys.stdin:
        order = Order(**json.loads(line))
        child = os.fork()
        if child == 0:
            _child(order, tell)
        os.write(tell, f"pid {child}\n".encode())
        _, waited = os.waitpid(child, 0)
        os.write(tell, f"end {os.waitstatus_to_exitcode(waited)}\n".encode())


if __name__ == "__main__":
    serve()
