"""The commands themselves: formats, exit codes, questions on a terminal, and errors without a traceback."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from homeostat.cli import main

RULE = "groups: [{name: g, rules: [{alert: Down, expr: 'up == 0', labels: {severity: page}}]}]\n"


def homeostat(folder: Path, *arguments: str, answers: str | None = None) -> Result:
    before = Path.cwd()
    os.chdir(folder)
    try:
        result = CliRunner().invoke(main, arguments, input=answers)
    finally:
        os.chdir(before)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def test_rules_are_shown_or_written(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULE)
    shown = homeostat(tmp_path, "import", "rules", "rules.yml")
    assert "# --- Down.homeostat.yaml" in shown.stdout
    assert "note: rules.yml:1:29: Down: the rule fires for each of several series" in shown.stderr
    rows = json.loads(homeostat(tmp_path, "--json", "import", "rules", "rules.yml").stdout)
    assert [row["file"] for row in rows] == ["Down.homeostat.yaml", "signals.yaml"]
    assert homeostat(tmp_path, "import", "rules", "rules.yml", "--out", "policies").exit_code == 0
    assert homeostat(tmp_path, "lint", "policies").exit_code == 0
    again = homeostat(tmp_path, "import", "rules", "rules.yml", "--out", "policies")
    assert again.exit_code == 2
    assert "Down.homeostat.yaml exists already" in again.stderr


def test_a_folder_that_has_signals_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULE)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/signals.yaml").write_text("x: up\n")
    assert homeostat(tmp_path, "import", "rules", "rules.yml", "--out", "policies").exit_code == 0
    assert (tmp_path / "policies/signals.yaml").read_text() == "x: up\n"
    assert (tmp_path / "policies/rules-signals.yaml").exists()
    assert homeostat(tmp_path, "lint", "policies").exit_code == 0


def test_a_runbook_is_shown_or_written(tmp_path: Path) -> None:
    (tmp_path / "rb.md").write_text("1. do it\n")
    assert homeostat(tmp_path, "import", "runbook", "rb.md").stdout.startswith("# From the runbook rb.md")
    wrong = homeostat(tmp_path, "import", "runbook", "rb.md", "--out", "x.yaml")
    assert wrong.exit_code == 2
    assert "x.homeostat.yaml" in wrong.stderr
    assert homeostat(tmp_path, "import", "runbook", "rb.md", "--out", "p/x.homeostat.yaml").exit_code == 0
    assert "policy: x\n" in (tmp_path / "p/x.homeostat.yaml").read_text()
    assert homeostat(tmp_path, "lint", "p").exit_code == 0


@pytest.mark.parametrize("kind", ["rules", "runbook"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\x00", b"x" * (1 << 21)])
def test_what_cannot_be_read_is_refused(tmp_path: Path, kind: str, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    result = homeostat(tmp_path, "import", kind, "file")
    assert result.exit_code == 2
    assert result.stderr.startswith("file:1:1: E1")
    missing = homeostat(tmp_path, "import", kind, "none")
    assert missing.exit_code == 2
    assert "there is no such file" in missing.stderr


def test_advice_for_programs_is_one_row_a_model(tmp_path: Path) -> None:
    rows = json.loads(
        homeostat(tmp_path, "--json", "advise", "--systems", "a,b", "--takes", "a=1h", "--rto", "2h").stdout
    )
    assert [row["model"] for row in rows] == ["linear", "parallel", "adaptive", "hybrid"]
    assert sum(row["chosen"] for row in rows) == 1
    assert (rows[0]["sequential_s"], rows[0]["critical_path_s"], rows[0]["rto_s"]) == (4500.0, 3600.0, 7200.0)


def test_advice_without_a_terminal_wants_its_options(tmp_path: Path) -> None:
    for arguments in ([], ["--rto", "5m"]):
        result = homeostat(tmp_path, "advise", *arguments)
        assert result.exit_code == 2
        assert "--systems is wanted" in result.stderr
    assert homeostat(tmp_path, "advise", "--systems", "a", "--team", "expert").exit_code == 2
    assert (
        "did you mean 'cache'" in homeostat(tmp_path, "advise", "--systems", "cache", "--depends", "cahce:cache").stderr
    )


def test_advice_asks_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from homeostat.cli import main; main()", "advise"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        os.close(theirs)
        os.write(ours, b"pay\n\n\n90m\nadvanced\n9\nno\ny\n")
        output, _ = process.communicate(timeout=60)
        os.close(ours)
    assert process.returncode == 0, output
    assert "Take the adaptive model." in output.decode()


def test_a_review_by_file_or_by_name(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "rb.md").write_text("1. do it\n")
    homeostat(tmp_path, "import", "runbook", "rb.md", "--out", "policies/x.homeostat.yaml")
    assert homeostat(tmp_path, "drift").exit_code == 2, "no repository"
    assert homeostat(tmp_path, "review-policy", "x", "--by", "Ann").exit_code == 2
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Begin"]):
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)
    assert homeostat(tmp_path, "drift").exit_code == 1
    for name in ("x", "policies/x.homeostat.yaml"):
        assert homeostat(tmp_path, "review-policy", name, "--by", "Ann", "--next", "2999-01-01").exit_code == 0
    assert homeostat(tmp_path, "drift").exit_code == 0
    assert json.loads(homeostat(tmp_path, "--json", "drift", "policies").stdout) == [{"policy": "x", "stale": False}]
    for wrong, expected in (
        (["xy", "--by", "Ann"], "there is no policy 'xy'"),
        (["x", "--by", " "], "a name at least one"),
        (["x", "--by", "Ann", "--next", "soon"], "'soon' is not a date"),
        (["x", "--by", "Ann", "--next", "2020-01-01"], "say --next"),
        (["none.homeostat.yaml", "--by", "Ann"], "no such file"),
    ):
        result = homeostat(tmp_path, "review-policy", *wrong)
        assert result.exit_code == 2, result.output
        assert expected in result.stderr
