"""What docs/drills.md shows of the sandbox runs, and its tables name the faults that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.acceptance.command_line import homeostat

from homeostat.app.drills import FAULTS, Place

PAGE = (Path(__file__).parents[2] / "docs/drills.md").read_text()


def test_what_the_page_shows_of_the_sandbox_runs(tmp_path: Path) -> None:
    (session,) = re.findall(r"```console\n(\$ homeostat drill run \w+ --sandbox.*?)```", PAGE, re.DOTALL)
    for line in session.splitlines():
        words = line.partition("#")[0].removeprefix("$ homeostat ").split()
        ran = homeostat(tmp_path, *(word.replace("/tmp/drill", str(tmp_path / "drill")) for word in words))
        assert ran.returncode == 0, f"{words}: {ran.stderr}"


@pytest.mark.parametrize("place", FAULTS)
def test_every_fault_is_in_the_table_of_its_tier_with_what_helps(place: Place) -> None:
    heading = {"sandbox": "In the sandbox", "local": "On local processes", "rig": "The faults of the rig"}[place]
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(FAULTS[place]())
