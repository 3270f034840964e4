"""One agent as an operator starts it: `homeostat run` on a machine and in a workspace of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.chaos.hosts import Host, Link

from homeostat.act.processes import descendants

READY_S_MAX = 120.0
ASK_S_MAX = 120.0
PROGRAM = str(Path(sys.executable).with_name("homeostat"))


class AgentProcess:
    """Starts, hurts and restarts one agent; ends it by its process id.

    Args:
        policies: shared by all agents.
        prometheus_port: of the telemetry, at the other end of the host's link.
        settings: more of `homeostat.toml`, for example how long a lease is.
        arguments: of `homeostat run`.

    Attributes:
        state: the state folder, which stays over restarts.
        pids: of every process there was.
        wanted: whether it is to run: a supervisor starts it again when it ends by itself.
    """

    def __init__(
        self,
        host: Host,
        folder: Path,
        policies: Path,
        *,
        prometheus_port: int,
        poll_interval_s: float,
        settings: str = "",
        arguments: list[str] | None = None,
    ) -> None:
        self.host = host
        self.name = host.name
        self.folder = folder
        self.state = folder / "state"
        self.pids: list[int] = []
        self.wanted = False
        self._mark = 0
        self._suspended: list[int] = []
        self._arguments = list(arguments or [])
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        telemetry = f"http://{host.address(Link.TELEMETRY)}:{prometheus_port}"
        (folder / "homeostat.toml").write_text(
            f'[prometheus]\nurl = "{telemetry}"\ntimeout_s = 1.0\n'
            f'[agent]\nmode = "auto"\npolicies = "{policies}"\npoll_interval_s = {poll_interval_s}\n'
            f'listen = "127.0.0.1:0"\n{settings}'
        )

    @property
    def running(self) -> bool:
        """Whether there is a process, suspended or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Everything it has logged, over all restarts."""
        path = self.folder / "agent.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start it without waiting for it."""
        self._mark = len(self.log)
        with (self.folder / "agent.log").open("ab") as log:
            argv = self.host.command([PROGRAM, "run", "--log-format", "json", *self._arguments])
            self._process = subprocess.Popen(argv, cwd=self.folder, stdout=log, stderr=log)
        self.pids.append(self._process.pid)
        self.wanted = True

    def await_ready(self) -> None:
        """Wait until the loop runs. Raises RuntimeError with its log."""
        deadline = time.monotonic() + READY_S_MAX
        while '"agent.ready"' not in self.log[self._mark :]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not come up:\n{self.log[-4000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """`kill -9`; what it started runs on."""
        self.wanted = False
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def supervise(self) -> None:
        """Start it again if it has ended by itself, as its unit on a real machine would."""
        if self.wanted and not self.running:
            self.start()

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the program in its workspace, on its machine."""
        argv = self.host.command([PROGRAM, *arguments])
        return subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, check=False, timeout=ASK_S_MAX)

    def suspend(self, *, with_all: bool = False) -> None:
        """SIGSTOP: it does nothing and does not know it.

        Args:
            with_all: stop everything below it too, as when a virtual machine is suspended.
        """
        if self._process is not None and self.running:
            below = descendants(self._process.pid) if with_all else []
            self._suspended = [self._process.pid, *(process.pid for process in below)]
            _signal(self._suspended, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT, to all that were stopped."""
        _signal(self._suspended, signal.SIGCONT)
        self._suspended = []


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
