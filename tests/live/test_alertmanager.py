"""Real alerts: Prometheus' rule fires, two Alertmanagers of a cluster deliver it, and the agent looks at once.

Between two polls lie thirty seconds, and the agent's first poll saw nothing: that an incident opens at all is the wake.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.live.prometheus_server import PrometheusServer, scrape_config

from homeostat.model import entries as e
from homeostat.model.alerts import AlertState
from homeostat.model.ports import Record
from homeostat.model.streams import ALERTS_STREAM
from homeostat.record.sqlite import SqliteJournal
from homeostat.rig.layout import free_port

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("prometheus_binary"), pytest.mark.timeout(120)]

PROGRAM = str(Path(sys.executable).with_name("homeostat"))
POLL_INTERVAL_S = 30
WAIT_S_MAX = 60.0
RULES = """\
groups:
- name: shop
  interval: 250ms
  rules:
  - alert: PaymentsDown
    expr: payments_broken > 0
    labels: {severity: critical, homeostat_policy: shop}
    annotations: {summary: payments do not answer}
"""
CONFIG = """\
route: {{receiver: homeostat, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
- name: homeostat
  webhook_configs:
  - url: http://{listen}/alerts/alertmanager
    send_resolved: true
    http_config: {{authorization: {{credentials_file: {token}}}}}
"""
POLICY = """\
policy: shop
owner: shop-sre
signals: {broken: {expr: payments_broken, max_age: 60s}}
actions: {}
trigger: {if: broken > 0, for: 0s}
resolved: {if: broken == 0, for: 0s, within: 1m}
escalate: {to: shop-oncall}
steps: [{wait: 1m}]
"""
SOURCE = '[alerts.sources.alertmanager]\nkind = "alertmanager"\ntoken = "file:{token}"\n'


@pytest.fixture(scope="module")
def alertmanager_binary() -> str:
    found = shutil.which("prometheus-alertmanager")
    if found is None:
        reason = "prometheus-alertmanager is not on the PATH; on Debian: apt-get install prometheus-alertmanager"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextlib.contextmanager
def alertmanagers(binary: str, folder: Path, config: str) -> Iterator[list[str]]:
    """Two of one cluster, each on a free loopback port; their addresses."""
    folder.mkdir()
    (folder / "alertmanager.yml").write_text(config)
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    peers = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    running = []
    try:
        for number, (address, peer) in enumerate(zip(addresses, peers, strict=True)):
            with (folder / f"{number}.log").open("wb") as log:
                arguments = [
                    f"--config.file={folder}/alertmanager.yml",
                    f"--storage.path={folder}/{number}",
                    f"--web.listen-address={address}",
                    f"--cluster.listen-address={peer}",
                    f"--cluster.peer={peers[1 - number]}",
                    "--cluster.settle-timeout=1s",
                    "--cluster.peer-timeout=1s",
                    "--cluster.gossip-interval=50ms",
                ]
                running.append(subprocess.Popen([binary, *arguments], stdout=log, stderr=log))
        yield addresses
    finally:
        for process in running:
            process.kill()  # told to end in order, it waits ten seconds for its cluster
        for process in running:
            process.wait(20)


def is_ready(address: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            with urllib.request.urlopen(f"http://{address}/-/ready", timeout=1) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    return ask


class Payments(ThreadingHTTPServer):
    """One metric on a free loopback port, which the test sets."""

    daemon_threads = True
    broken = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Metrics)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class Metrics(BaseHTTPRequestHandler):
    server: Payments

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(f"payments_broken {self.server.broken}\n".encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""


class Workspace:
    """An agent that polls every half minute, as its command line starts it."""

    def __init__(self, folder: Path, prometheus: str, token: Path) -> None:
        self.folder = folder
        self.listen = f"127.0.0.1:{free_port()}"
        (folder / "policies").mkdir(parents=True)
        (folder / "policies/shop.homeostat.yaml").write_text(POLICY)
        (folder / "homeostat.toml").write_text(
            f'[prometheus]\nurl = "{prometheus}"\n'
            f'[agent]\npoll_interval_s = {POLL_INTERVAL_S}\nlisten = "{self.listen}"\n' + SOURCE.format(token=token)
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / "agent.log").open("wb") as log:
            process = subprocess.Popen([PROGRAM, "run"], cwd=self.folder, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait(20)

    def log(self) -> str:
        return (self.folder / "agent.log").read_text(errors="replace")

    def records(self) -> list[Record]:
        path = self.folder / "state/journal.sqlite"
        if not path.exists():
            return []
        with contextlib.closing(SqliteJournal(path, read_only=True)) as journal:
            return list(journal.after(0, {e.AlertReceived.TYPE, e.Suspected.TYPE, e.AgentStarted.TYPE}))

    def alerts(self) -> list[e.AlertReceived]:
        return [record.entry for record in self.records() if isinstance(record.entry, e.AlertReceived)]

    def has(self, kind: type[e.Entry]) -> bool:
        return any(isinstance(record.entry, kind) for record in self.records())

    def metric(self, name: str) -> float | None:
        """What the agent's own listener says; None while it says nothing."""
        with contextlib.suppress(OSError):
            request = urllib.request.Request(f"http://{self.listen}/metrics")
            request.add_header("Authorization", f"Bearer {(self.folder / 'state/token').read_text()}")
            with urllib.request.urlopen(request, timeout=5) as response:
                lines = response.read().decode().splitlines()
            return next((float(line.split()[1]) for line in lines if line.startswith(f"{name} ")), None)
        return None


def wait_for(what: str, condition: Callable[[], bool], log: Callable[[], str]) -> None:
    until = time.monotonic() + WAIT_S_MAX
    while not condition():
        assert time.monotonic() < until, f"waited {WAIT_S_MAX:g} s for {what}\n{log()[-6000:]}"
        time.sleep(0.05)


def has_sample(prometheus: str) -> bool:
    with urllib.request.urlopen(f"{prometheus}/api/v1/query?query=payments_broken", timeout=5) as response:
        return bool(json.load(response)["data"]["result"])


def test_an_alert_of_a_cluster_wakes_the_agent_long_before_its_poll(tmp_path: Path, alertmanager_binary: str) -> None:
    token = tmp_path / "token"
    token.write_text("only-for-alerts")
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    payments, prometheus_port = Payments(), free_port()
    shop = Workspace(tmp_path / "shop", f"http://127.0.0.1:{prometheus_port}", token)
    config = CONFIG.format(listen=shop.listen, token=token)
    with contextlib.ExitStack() as opened:
        opened.callback(payments.server_close)
        opened.callback(payments.shutdown)
        cluster = opened.enter_context(alertmanagers(alertmanager_binary, tmp_path / "alertmanager", config))
        scraped = (
            scrape_config({"payments": [f"127.0.0.1:{payments.server_port}"]}, interval_s=0.25)
            + f"alerting: {{alertmanagers: [{{static_configs: [{{targets: {cluster}}}]}}]}}\nrule_files: [{rules}]\n"
        )
        prometheus = PrometheusServer(tmp_path / "prometheus", config=scraped, port=prometheus_port)
        opened.enter_context(prometheus)
        for address in cluster:
            wait_for("an Alertmanager", is_ready(address), prometheus.log)
        wait_for("the first sample", lambda: has_sample(prometheus.url), prometheus.log)
        agent = opened.enter_context(shop.running())
        wait_for("the first poll", lambda: shop.metric("homeostat_ticks_total") == 1.0, shop.log)
        assert shop.metric("homeostat_unknown_signals") == 0.0
        assert not shop.has(e.Suspected)

        payments.broken = 1
        wait_for("an incident", lambda: shop.has(e.Suspected), shop.log)
        found = shop.records()
        started, told, suspected = (
            next(record for record in found if isinstance(record.entry, kind))
            for kind in (e.AgentStarted, e.AlertReceived, e.Suspected)
        )
        assert suspected.entry.at - started.entry.at < POLL_INTERVAL_S, "no poll was due yet"
        assert told.position < suspected.position
        assert told.stream == ALERTS_STREAM
        (alert,) = shop.alerts()
        assert (alert.source, alert.name, alert.policies) == ("alertmanager", "PaymentsDown", ("shop",))

        payments.broken = 0
        wait_for("the end of the alert", lambda: len(shop.alerts()) == 2, shop.log)
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(20) == 0
        states = [alert.state for alert in shop.alerts()]
        assert states == [AlertState.FIRING, AlertState.RESOLVED], "two deliver it, and it is said once"
