"""The table [allow]: what it keeps from being loaded, and where else it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from homeostat.app.doctor import examine
from homeostat.app.policies_in_use import policies_in_use
from homeostat.app.settings import load_settings
from homeostat.cli import main
from homeostat.model.errors import PolicyError
from homeostat.model.policy import Mode

POLICY = """\
policy: shop
owner: team
signals: {errors: error_ratio}
actions:
  restart: {actuator: command, argv: [systemctl, restart, {target: name}], effect: safe, timeout: 2m, undo: {do: page}}
  page: {actuator: http, method: POST, url: "http://127.0.0.1:9/", effect: safe, timeout: 2m}
trigger: {if: errors > 5%, for: 30s}
resolved: {if: errors < 1%, for: 1m, within: 5m}
escalate: {to: oncall}
steps: [{id: restart_it, do: restart, target: svc/a, verify: {if: errors < 1%, for: 30s, within: 2m}}]
"""
HANDS = {"command": object(), "http": object()}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/shop.homeostat.yaml").write_text(POLICY)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "homeostat.toml"


def refused(workspace: Path, allow: str, mode: Mode = Mode.AUTO) -> list[str]:
    workspace.write_text(allow)
    try:
        policies_in_use(load_settings(workspace), HANDS, mode)
    except PolicyError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_a_policy_is_not_loaded_for_acting_where_a_step_or_undo_is_not_allowed(workspace: Path) -> None:
    step, undo = refused(workspace, '[allow."shop*"]\nprograms = ["kubectl"]\nactuators = ["command"]\n')
    assert "shop.homeostat.yaml:10:30: E010 policy 'shop': step 'restart_it' is" in step
    assert "not allowed: [allow] names no program 'systemctl' for policy 'shop'" in step
    assert "'restart_it.undo' is not allowed: [allow] names no actuator 'http'" in undo
    (nobody, _) = refused(workspace, "[allow.bank]\n")
    assert "no [allow] rule of homeostat.toml names policy 'shop'" in nobody


@pytest.mark.parametrize("allow", ["", '[allow."*"]\n', '[allow.shop]\ntargets = ["svc/*"]\nprograms = ["system*"]\n'])
def test_what_is_allowed_is_loaded(workspace: Path, allow: str) -> None:
    assert refused(workspace, allow) == []


def test_who_only_observes_may_load_anything(workspace: Path) -> None:
    assert refused(workspace, "[allow.bank]\n", Mode.OBSERVE) == []


def test_lint_tells_it_beside_the_settings(workspace: Path) -> None:
    workspace.write_text("[allow.shop]\nactuators = ['command']\n")
    result = CliRunner().invoke(main, ["lint"])
    assert "shop.homeostat.yaml:10:30: warning W231 'restart_it.undo' is not allowed" in result.output
    workspace.write_text("")
    assert "W231" not in CliRunner().invoke(main, ["lint"]).output


@pytest.mark.parametrize(
    ("allow", "told"),
    [
        ("", "no table [allow] in homeostat.toml: every policy may use every actuator, target, program and image"),
        ("[allow.shop]\n", "1 rule in [allow]; what they do not name is refused"),
    ],
)
def test_doctor_says_whether_there_is_one(workspace: Path, allow: str, told: str) -> None:
    workspace.write_text(allow)
    said = {finding.subject: finding.message for finding in examine(load_settings(workspace))}
    assert said["allow-list"] == told
