"""Every command that a document shows is run, and every output it shows is real."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
NO_NETWORK_HERE = {"homeostat doctor": 1}
"""Commands whose exit code is not 0 where there is no Prometheus."""


def shown(document: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)


def commands(block: str) -> Iterator[str]:
    for line in block.splitlines():
        if line.startswith("$ "):
            yield line.removeprefix("$ ").partition("  #")[0].strip()


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        shlex.split(command),
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_the_workspace_commands_work_in_the_order_they_are_shown(tmp_path: Path) -> None:
    (block,) = [block for block in shown(README, "console") if "init" in block]
    folder = tmp_path
    ran = []
    for command in commands(block):
        if command.startswith("cd "):
            folder = folder / command.removeprefix("cd ")
            continue
        if command == "homeostat run":
            settings = folder / "homeostat.toml"  # another agent may be running on this machine
            settings.write_text(settings.read_text().replace("127.0.0.1:9464", "127.0.0.1:0"))
            command = "homeostat run --ticks 1"
        result = run(command, folder)
        assert result.returncode == NO_NETWORK_HERE.get(command, 0), f"{command}\n{result.stdout}\n{result.stderr}"
        ran.append(command)
    assert len(ran) >= 6


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demo as `make demo` runs it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("demo") / "workspace"
    assert "$(VENV)/bin/homeostat demo" in (ROOT / "Makefile").read_text()
    result = run(f"homeostat demo --folder {folder}", ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder, result.stdout


def test_the_demo_prints_what_the_readme_shows(demo: tuple[Path, str]) -> None:
    _, output = demo
    blocks = shown(README, "text")
    story, table = blocks[0], blocks[1]
    assert story in output
    printed = output[output.index("== What learning did") :].split("\n\n")[0].splitlines()
    # What the first training leads to may differ in the last digits on another processor; what comes before may not.
    assert table.splitlines()[:3] == printed[:3]
    assert [line.split()[:2] for line in table.splitlines()[3:5]] == [line.split()[:2] for line in printed[3:5]]


def test_the_demo_tells_the_whole_story(demo: tuple[Path, str]) -> None:
    _, output = demo
    for word in ("detected", "confirmed", "action", "verified", "recovered", "dismissed", "written order", "Passed"):
        assert word in output
    assert re.search(r"mean time to recovery: [\d.]+ -> [\d.]+ min \(-\d+%\)", output)


def test_the_commands_the_tables_show_work_on_the_demos_journal(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    found = re.findall(r"^\| `(homeostat [^`]+)` \|", README, re.MULTILINE)
    assert len(found) >= 4
    listed = run("homeostat -o csv incidents", folder).stdout.splitlines()
    incident = listed[-1].split(",")[0]
    for command in found:
        policy = "policies/payments-5xx.homeostat.yaml"
        stands_for = {"INCIDENT": incident, "POLICY": "payments-5xx", "OLD": policy, "NEW": policy}
        for word, value in stands_for.items():
            command = command.replace(word, value)
        result = run(command, folder)
        assert result.returncode == 0, f"{command}\n{result.stderr}"
        assert result.stdout.strip()


def test_the_policy_the_readme_shows_is_the_shipped_one() -> None:
    policy = (ROOT / "policies/payments-5xx.homeostat.yaml").read_text()
    assert shown(README, "yaml")[0] in policy


def test_the_action_the_readme_shows_is_valid(tmp_path: Path) -> None:
    (tmp_path / "actions.yaml").write_text(shown(README, "yaml")[1])
    (tmp_path / "p.homeostat.yaml").write_text(
        "policy: p\nowner: me\nsignals: {x: up}\ntrigger: {if: x > 1}\nresolved: {if: x < 1, within: 1m}\n"
        "escalate: {to: me}\nsteps: [{do: service.restart, target: service/x, verify: {if: x < 1, within: 1m}}]\n"
    )
    result = run("homeostat lint p.homeostat.yaml", tmp_path)
    assert result.returncode == 0, result.stdout


def test_links_lead_somewhere() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md"]:
        for link in re.findall(r"\]\((?!https:)([^)#]+)\)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"
