"""What docs/alerts.md shows works: its settings, Alertmanager's configuration, the mapping, commands and reasons."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from tests.acceptance.command_line import homeostat

from homeostat.app.agent_table import AgentTable
from homeostat.app.alert_intake import JOURNALLED_PER_MINUTE_MAX, REFRESH_S
from homeostat.app.alert_reception import PATH
from homeostat.app.settings import Settings, load_settings
from homeostat.loop.told import LOOK_BACK_S
from homeostat.model import entries as e
from homeostat.model.alerts import AlertState
from homeostat.model.ports import Batch
from homeostat.model.streams import ALERTS_STREAM, policy_stream
from homeostat.record.sqlite import SqliteJournal
from homeostat.sense.alerts import AlertRefusal, Delivery, parse
from homeostat.sense.alerts.payload import ALERTS_MAX, BYTES_MAX
from homeostat.sense.alerts.ready_made import READY_MADE

PAGE = (Path(__file__).parents[2] / "docs/alerts.md").read_text()


def shown(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "homeostat.toml").write_text("\n".join(shown("toml")))
    return load_settings(tmp_path / "homeostat.toml")


def test_alertmanager_accepts_the_configuration_and_the_agent_listens_there(tmp_path: Path, settings: Settings) -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        reason = "amtool is not on the PATH; on Debian: apt-get install prometheus-alertmanager"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"CI must run it: {reason}")
        pytest.skip(reason)
    (config,) = shown("yaml")
    (tmp_path / "alertmanager.yml").write_text(config)
    checked = subprocess.run(
        [amtool, "check-config", tmp_path / "alertmanager.yml"], capture_output=True, text=True, timeout=30, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    (url,) = re.findall(r"url: (\S+)", config)
    assert url == f"http://{AgentTable().listen}{PATH}alertmanager"
    assert f"file:{re.findall(r'credentials_file: (.+)', config)[0]}" == settings.alerts.sources["alertmanager"].token


def test_the_settings_of_the_page_are_one_valid_file(settings: Settings) -> None:
    assert list(settings.alerts.sources) == ["alertmanager", "grafana", "pagerduty", "opsgenie", "datadog", "uptime"]


def test_the_mapping_of_the_page_reads_its_payload(settings: Settings) -> None:
    (payload,) = shown("json")
    source = settings.alerts.sources["uptime"]
    delivery = parse("uptime", source.kind, payload.encode(), source.read_by)
    assert isinstance(delivery, Delivery)
    (found,) = delivery.alerts
    assert (found.fingerprint, found.name, found.state) == ("17", "payments answer", AlertState.FIRING)
    assert found.labels == {"env": "prod", "service": "payments", "host": "pay-1"}
    assert found.starts_at is not None
    assert source.policies[found.labels[source.policy_label or ""]] == "shop"


def test_the_commands_run(tmp_path: Path, settings: Settings) -> None:
    settings.state.mkdir()
    journal = SqliteJournal(settings.journal)
    alert = e.AlertReceived(at=time.time(), source="am", fingerprint="f", name="PaymentsDown", state=AlertState.FIRING)
    loaded = e.PolicyLoaded(at=1.0, policy="shop", policy_hash="x", sources={})
    journal.append([Batch(ALERTS_STREAM, None, [alert]), Batch(policy_stream("shop"), None, [loaded])])
    journal.close()
    commands = [line.removeprefix("$ homeostat ") for block in shown("console") for line in block.splitlines()]
    assert len(commands) == 3
    for command in commands:
        told = homeostat(tmp_path, *command.split())
        assert told.returncode == 0, told.stdout + told.stderr
        assert ("PaymentsDown" in told.stdout) == command.startswith("alerts")


def test_the_lists_and_numbers_of_the_page_are_the_codes() -> None:
    text = " ".join(PAGE.split())
    for reason in AlertRefusal:
        assert f"`{reason}`" in PAGE
    for name in READY_MADE:
        assert f"`{name}`" in PAGE
    assert (BYTES_MAX, ALERTS_MAX, JOURNALLED_PER_MINUTE_MAX) == (2 << 20, 10_000, 60)
    assert (LOOK_BACK_S, REFRESH_S) == (7 * 86_400.0, 86_400.0)
    assert "at most 2 MiB and 10,000 alerts" in text
    assert "at most 60 a minute" in text
