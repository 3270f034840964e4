"""The page "Write your first policy", done word for word: its files written, its commands run, its output compared."""

from __future__ import annotations

import re
from pathlib import Path

from tests.acceptance.test_readme import run

PAGE = (Path(__file__).parents[2] / "docs/first-policy.md").read_text()
FAILS = {"homeostat lint policies/web-errors.homeostat.yaml": [1, 0, 0]}
"""Exit codes where a command is shown several times; all others end with 0."""
OUTPUT_VARIES = ("homeostat init", "homeostat run")
"""Commands whose output is not shown: it holds times and paths."""


def said_and_printed(block: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output shown below it."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_the_first_policy_page_is_true(tmp_path: Path) -> None:
    folder = tmp_path
    codes = {command: list(expected) for command, expected in FAILS.items()}
    ran = []
    for language, body in re.findall(r"```(yaml|console)\n(.*?)```", PAGE, re.DOTALL):
        if language == "yaml":
            named = re.match(r"# (\S+)\n", body)
            assert named is not None
            (folder / named[1]).write_text(body)
            continue
        for command, printed in said_and_printed(body):
            if command.startswith("cd "):
                folder = folder / command.removeprefix("cd ")
                settings = folder / "homeostat.toml"  # another agent may be running on this machine
                settings.write_text(settings.read_text().replace("127.0.0.1:9464", "127.0.0.1:0"))
                continue
            result = run(command, folder)
            wanted = codes.get(command, [0]).pop(0) if command in codes else 0
            assert result.returncode == wanted, f"{command}\n{result.stdout}\n{result.stderr}"
            if not command.startswith(OUTPUT_VARIES):
                assert result.stdout.rstrip() == printed.rstrip(), command
            ran.append(command.split()[1])
    assert ran == ["init", "lint", "lint", "lint", "test", "graph", "simulate", "run"]


def test_it_names_what_comes_next() -> None:
    for link in ("language.md", "scenarios.md", "worlds.md", "policy-tests.md"):
        assert f"]({link})" in PAGE
