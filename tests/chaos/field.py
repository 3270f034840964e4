"""Everything one scenario needs: witness, telemetry, machines and agents. Ends every process it started, by its id."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.chaos.agents import AgentProcess
from tests.chaos.hosts import Host, Link
from tests.chaos.plans import Plan, write_plans
from tests.chaos.witness import Seen, read_seen, tell
from tests.live.prometheus_server import PrometheusServer, scrape_config

from homeostat.act.processes import descendants
from homeostat.rig.layout import free_port

WAIT_S_MAX = 90.0
SUPERVISE_INTERVAL_S = 0.5
_PR_SET_CHILD_SUBREAPER = 36


class Field:
    """The ground a scenario plays on; `clock` is the harness's: Unix seconds.

    Args:
        folder: of its own.
        plans: the policies, one broken system each.
        agents: how many, each on a machine of its own.
        store: gives the URL of the shared store as a machine sees it; None: each agent has a SQLite journal of its own.
        isolated: whether machines are network namespaces.
        settings: more of every `homeostat.toml`.
    """

    def __init__(
        self,
        folder: Path,
        plans: Sequence[Plan],
        *,
        agents: int,
        store: Callable[[str], str] | None,
        isolated: bool = False,
        poll_interval_s: float = 0.5,
        settings: str = "",
    ) -> None:
        self.folder = folder
        self.plans = {plan.name: plan for plan in plans}
        self._metrics_port = free_port()
        self._witness: subprocess.Popen[bytes] | None = None
        targets = {"witness": [f"127.0.0.1:{self._metrics_port}"]}
        config = scrape_config(targets, interval_s=0.5)
        self.prometheus = PrometheusServer(
            folder / "prometheus", config=config, host="0.0.0.0" if isolated else "127.0.0.1"
        )
        self._count = agents
        self._store = store
        self._isolated = isolated
        self._poll_interval_s = poll_interval_s
        self._settings = settings
        self._hosts: list[Host] = []
        self.agents: list[AgentProcess] = []
        self._ended = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)

    def __enter__(self) -> Self:
        adopt_orphans()
        try:
            self._set_up()
        except BaseException:
            self._take_down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._take_down()

    def _set_up(self) -> None:
        self.folder.mkdir(parents=True)
        write_plans(self.folder / "policies", list(self.plans.values()), self.folder)
        argv = [sys.executable, "-m", "tests.chaos.witness", str(self.folder), str(self._metrics_port), *self.plans]
        self._witness = subprocess.Popen(argv)
        self.prometheus.start()
        self._supervisor.start()
        for number in range(1, self._count + 1):
            host = Host(number, isolated=self._isolated)
            self._hosts.append(host)
            arguments = ["--store", self._store(host.address(Link.STORE))] if self._store else []
            agent = AgentProcess(
                host,
                self.folder / host.name,
                self.folder / "policies",
                prometheus_port=self.prometheus.port,
                poll_interval_s=self._poll_interval_s,
                settings=self._settings,
                arguments=arguments,
            )
            self.agents.append(agent)
            agent.start()
            if number == 1:
                agent.await_ready()  # it journals the policies; the others then have less to do
        for agent in self.agents:
            agent.await_ready()
        self.wait_for("the first samples", self._sampled)

    def _sampled(self) -> bool:
        with urllib.request.urlopen(
            f"{self.prometheus.url}/api/v1/query?query=count(chaos_errors)", timeout=5
        ) as answer:
            return bool(json.load(answer)["data"]["result"])

    def _supervise(self) -> None:
        while not self._ended.wait(SUPERVISE_INTERVAL_S):
            for agent in list(self.agents):
                agent.supervise()

    def _take_down(self) -> None:
        self._ended.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
        for agent in self.agents:
            agent.kill()
        self.prometheus.stop()
        if self._witness is not None:
            self._witness.kill()
            self._witness.wait()
        for host in self._hosts:
            host.close()
        end_orphans(self.folder)

    def break_down(self, *policies: str) -> None:
        """Let the systems of these policies fail."""
        for policy in policies:
            tell(self.folder, "fault", policy)

    def seen(self, kind: str | None = None, policy: str | None = None) -> list[Seen]:
        """What the witness has seen, in order."""
        seen = read_seen(self.folder)
        return [one for one in seen if kind in (None, one.kind) and policy in (None, one.policy)]

    def agent_of(self, one: Seen) -> AgentProcess:
        """Whose state folder an effect came from."""
        return next(agent for agent in self.agents if one.folder.startswith(f"{agent.state}/"))

    def wait_for(self, what: str, condition: Callable[[], bool], within_s: float = WAIT_S_MAX) -> None:
        """Wait for a condition. Raises Overdue, with the end of every agent's log."""
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {agent.name}\n{agent.log[-3000:]}" for agent in self.agents)
                raise OverdueError(f"waited {within_s:g} s for {what}\n{logs}")
            time.sleep(0.05)


class OverdueError(Exception):
    """Something a scenario waits for did not come in time."""


def adopt_orphans() -> None:
    """Become the parent of whoever loses theirs below us, so that actions that outlive their agent can be found."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def end_orphans(folder: Path) -> None:
    """End the actions that are still running in a field's folder, and nobody else."""
    for process in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{process.pid}/cwd").resolve().is_relative_to(folder):
                os.kill(process.pid, signal.SIGKILL)
