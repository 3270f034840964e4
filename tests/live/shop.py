"""The live rig: two real services under load, a real Prometheus that scrapes them, and the agent as users start it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from tests.live.prometheus_server import PrometheusServer, scrape_config

from homeostat.decide.projection import fold
from homeostat.model.entries import Entry
from homeostat.model.incident import Incident
from homeostat.record.sqlite import SqliteJournal
from homeostat.rig.layout import free_port

HERE = Path(__file__).parent
WAIT_S_MAX = 60.0
REQUESTS_PER_S = 20.0

SIGNALS = """\
payments_up: {expr: 'min(up{job="payments"})', max_age: 5s}
auth_up: {expr: 'min(up{job="auth"})', max_age: 5s}
errors:
  expr: sum(rate(payments_requests_total{code!="200"}[5s])) / sum(rate(payments_requests_total[5s]))
  max_age: 5s
answered: {expr: 'sum(rate(payments_requests_total{code="200"}[5s]))', max_age: 5s}
"""

POLICY = """\
policy: shop-live
owner: shop-sre
signals: signals.yaml
actions: actions.yaml
trigger: {if: payments_up < 1 or errors > 20%, for: 2s}
resolved: {if: payments_up == 1 and errors < 5% and answered > 1, for: 3s, within: 30s}
escalate: {to: shop-oncall, severity: critical}
timeout: 5m
defaults: {timeout: 30s, verify: {if: payments_up == 1 and errors < 5% and answered > 1, for: 2s, within: 25s}}
steps:
- id: what_is_down
  decide:
  - {if: payments_up < 1, id: restart_payments, do: service.restart, target: service/payments}
  - {if: auth_up < 1, id: restart_auth, do: service.restart, target: service/auth}
  - else: {id: roll_back, do: config.rollback, target: service/payments}
"""


class Shop:
    """Starts on entering; ends every process it started, by pid, on leaving.

    Attributes:
        folder: the workspace; `services/` in it belongs to the services.
    """

    def __init__(self, folder: Path, *, restart_takes_s: float = 0.0) -> None:
        self.folder = folder
        self.services = folder / "services"
        self.restart_takes_s = restart_takes_s
        self.ports = {"payments": free_port(), "auth": free_port()}
        targets = {name: [f"127.0.0.1:{port}"] for name, port in self.ports.items()}
        self.prometheus = PrometheusServer(folder / "prometheus", config=scrape_config(targets, interval_s=1.0))
        self.agent: subprocess.Popen[bytes] | None = None
        self.listen = f"127.0.0.1:{free_port()}"
        self._load_stopped = threading.Event()
        self._load = threading.Thread(target=self._send_load, daemon=True)

    def __enter__(self) -> Self:
        self.services.mkdir(parents=True)
        self._write_workspace()
        for name in ("auth", "payments"):
            self.control("restart", name)
        (self.services / "effects.log").unlink()
        self.prometheus.start()
        self._load.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._load_stopped.set()
        if self.agent is not None and self.agent.poll() is None:
            self.agent.kill()
            self.agent.wait()
        for name in self.ports:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                os.kill(self.pid(name), signal.SIGKILL)
        self.prometheus.stop()

    def _write_workspace(self) -> None:
        policies = self.folder / "policies"
        policies.mkdir()
        (policies / "signals.yaml").write_text(SIGNALS)
        (policies / "shop-live.homeostat.yaml").write_text(POLICY)
        control = [sys.executable, str(HERE / "servicectl.py")]
        restart = [*control, "restart", {"target": "name"}, str(self.services), str(self.restart_takes_s)]
        rollback = [*control, "rollback", {"target": "name"}, str(self.services)]
        actions = {
            "service.restart": {"actuator": "command", "effect": "safe", "takes": "2s", "argv": restart},
            "config.rollback": {"actuator": "command", "effect": "safe", "takes": "2s", "argv": rollback},
        }
        (policies / "actions.yaml").write_text(json.dumps(actions))
        (self.folder / "homeostat.toml").write_text(
            f'[prometheus]\nurl = "{self.prometheus.url}"\ntimeout_s = 2.0\n'
            f'[agent]\nmode = "auto"\npoll_interval_s = 0.5\nlisten = "{self.listen}"\n'
        )
        auth = {"port": self.ports["auth"]}
        payments = {"port": self.ports["payments"], "upstream": f"http://127.0.0.1:{self.ports['auth']}/"}
        (self.services / "auth.json").write_text(json.dumps(auth))
        for name in ("payments.json", "payments.good.json"):
            (self.services / name).write_text(json.dumps(payments))

    def _send_load(self) -> None:
        url = f"http://127.0.0.1:{self.ports['payments']}/"
        while not self._load_stopped.wait(1.0 / REQUESTS_PER_S):
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1.0):
                pass

    def control(self, verb: str, name: str) -> None:
        """What the operator, not the agent, does to a service."""
        command = [sys.executable, str(HERE / "servicectl.py"), verb, name, str(self.services)]
        subprocess.run(command, check=True, timeout=30, capture_output=True)

    def pid(self, name: str) -> int:
        return int((self.services / f"{name}.pid").read_text())

    def hurt(self, name: str, number: signal.Signals) -> None:
        os.kill(self.pid(name), number)

    def misconfigure(self) -> None:
        """Deploy a configuration that points payments to nowhere."""
        bad = {"port": self.ports["payments"], "upstream": f"http://127.0.0.1:{free_port()}/"}
        (self.services / "payments.json").write_text(json.dumps(bad))
        self.control("restart", "payments")
        (self.services / "effects.log").unlink()

    def effects(self) -> list[str]:
        """What really happened to the services, in order."""
        log = self.services / "effects.log"
        return log.read_text().splitlines() if log.exists() else []

    def start_agent(self, *arguments: str) -> None:
        """Start the agent by its command line."""
        program = Path(sys.executable).with_name("homeostat")
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = subprocess.Popen([program, "run", *arguments], cwd=self.folder, stdout=log, stderr=log)
        self.wait_for("the agent to come up", lambda: '"agent.ready"' in self.log())

    def stop_agent(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and give the exit code."""
        assert self.agent is not None
        self.agent.send_signal(number)
        code = self.agent.wait(20)
        with (self.folder / "agent.log").open("ab") as log:
            log.write(b"--- stopped ---\n")
        return code

    def log(self) -> str:
        """The present agent's log."""
        path = self.folder / "agent.log"
        return path.read_text(errors="replace").rpartition("--- stopped ---")[2] if path.exists() else ""

    def entries(self) -> list[Entry]:
        """Every incident's entries, read beside the running agent."""
        journal = self.open_journal()
        try:
            return [record.entry for stream in journal.incidents() for record in journal.read(stream)]
        finally:
            journal.close()

    def incidents(self) -> list[Incident]:
        journal = self.open_journal()
        try:
            return [fold(record.entry for record in journal.read(stream)) for stream in journal.incidents()]
        finally:
            journal.close()

    def faults_of_journal(self) -> list[str]:
        journal = self.open_journal()
        try:
            return journal.verify()
        finally:
            journal.close()

    def open_journal(self) -> SqliteJournal:
        return SqliteJournal(self.folder / "state" / "journal.sqlite", read_only=True)

    def wait_for(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S_MAX
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {WAIT_S_MAX:g} s for {what}\n{self.log()[-6000:]}\n{self.effects()}")
            time.sleep(0.1)

    def wait_for_load(self) -> None:
        """Until Prometheus has seen enough healthy traffic for the signals to be known."""
        self.wait_for("healthy signals", lambda: self._query('sum(rate(payments_requests_total{code="200"}[5s]))') > 1)

    def _query(self, expression: str) -> float:
        url = f"{self.prometheus.url}/api/v1/query?query={quote(expression)}"
        with urllib.request.urlopen(url, timeout=2) as response:
            result = json.load(response)["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0
