"""Every command of the first section of docs/after-an-incident.md runs, and says what the page shows."""

import shlex
from pathlib import Path

import pytest
from tests.acceptance.command_line import homeostat
from tests.acceptance.test_readme import ROOT, commands, shown

PAGE = (ROOT / "docs/after-an-incident.md").read_text().partition("\n## The team's survey")[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that has the shipped history, and may be written to."""
    (tmp_path / "history").symlink_to(ROOT / "history")
    return tmp_path


def test_the_commands_of_the_page_run_and_say_what_it_shows(folder: Path) -> None:
    (block,) = shown(PAGE, "console")
    season, recorded = (shlex.split(command) for command in commands(block))
    told = homeostat(folder, *season[1:])
    assert told.returncode == 0, told.stderr
    for text in shown(PAGE, "text"):
        assert text in told.stdout
    sections = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| ")]
    titles = [line.removeprefix("## ") for line in told.stdout.splitlines() if line.startswith("## ")]
    assert titles == sections[1:12]
    assert homeostat(folder, *recorded[1:]).stdout == "wrote review.html\n"
    page = (folder / "review.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "Incident 019b8af4-2618-79fe-bde8-aeed31ebc44f, payments-5xx" in page
