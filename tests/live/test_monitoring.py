"""The rules and the dashboard against a real Prometheus that scrapes a running agent."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from tests.live.prometheus_server import PrometheusServer
from tests.live.shop import Shop

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("prometheus_binary"), pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
MIXIN = ROOT / "deploy/mixin"
DOCUMENT = (ROOT / "docs/operations/observability.md").read_text()
DASHBOARD = json.loads((MIXIN / "dashboard.json").read_text())
RULES: list[dict[str, Any]] = yaml.safe_load((MIXIN / "alerts.yaml").read_text())["groups"][0]["rules"]
TESTS = ("alerts_test.yaml", "alerts_slow_test.yaml")
MADE_BY_THE_WAYS_TO_PEOPLE = {"homeostat_notifications_total"}
"""Their metric is there only where a way to people is set up, which this agent has not."""


def get(url: str, token: str | None = None) -> bytes:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=5) as response:
        content: bytes = response.read()
    return content


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\bhomeostat_[a-z_]+\b", re.sub(r'"[^"]*"', "", expression)))


def panel_expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_the_rules_hold_and_every_alert_fires_and_stays_quiet_where_it_should() -> None:
    checked = subprocess.run(
        ["promtool", "check", "rules", "alerts.yaml"], cwd=MIXIN, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = subprocess.run(
        ["promtool", "test", "rules", *TESTS], cwd=MIXIN, capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    told = "".join((MIXIN / name).read_text() for name in TESTS)
    for rule in RULES:
        assert f"- name: {rule['alert']} fires" in told
        assert f"- name: {rule['alert']} stays quiet" in told or rule["alert"] == "HomeostatWatchdog"


def test_every_panel_holds_promql_and_has_a_place_and_a_number_of_its_own() -> None:
    for expression in panel_expressions():
        promql_parser.parse(expression.replace("$__rate_interval", "5m"))
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 20
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)


def test_a_real_prometheus_loads_the_rules_and_finds_every_metric_that_they_and_the_dashboard_name(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path / "shop")
    shop.services.mkdir(parents=True)
    shop._write_workspace()
    settings = shop.folder / "homeostat.toml"
    nowhere = '[heartbeat]\nurl = "http://127.0.0.1:9/beat"\n'
    nowhere += '[telemetry]\ntraces = "otlp"\nendpoint = "http://127.0.0.1:9/v1/traces"\n'
    settings.write_text(settings.read_text() + nowhere)
    config = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)[0]
    config = config.replace("/etc/prometheus/homeostat/alerts.yaml", str(MIXIN / "alerts.yaml"))
    config = config.replace("/var/lib/homeostat/state/token", str(shop.folder / "state/token"))
    config = config.replace("127.0.0.1:9464", shop.listen).replace("15s", "500ms")
    shop.prometheus = PrometheusServer(shop.prometheus.directory, config=config, port=shop.prometheus.port)
    shop.prometheus.start()
    try:
        shop.start_agent()
        url = shop.prometheus.url
        shop.wait_for("a scrape", lambda: shop._query('up{job="homeostat"}') == 1)
        shop.wait_for("a tick", lambda: shop._query('homeostat_ticks_total{job="homeostat"}') >= 2)

        def states() -> dict[str, str]:
            groups = json.loads(get(f"{url}/api/v1/rules"))["data"]["groups"]
            return {rule["name"]: f"{rule['health']} {rule['state']}" for rule in groups[0]["rules"]}

        shop.wait_for("the rules", lambda: all(state.startswith("ok") for state in states().values()))
        assert states()["HomeostatWatchdog"] == "ok firing"
        # At first the agent was not up yet; one more evaluation sees that it is.
        shop.wait_for("a quiet rule", lambda: states()["HomeostatDown"] == "ok inactive")
        scraped = get(f"http://{shop.listen}/metrics", (shop.folder / "state/token").read_text().strip())
    finally:
        if shop.agent is not None:
            shop.stop_agent()
        shop.prometheus.stop()

    checked = subprocess.run(["promtool", "check", "metrics"], input=scraped, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    families = dict(re.findall(r"^# TYPE (\w+) (\w+)$", scraped.decode(), re.MULTILINE))
    known = families.keys() | {f"{name}_bucket" for name, kind in families.items() if kind == "histogram"}
    named = {name for rule in RULES for name in names_in(rule["expr"])} | {
        name for expression in panel_expressions() for name in names_in(expression)
    }
    assert len(named) > 20
    assert named - known == MADE_BY_THE_WAYS_TO_PEOPLE
    described = set(re.findall(r"^\| `(homeostat_\w+)", DOCUMENT, re.MULTILINE))
    own = {name for name in families if name.startswith("homeostat_") and not name.endswith("_created")}
    assert own - described == set()
    not_set_up = {"homeostat_anchored_position", "homeostat_anchors_unsent"}
    described_only = {name.removesuffix("_total") for name in described - own}
    assert described_only == {name.removesuffix("_total") for name in MADE_BY_THE_WAYS_TO_PEOPLE | not_set_up}
