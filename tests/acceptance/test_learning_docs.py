"""Every command of docs/learning.md runs on the shipped season, and `explain` says what the page shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.acceptance.test_readme import ROOT, commands, shown

import homeostat.learn
from homeostat.cli import main
from homeostat.learn.gate import ATTEMPTS_MIN, INCIDENTS_MIN

PAGE = (ROOT / "docs/learning.md").read_text()
GATES_WORDS = ("evaluation/support.py", "evaluation/integrity.py", "evaluation/contradiction.py")
SEASON = ["--history", "history/season.jsonl.gz"]


def said(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture(autouse=True)
def in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_commands_of_the_page_run_and_say_what_it_shows() -> None:
    outputs = {}
    for block in shown(PAGE, "console"):
        for command in commands(block):
            program, *arguments = shlex.split(command)
            assert program == "homeostat"
            result = said(*arguments)
            assert result.exit_code == 0, result.output
            outputs[command] = result.output.rstrip()
    assert len(outputs) == 7
    explained, judged = (text.rstrip() for text in shown(PAGE, "text"))
    assert [command.split()[1] for command, output in outputs.items() if output == explained] == ["rankings"]
    assert [command.split()[1] for command, output in outputs.items() if output == judged] == ["evaluate"]
    verdicts = outputs["homeostat rankings history --history history/season.jsonl.gz"]
    for quoted in re.findall(r"^> ((?:Refused|Passed).*\n> .*); \.\.\.", PAGE, re.MULTILINE):
        assert quoted.replace("\n> ", " ") in verdicts


def test_what_the_page_says_of_refusals_is_what_the_gate_says() -> None:
    learn = Path(homeostat.learn.__file__).parent
    sources = "\n".join((learn / name).read_text() for name in ("gate.py", *GATES_WORDS))
    _, table = PAGE.split("| what it says | what to do |")
    rows = [line for line in table.split("\n\n")[0].splitlines() if line.startswith("| `")]
    phrases = [phrase for row in rows for phrase in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
    counts = f"needs {ATTEMPTS_MIN} in {INCIDENTS_MIN}"
    assert counts in phrases
    assert [phrase for phrase in phrases if phrase not in sources and phrase != counts] == []
    assert len(phrases) == 14


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
