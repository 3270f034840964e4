"""A workspace whose agent runs as users start it, over a metric that the test sets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.acceptance.command_line import homeostat

from homeostat.app.clock import SystemClock
from homeostat.model.entries import Entry
from homeostat.record.sqlite import SqliteJournal
from homeostat.simulate.sandbox.server import SandboxServer
from homeostat.simulate.sandbox.store import SampleStore

TOKEN = "people-token"
PATIENCE_S = 60.0
PROGRAM = str(Path(sys.executable).with_name("homeostat"))

SIGNALS = "errors: {expr: test_errors, max_age: 10s}\n"


class PeopleWorkspace:
    """Starts on entering; ends the agent, by pid, on leaving.

    Attributes:
        errors: what the one metric says.
    """

    def __init__(self, folder: Path, steps: str, *, mode: str = "auto", people: str = "", guards: str = "") -> None:
        self.folder = folder
        self.errors = 0.0
        self._store = SampleStore()
        self._server = SandboxServer(self._store, SystemClock(), TOKEN)
        self._scraping = threading.Event()
        self._scraper = threading.Thread(target=self._scrape, daemon=True)
        self.agent: subprocess.Popen[bytes] | None = None
        self._write(steps, mode, people, guards)

    def _write(self, steps: str, mode: str, people: str, guards: str) -> None:
        policies = self.folder / "policies"
        policies.mkdir(parents=True)
        effects = self.folder / "effects"
        argv = ["sh", "-c", 'echo "$1" >> "$2"', "sh", {"target": "full"}, str(effects)]
        act = {"actuator": "command", "effect": "safe", "takes": "1s", "argv": argv}
        (policies / "actions.yaml").write_text(json.dumps({"act": act}))
        (policies / "signals.yaml").write_text(SIGNALS)
        (policies / "people.homeostat.yaml").write_text(
            "policy: people\nowner: team\nsignals: signals.yaml\nactions: actions.yaml\n"
            "trigger: {if: errors > 5, for: 0s}\nresolved: {if: errors < 1, for: 1s, within: 1m}\n"
            f"escalate: {{to: oncall}}\ntimeout: 10m\nsteps:\n{steps}"
        )
        if guards:
            (policies / "guards.yaml").write_text(guards)
        (self.folder / "homeostat.toml").write_text(
            f'[prometheus]\nurl = "{self._server.url}"\ntoken = "env:PEOPLE_TOKEN"\n'
            f'[agent]\nmode = "{mode}"\npoll_interval_s = 0.1\nlisten = "127.0.0.1:0"\n{people}'
        )

    def __enter__(self) -> Self:
        self._scraper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(signal.SIGKILL)
        self._scraping.set()
        self._scraper.join()
        self._server.close()

    def _scrape(self) -> None:
        while not self._scraping.wait(0.05):
            self._store.append("test_errors", {}, time.time(), self.errors)

    def start(self) -> None:
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = subprocess.Popen(
                [PROGRAM, "run"], cwd=self.folder, env={**os.environ, "PEOPLE_TOKEN": TOKEN}, stderr=log
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.agent is not None and self.agent.poll() is None:
            self.agent.send_signal(how)
            self.agent.wait(timeout=30)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command beside the agent, which is in a process of its own; `run` itself is in one, too."""
        if arguments[0] != "run":
            return homeostat(self.folder, *arguments)
        return subprocess.run(
            [PROGRAM, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=90, check=False
        )

    def pending(self) -> list[dict[str, str]]:
        told = self.run("--json", "pending")
        return json.loads(told.stdout) if told.returncode == 0 else []

    def wait_pending(self, kind: str) -> dict[str, str]:
        found: list[dict[str, str]] = []

        def look() -> bool:
            found[:] = [row for row in self.pending() if row["kind"] == kind]
            return bool(found)

        self.wait_for(f"something of kind {kind} to wait", look)
        return found[0]

    def wait_for(self, what: str, look: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up_at:
            if look():
                return
            time.sleep(0.05)
        raise AssertionError(f"waited for {what}:\n{(self.folder / 'agent.log').read_text()[-3000:]}")

    def effects(self) -> list[str]:
        path = self.folder / "effects"
        return path.read_text().split() if path.exists() else []

    def entries(self) -> list[Entry]:
        journal = SqliteJournal(self.folder / "state/journal.sqlite", read_only=True)
        try:
            streams = [*journal.incidents(), "agent"]
            return [record.entry for stream in streams for record in journal.read(stream)]
        finally:
            journal.close()
