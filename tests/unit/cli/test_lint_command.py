from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from homeostat.cli import main

ROOT = Path(__file__).parents[3]
WRONG = (ROOT / "policies/shop-restore.homeostat.yaml").read_text().replace("do: lb.drain", "do: lb.drian")

ONE_STEP = """\
policy: one
owner: team
signals: {errors: error_ratio}
actions: {restart: {actuator: command, argv: [restart], effect: safe, timeout: 2m}}
trigger: {if: errors > 5%, for: 30s}
resolved: {if: errors < 1%, for: 1m, within: 5m}
escalate: {to: oncall}
steps: [{id: restart_it, do: restart, target: svc/a, verify: {if: errors < 1%, for: 30s, within: 2m}}]
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "pol, icies"
    folder.mkdir()
    for path in (ROOT / "policies").glob("*.yaml"):
        (folder / path.name).write_text(path.read_text())
    (folder / "shop-restore.homeostat.yaml").write_text(WRONG)


def lint(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["lint", "pol, icies", *arguments])


def test_github_gets_one_command_a_finding_with_its_text_escaped() -> None:
    result = lint("-o", "github")
    assert result.exit_code == 1
    (line,) = result.stdout.splitlines()
    assert re.fullmatch(
        r"::error file=pol%2C icies/shop-restore\.homeostat\.yaml,line=17,col=21,title=E130::no action .*", line
    )


def test_sarif_has_what_the_standard_asks_for() -> None:
    """SARIF 2.1.0: sarifLog 3.13, run 3.14, toolComponent 3.19, reportingDescriptor 3.49, result 3.27."""
    log = json.loads(lint("-o", "sarif").stdout)
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "homeostat"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", driver["semanticVersion"])
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    ids = [rule["id"] for rule in driver["rules"]]
    assert ids == sorted(set(ids))
    (result,) = run["results"]
    assert ids[result["ruleIndex"]] == result["ruleId"] == "E130"
    assert result["level"] in ("none", "note", "warning", "error")
    assert "did you mean 'lb.drain'" in result["message"]["text"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "pol%2C%20icies/shop-restore.homeostat.yaml"
    assert place["region"] == {"startLine": 17, "startColumn": 21}


def test_json_rows_are_the_same_findings() -> None:
    (row,) = json.loads(lint("-o", "json").stdout)
    assert (row["code"], row["severity"]) == ("E130", "error")


def test_worst_cases_are_printed_and_history_warns() -> None:
    arguments = ["lint", str(ROOT / "policies/payments-5xx.homeostat.yaml"), "--history", str(ROOT / "history")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert "W217 'shift' was tried in none of the recorded incidents" in result.stdout
    assert "ok: at worst 7 attempts in 76 min" in result.stdout
    assert CliRunner().invoke(main, [*arguments, "--strict"]).exit_code == 1


def test_approvers_are_held_against_the_settings() -> None:
    Path("pol, icies/shop-restore.homeostat.yaml").write_text(WRONG.replace("lb.drian", "lb.drain"))
    Path("homeostat.toml").write_text('[people]\ndba-on-call = ["ada"]\n')
    result = lint()
    assert "W220 'restore_db' asks 'dba-oncall', whom nobody is; did you mean 'dba-on-call'?" in result.stdout
    Path("homeostat.toml").write_text('[people]\ndba-oncall = ["ada"]\n')
    assert "W220" not in lint().stdout


def test_a_policy_over_the_size_limits_is_no_traceback() -> None:
    Path("pol, icies/shop-restore.homeostat.yaml").write_text("[" * 100_000)
    result = lint()
    assert result.exit_code == 1
    assert "E1" in result.stdout


def test_one_attempt_is_not_several(tmp_path: Path) -> None:
    (tmp_path / "one.homeostat.yaml").write_text(ONE_STEP)
    result = CliRunner().invoke(main, ["lint", "one.homeostat.yaml"])
    assert result.exit_code == 0, result.output
    assert "ok: at worst 1 attempt in " in result.stdout
