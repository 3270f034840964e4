from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from homeostat.cli import main

POLICY = """\
policy: {name}
owner: team
signals: {{up: min(up)}}
actions: {{}}
trigger: {{if: up < 1, for: 1m}}
resolved: {{if: up >= 1, for: 1m, within: 5m}}
escalate: {{to: oncall}}
steps:
- {{manual: look, check: it is up}}
"""
TEST = "policy: {policy}\ndefaults: {{up: 1}}\ntests:\n- {{name: calm, until: 5m, expect: [{{result: none}}]}}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("pay", "shop"):
        Path(f"{name}.homeostat.yaml").write_text(POLICY.format(name=name))


def run(path: str) -> Result:
    return CliRunner().invoke(main, ["test", path])


def test_a_policy_runs_the_tests_beside_it_that_name_it() -> None:
    Path("one.test.yaml").write_text(TEST.format(policy="pay.homeostat.yaml"))
    Path("two.test.yaml").write_text(TEST.format(policy="./pay.homeostat.yaml"))
    Path("other.test.yaml").write_text(TEST.format(policy="shop.homeostat.yaml"))
    Path("broken.test.yaml").write_text("policy: [")
    result = run("pay.homeostat.yaml")
    assert (result.exit_code, result.stdout) == (0, "2 of 2 tests passed\n")


def test_a_policy_without_tests_says_how_one_would_begin() -> None:
    Path("other.test.yaml").write_text(TEST.format(policy="shop.homeostat.yaml"))
    result = run("pay.homeostat.yaml")
    assert result.exit_code == 2
    assert result.stderr == (
        "pay.homeostat.yaml: no test file beside it names it; pay.test.yaml with 'policy: pay.homeostat.yaml' would\n"
    )
    assert run("gone.homeostat.yaml").stderr == "gone.homeostat.yaml: there is no such file\n"


def test_a_broken_test_of_its_name_is_told_of() -> None:
    Path("pay.test.yaml").write_text("policy: [")
    result = run("pay.homeostat.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("pay.test.yaml:2:1: E101 ")
