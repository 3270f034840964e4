"""Every command of docs/people-in-the-loop.md, run as it is shown beside a running agent."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

import pytest
from tests.acceptance.people_workspace import PeopleWorkspace

DOCUMENT = (Path(__file__).parents[2] / "docs/people-in-the-loop.md").read_text()
WAITS_FOR = {"request": "request", "approve": "approval", "done": "manual"}

pytestmark = pytest.mark.timeout(150)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def test_what_is_shown_works_in_the_order_it_is_shown(tmp_path: Path) -> None:
    steps = "".join(blocks("yaml"))
    (people,) = blocks("toml")
    (session,) = blocks("console")
    commands = [line.removeprefix("$ homeostat ") for line in session.splitlines()]
    assert len(commands) == len(session.splitlines()) >= 7
    with PeopleWorkspace(tmp_path / "w", textwrap.indent(steps, ""), people=people) as shop:
        shop.start()
        shop.errors = 10.0
        incident = shop.wait_pending("request")["incident"]
        for command in commands:
            verb = command.split()[0]
            if verb in WAITS_FOR:
                shop.wait_pending(WAITS_FOR[verb])
            told = shop.run(*shlex.split(command.replace("INCIDENT", incident)))
            assert told.returncode == 0, f"{command}\n{told.stdout}{told.stderr}"
            if verb == "approve":
                shop.wait_for("the action", lambda: shop.effects() == ["db/shop"])
                shop.errors = 0.0  # it helped: the next step is reached, and the manual one after it
        assert "on the second try" in told.stdout
        assert "restore requested by dana" in told.stdout
