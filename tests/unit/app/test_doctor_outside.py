"""Doctor says of each way in and out whether it is set, and what keeps it from working; and it sends nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from homeostat.app.audit import make_keys
from homeostat.app.doctor_outside import check_outside
from homeostat.app.settings import Settings, load_settings
from homeostat.sense.check import Level

SET = """
[audit]
export_file = "anchors.jsonl"
[alerts.sources.pages]
kind = "alertmanager"
token = "env:PAGES"
[telemetry]
traces = "otlp"
endpoint = "http://127.0.0.1:9/v1/traces"
[slack]
app_token = "env:APP"
bot_token = "env:BOT"
team = "T012AB3CD"
people = {dana = "U012AB3CD"}
"""


def told(settings: Settings) -> dict[str, tuple[Level, str]]:
    return {finding.subject: (finding.level, finding.message) for finding in check_outside(settings)}


def workspace(folder: Path, text: str) -> Settings:
    path = folder / "homeostat.toml"
    path.write_text(text)
    return load_settings(path)


def test_what_is_not_set_is_said_and_is_no_fault(tmp_path: Path) -> None:
    said = told(workspace(tmp_path, ""))
    assert list(said) == ["heartbeat", "anchors", "alerts", "traces", "slack"]
    assert {level for level, _ in said.values()} == {Level.OK}


def test_what_keeps_the_agent_from_starting_is_an_error(tmp_path: Path) -> None:
    said = told(workspace(tmp_path, SET))
    assert said["anchors"][0] is Level.ERROR
    assert "audit keygen" in said["anchors"][1]
    assert said["alerts"][0] is Level.ERROR
    assert "alerts.sources.pages" in said["alerts"][1]
    assert said["slack"][0] is Level.WARNING, "its tokens may be in the environment of `serve` alone"


def test_what_is_set_is_said_without_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAGES", "APP", "BOT"):
        monkeypatch.setenv(name, "s3cret")
    settings = workspace(tmp_path, SET)
    make_keys(settings)
    said = told(settings)
    assert {level for level, _ in said.values()} == {Level.OK}
    assert "anchors.jsonl" in said["anchors"][1]
    assert "source 'pages' of kind 'alertmanager'" in said["alerts"][1]
    assert "s3cret" not in str(said)


def test_an_extra_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "slack_sdk", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    said = told(workspace(tmp_path, SET))
    assert said["slack"] == (Level.ERROR, "Slack needs a package that is not installed: pip install 'homeostat[slack]'")
    assert said["traces"] == (Level.ERROR, "traces need an extra: pip install 'homeostat[opentelemetry]'")
