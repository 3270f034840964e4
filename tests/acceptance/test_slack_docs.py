"""What docs/slack.md shows works: its settings, its manifest, and its commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from tests.acceptance.command_line import homeostat

from homeostat.app.access import AccessList
from homeostat.app.clock import SystemClock
from homeostat.app.notify_channels import all_channels
from homeostat.app.settings import load_settings
from homeostat.console.acts import NEEDS, Act

PAGE = (Path(__file__).parents[2] / "docs/slack.md").read_text()


def shown(language: str) -> list[str]:
    return [found[1] for found in re.finditer(rf"^ *```{language}\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)]


def test_the_settings_load_and_make_the_channel(tmp_path: Path) -> None:
    path = tmp_path / "homeostat.toml"
    path.write_text(shown("toml")[0])
    settings = load_settings(path)
    assert set(all_channels(settings, SystemClock().now)) == {settings.notify.default}
    assert set(settings.slack.people) <= settings.everybody, "who is bound is somebody who is asked"


def test_the_manifest_asks_for_what_is_used_and_no_more() -> None:
    manifest = yaml.safe_load(shown("yaml")[0])
    assert manifest["oauth_config"]["scopes"] == {"bot": ["chat:write"]}
    assert manifest["settings"]["socket_mode_enabled"] is True
    assert manifest["settings"]["interactivity"] == {"is_enabled": True}


def test_the_commands_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "homeostat.toml").write_text(shown("toml")[0])
    commands = [line.removeprefix("$ ") for line in re.findall(r"^\$ .*$", PAGE, re.MULTILINE)]
    served: list[str] = []
    monkeypatch.setattr("homeostat.console.server.serve_console", lambda *given: served.append(given[1]))
    for command in commands:
        program, *arguments = shlex.split(command)
        if program == "pip":
            assert arguments == ["install", "homeostat[slack]"]
            continue
        assert homeostat(tmp_path, *arguments).returncode == 0, command
    assert served == ["127.0.0.1:8420"], "that it serves is shown by the tests of the console"
    assert [person.name for person in AccessList(load_settings(tmp_path / "homeostat.toml").state).people()] == ["eli"]


def test_the_roles_are_those_that_are_asked_for() -> None:
    assert f"| Approve, Deny | {NEEDS[Act.APPROVE].word} |" in PAGE
    assert NEEDS[Act.DENY] is NEEDS[Act.APPROVE]
