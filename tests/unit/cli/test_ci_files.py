"""What other repositories use of this one: the pre-commit hooks and the GitHub Action."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from homeostat.cli import COMMANDS, main

ROOT = Path(__file__).parents[3]
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())


def test_hooks_have_what_pre_commit_asks_for() -> None:
    assert [hook["id"] for hook in HOOKS] == ["homeostat-lint", "homeostat-test"]
    for hook in HOOKS:
        assert {"id", "name", "entry", "language", "files"} <= set(hook)
        assert hook["language"] == "python"
        re.compile(hook["files"])


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook["id"]))
def test_a_hooks_entry_runs_on_the_shipped_policies(hook: dict[str, Any], tmp_path: Path) -> None:
    """On those that lie directly in the folder; the scenarios' own tests run elsewhere."""
    shutil.copytree(ROOT / "policies", tmp_path / "policies", ignore=lambda *_: ["scenarios"])
    program, command = shlex.split(hook["entry"])
    if command not in COMMANDS:
        pytest.skip(f"`{command}` comes with the author's bench")
    files = [
        str(path) for path in sorted((tmp_path / "policies").glob("*.yaml")) if re.search(hook["files"], path.name)
    ]
    names = files if hook.get("pass_filenames", True) else []
    assert files
    code = "from homeostat.cli import main; main()"
    assert program == "homeostat"
    done = subprocess.run(
        [sys.executable, "-c", code, command, *names],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "agent")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_action_is_composite_pinned_and_asks_for_no_secret() -> None:
    assert ACTION["runs"]["using"] == "composite"
    for step in ACTION["runs"]["steps"]:
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
        else:
            assert step["shell"] == "bash"
            assert "${{" not in step["run"], "an input must not become part of a script; pass it in env"
    text = (ROOT / "action.yml").read_text()
    assert "secrets." not in text
    assert "github.token" not in text
    for used in re.findall(r"inputs\.([\w-]+)", text):
        assert used in ACTION["inputs"]


@pytest.mark.parametrize("strict", ["true", "false"])
def test_the_actions_lint_step_runs(tmp_path: Path, strict: str) -> None:
    (step,) = [step for step in ACTION["runs"]["steps"] if "lint" in step.get("run", "")]
    program = tmp_path / "homeostat/bin/homeostat"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from homeostat.cli import main; main()" "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ, "RUNNER_TEMP": str(tmp_path), "POLICIES": "policies", "STRICT": strict,
        "PYTHONPATH": str(ROOT / "agent"),
    }  # fmt: skip
    arguments = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(
        arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_examples_of_the_page_are_yaml_and_name_what_is_there() -> None:
    page = (ROOT / "docs/ci.md").read_text()
    workflow, pre_commit = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    (step,) = [step for step in workflow["jobs"]["lint"]["steps"] if "homeostat" in step["uses"]]
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert [hook["id"] for hook in pre_commit["repos"][0]["hooks"]] == [hook["id"] for hook in HOOKS]


@pytest.mark.parametrize("page", ["ci.md", "looking-at-policies.md"])
def test_the_commands_of_the_pages_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "homeostat.toml").write_text("")
    lines = re.findall(r"^\$ homeostat (.*)$", (ROOT / "docs" / page).read_text(), re.MULTILINE)
    assert len(lines) >= 3
    for line in lines:
        arguments = shlex.split(line.partition(" > ")[0])
        if "--rev" in arguments:
            in_git = ["init", "-qb", "main"], ["add", "."], ["commit", "-qm", "first"]
            identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
            for step in in_git:
                subprocess.run(["git", *identity, *step], check=True, capture_output=True, timeout=30)
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, (line, result.output)
