"""Every command of docs/learning.md runs on the shipped season, and `explain` says what the page shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.acceptance.test_readme import ROOT, commands, shown

from homeostat.cli import main

PAGE = (ROOT / "docs/learning.md").read_text()
SEASON = ["--history", "history/season.jsonl.gz"]


def said(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture(autouse=True)
def in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_commands_of_the_page_run() -> None:
    ran = 0
    for block in shown(PAGE, "console"):
        for command in commands(block):
            program, *arguments = shlex.split(command)
            assert program == "homeostat"
            result = said(*arguments)
            assert result.exit_code in (0, 1) if arguments[0] == "evaluate" else result.exit_code == 0, result.output
            ran += 1
    assert ran == 7


def test_the_explanation_is_what_the_page_shows_and_its_counts_are_the_journals() -> None:
    (page,) = shown(PAGE, "text")
    (asked,) = re.findall(r"\$ homeostat (rankings explain .*)", PAGE)
    assert said(*shlex.split(asked)).output.rstrip() == page.rstrip()


def test_what_cannot_be_is_refused_with_the_nearest_that_can() -> None:
    explain = ("rankings", "explain", "payments-5xx", *SEASON)
    for arguments, code, told in [
        ((*explain, "--failed", "restrat"), 2, "did you mean 'restart'"),
        ((*explain, "--when", "deploy_aeg=2h"), 2, "did you mean 'deploy_age'"),
        ((*explain, "--ranking", "challenger", "--failed", "restrat"), 2, "did you mean 'restart'"),
        ((*explain, "--when", "deploy_age=soon"), 2, "soon"),
        ((*explain, "--when", "deploy_age"), 2, "SIGNAL=VALUE, such as"),
        ((*explain, "--when", "deploy_age=1h", "--when", "deploy_age=2h"), 2, "has a value already"),
        ((*explain, "--failed", "restart,rollback"), 2, "say --failed once for each"),
        (("evaluate", "payments-5xx", "--order", "rollback,,restart", *SEASON), 2, "a name is missing"),
        (("rankings", "show", "payments-5xx", "--ranking", "challengr", *SEASON), 2, "did you mean 'challenger'"),
        (("evaluate", "payments-5xx", *SEASON), 2, "say what to evaluate"),
        (("evaluate", "payments-5xx", "--order", "rolback", *SEASON), 2, "did you mean 'rollback'"),
        (("evaluate", "payments-5xx", "--order", "restart,restart", *SEASON), 2, "twice"),
    ]:
        result = said(*arguments)
        assert (result.exit_code, told in result.output) == (code, True), (arguments, result.output)


def test_evaluation_knows_a_better_order_from_a_worse(tmp_path: Path) -> None:
    del tmp_path
    gains = {}
    for name, order in [("good", "rollback,auth_restart"), ("bad", "config_rollback,restart")]:
        result = said("-o", "csv", "evaluate", "payments-5xx", "--order", order, *SEASON)
        (row,) = [line.split(",") for line in result.output.splitlines() if "sooner than written" in line]
        gains[name] = float(row[3])
    assert gains["good"] > gains["bad"]
