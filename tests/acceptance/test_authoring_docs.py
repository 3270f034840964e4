"""Pages that are worked through: files are written, commands run in order, outputs and exit codes compared."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.acceptance.test_readme import ROOT, run, shown

from homeostat.authoring.advice import RULES, Model
from homeostat.authoring.drift import Cause

PAGES = ("from-what-you-have", "choosing-a-model", "change-management", "replay", "telemetry")
_PART = re.compile(r"^`([\w./-]+)`:\n\n(`{3,})\w+\n(.*?)\n\2$|^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_EXIT = re.compile(r"  # exit code (\d)$")


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()


def steady(text: str) -> str:
    """Text without what is different every time: commits and days. A policy's version is always the same."""
    return re.sub(r"(?<!version )\b[0-9a-f]{12}\b", "HASH", re.sub(r"\b\d{4}-\d\d-\d\d\b", "DAY", text))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ann")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ann@example.com")
    return tmp_path


@pytest.mark.parametrize("name", PAGES)
def test_a_page_does_what_it_shows(name: str, folder: Path) -> None:
    ran = 0
    for path, _, text, console in _PART.findall(page(name)):
        if path:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text + "\n")
            continue
        for step in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            expected = _EXIT.search(command)
            result = run(_EXIT.sub("", command), folder)
            assert result.returncode == int(expected[1] if expected else 0), (
                f"{command}\n{result.stdout}{result.stderr}"
            )
            printed = iter(steady(result.stdout).splitlines())
            missing = [line for line in steady(output).splitlines() if line not in printed]  # in this order
            assert not missing, f"{command}\n{result.stdout}"
            ran += command.startswith("homeostat")
    assert ran >= (2 if name == "replay" else 4)


def test_the_step_shown_is_the_one_written(folder: Path) -> None:
    text = page("from-what-you-have")
    (runbook,) = re.findall(r"````markdown\n(.*?)````", text, re.DOTALL)
    (folder / "restore.md").write_text(runbook)
    assert shown(text, "yaml")[1] in run("homeostat import runbook restore.md", folder).stdout


def test_the_rules_shown_are_the_rules() -> None:
    rows = re.findall(r"^\| ([a-z-]+) \|(.*)\|$", page("choosing-a-model").partition("## The rules")[2], re.MULTILINE)
    table = {name: [int(cell.strip() or 0) for cell in cells.split("|")] for name, cells in rows if name != "rule"}
    assert table == {rule.name: [rule.points.get(model, 0) for model in Model] for rule in RULES}


def test_the_graph_drawn_is_the_graph_printed() -> None:
    text = page("choosing-a-model")
    (drawn,) = shown(text, "mermaid")
    assert drawn in shown(text, "console")[0]


def test_every_cause_is_explained() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", page("change-management"), re.MULTILINE)
    assert sorted(explained) == sorted(Cause)


def test_the_ci_snippet_runs_and_is_red_where_a_review_is_wanted(folder: Path) -> None:
    text = page("change-management")
    (workflow,) = (block for block in shown(text, "yaml") if "jobs:" in block)
    steps = yaml.safe_load(workflow)["jobs"]["drift"]["steps"]
    (command,) = (step["run"] for step in steps if step.get("run", "").startswith("homeostat"))
    for step in steps:
        assert not re.match(r"pip install homeostat\b", step.get("run", "")), "of an index, whoever has the name there"
    (folder / "policies").mkdir()
    (folder / "policies/pay.homeostat.yaml").write_text(shown(text, "yaml")[0])
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Begin"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    assert run(command, folder).returncode == 1
