"""Workspaces, the telemetry they share, and the processes that run agents in them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from tests.acceptance.crash_driver import Order

from homeostat.app.clock import SystemClock
from homeostat.model import entries as e
from homeostat.model.ports import Record
from homeostat.record.sqlite import SqliteJournal
from homeostat.simulate.sandbox.server import SandboxServer
from homeostat.simulate.sandbox.store import SampleStore

ROOT = Path(__file__).parents[2]
TOKEN = "crashes"
EVERY_TYPE = frozenset(e.ENTRY_TYPES)
STARTED, CLOSED = e.AgentStarted.TYPE, e.Closed.TYPE
LIFE_S_MAX = 60.0
CURE = """
import os, sys
witness = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.write(witness, os.environ["HOMEOSTAT_ACTION_KEY"].encode() + b"\\n")
os.fsync(witness)
"""


def compiled(folder: Path) -> Path | None:
    """The library that lets the disk fail, made with the C compiler of this machine; None where there is none."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "disk_faults.so"
    source = Path(__file__).with_name("disk_faults.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    return library


class Workspace:
    """One agent's folder: one policy whose only step appends its key to a file, and is well once that is there."""

    def __init__(self, folder: Path, url: str, name: str) -> None:
        self.folder = folder
        self.name = name
        self.witness = folder / "witness"
        self.journal = folder / "state" / "journal.sqlite"
        policies = folder / "policies"
        policies.mkdir(parents=True)
        argv = [sys.executable, "-I", "-S", "-c", CURE, str(self.witness)]
        (policies / "actions.yaml").write_text(json.dumps({"cure": {"actuator": "command", "argv": argv}}))
        (policies / "crash.homeostat.yaml").write_text(
            "policy: crash\nowner: team\nactions: actions.yaml\n"
            f"signals: {{errors: {{expr: 'test_errors{{of=\"{name}\"}}', max_age: 10s}}}}\n"
            "trigger: {if: errors > 5, for: 0s}\nresolved: {if: errors < 1, for: 0s, within: 30s}\n"
            "escalate: {to: oncall}\ntimeout: 10m\nsteps:\n"
            "- {do: cure, target: svc/a, effect: unsafe, verify: {if: errors < 1, for: 0s, within: 30s}}\n"
        )
        (folder / "homeostat.toml").write_text(
            f'[prometheus]\nurl = "{url}"\ntoken = "env:CRASH_TOKEN"\n'
            '[agent]\nmode = "auto"\npoll_interval_s = 0.1\nlisten = "127.0.0.1:0"\n'
        )

    @property
    def effects(self) -> list[str]:
        """Keys, in the order of their effects."""
        return self.witness.read_text().split() if self.witness.exists() else []

    def records(self) -> list[Record]:
        """All of the journal, which must be sound."""
        journal = SqliteJournal(self.journal, read_only=True)
        try:
            assert journal.verify() == []
            return list(journal.after(0, EVERY_TYPE))
        finally:
            journal.close()


class Telemetry:
    """A Prometheus that says of each workspace whether its witness is there yet."""

    def __init__(self) -> None:
        self._store = SampleStore()
        self._server = SandboxServer(self._store, SystemClock(), TOKEN)
        self._watched: list[Workspace] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._scrape, daemon=True)
        self.calm: set[str] = set()

    def workspace(self, folder: Path) -> Workspace:
        made = Workspace(folder, self._server.url, folder.name)
        self._watched.append(made)
        return made

    def forget(self, workspace: Workspace) -> None:
        self._watched.remove(workspace)

    def _scrape(self) -> None:
        while not self._stopped.wait(0.04):
            for workspace in list(self._watched):
                errors = 0.0 if workspace.witness.exists() or workspace.name in self.calm else 10.0
                self._store.append("test_errors", {"of": workspace.name}, time.time(), errors)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._server.close()


@dataclass
class Life:
    """What an agent process has said.

    Attributes:
        acknowledged: write position -> types of the entries of that append.
        status: its exit code; -9 where it was killed.
        health: what its health has been, in turn.
        boundaries: of statements and of system calls, where it came to its end by itself.
    """

    acknowledged: dict[int, list[str]] = field(default_factory=dict)
    status: int | None = None
    health: list[str] = field(default_factory=list)
    boundaries: tuple[int, int] = (0, 0)

    def has(self, entry_type: str) -> bool:
        """Whether an entry of this type was acknowledged."""
        return any(entry_type in types for types in self.acknowledged.values())


class Driver:
    """Runs one agent process at a time."""

    def __init__(self, shim: Path | None) -> None:
        environment = {**os.environ, "CRASH_TOKEN": TOKEN}
        if shim is not None:
            environment["LD_PRELOAD"] = str(shim)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.crash_driver"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid: int | None = None

    def live(self, order: Order, until: str = CLOSED) -> Life:
        """Run an agent until it is killed, or until an entry of type `until` is durable; then it is told to stop."""
        life = self.begin(order)
        self.follow(life, lambda: life.status is not None or life.has(until))
        return self.finish(life)

    def finish(self, life: Life) -> Life:
        """Tell the agent to stop, if it has not ended, and wait for it."""
        self.stop(signal.SIGTERM)
        return self.follow(life, lambda: life.status is not None)

    def begin(self, order: Order) -> Life:
        """Start an agent."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return Life()

    def follow(self, life: Life, over: Callable[[], bool]) -> Life:
        """Take in what the agent says, until that is enough or it has lived too long."""
        timer = threading.Timer(LIFE_S_MAX, self.stop, [signal.SIGABRT])
        timer.start()
        try:
            while not over():
                self.take_in(life)
        finally:
            timer.cancel()
        return life

    def take_in(self, life: Life) -> None:
        """Wait for one line of what it says."""
        assert self._process.stdout is not None
        what, _, rest = self._process.stdout.readline().partition(" ")
        match what:
            case "pid":
                self.pid = int(rest)
            case "ack":
                position, _, types = rest.partition(" ")
                life.acknowledged[int(position)] = json.loads(types)
            case "health":
                life.health.append(rest.strip())
            case "boundaries":
                statements, calls = rest.split()
                life.boundaries = (int(statements), int(calls))
            case "end":
                self.pid, life.status = None, int(rest)
            case _:
                raise AssertionError(f"the driver said {what!r}")

    def stop(self, how: signal.Signals) -> None:
        """Send the agent a signal, if it is there."""
        if self.pid is not None:
            os.kill(self.pid, how)

    def close(self) -> None:
        """End the driver, and an agent that is left."""
        self.stop(signal.SIGKILL)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


@contextmanager
def driver(shim: Path | None) -> Iterator[Driver]:
    """A driver, ended afterwards."""
    made = Driver(shim)
    try:
        yield made
    finally:
        made.close()
