"""The commands of the scenarios' pages run, and the tables and drawings they show are what comes out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from homeostat.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/scenarios.md").read_text()
READMES = sorted((ROOT / "policies/scenarios").glob("*/README.md"))


def run(command: str) -> Result:
    """Run a shown command here, as its words; nothing of it goes through a shell."""
    program, *arguments = shlex.split(command)
    assert program == "homeostat"
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, with the folder it is run in, relative to the project."""
    folder = "."
    for line in block.splitlines():
        command = line.removeprefix("$ ")
        if command.startswith("cd "):
            folder = command.removeprefix("cd ")
        else:
            yield folder, command


SHOWN = re.findall(r"```console\n([^`]*)```\n\n```text\n([^`]*)```", PAGE)


@pytest.mark.parametrize(("block", "output"), SHOWN, ids=lambda text: text.split(" --world ")[-1][:40].strip())
def test_a_matrix_of_the_page_is_what_compare_prints(block: str, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ((folder, command),) = commands(block)
    monkeypatch.chdir(ROOT / folder)
    result = run(command)
    assert result.exit_code == 0, result.output
    assert result.stdout.rstrip() == output.rstrip()


def minutes(measure: str, table: str) -> list[float]:
    """A measure of a table, one a policy."""
    row = next(line for line in table.splitlines() if line.startswith(measure))
    times = re.findall(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?=\s|$)", row.split("simulated", 1)[1])
    return [int(h or 0) * 60 + int(m or 0) + int(s or 0) / 60 for h, m, s in times if h or m or s]


def test_the_matrices_have_the_articles_direction_and_magnitude() -> None:
    linear, parallel, _, adaptive = (output for _, output in SHOWN)
    by_hand, as_policy = minutes("time to recovery, mean", linear)
    assert by_hand == pytest.approx(90, rel=0.1)
    assert as_policy == pytest.approx(35, rel=0.1)
    sequential, at_once, _ = minutes("time to recovery, mean", parallel)
    assert (sequential > 120, at_once < 50) == (True, True)
    by_hand, as_policy = minutes("time to recovery, mean", adaptive)
    assert by_hand == pytest.approx(45, rel=0.15)
    assert as_policy < 10


def test_the_drawing_of_the_page_is_what_graph_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    drawn = re.findall(r"```mermaid\n([^`]*)```", PAGE)
    result = run("homeostat graph policies/scenarios/enterprise-shop/enterprise-shop.homeostat.yaml")
    assert [text.rstrip() for text in drawn] == [result.stdout.rstrip()]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_the_commands_of_a_readme_run(readme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```console\n([^`]*)```", readme.read_text())
    ran = set()
    for folder, command in commands(block):
        assert ROOT / folder == readme.parent
        monkeypatch.chdir(ROOT / folder)
        name = command.split()[1]
        ran.add(name)
        if name == "test":
            continue  # test_scenarios.py runs these tests
        result = run(re.sub(r"--incidents \d+", "--incidents 2", command))
        assert result.exit_code == 0, f"{command}\n{result.output}"
        assert result.stdout.strip()
    assert ran >= {"lint", "test", "graph", "simulate"}
