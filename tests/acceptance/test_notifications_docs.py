"""Every command and setting of docs/notifications.md, run as it is shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tests.acceptance.people_workspace import PeopleWorkspace

from homeostat.app.clock import SystemClock
from homeostat.app.notify_channels import all_channels
from homeostat.app.settings import load_settings
from homeostat.notify.kinds import BUILT_IN
from homeostat.notify.message import Topic
from homeostat.notify.routing import DEMANDS

DOCUMENT = (Path(__file__).parents[2] / "docs/notifications.md").read_text()

pytestmark = [
    pytest.mark.timeout(150),
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def test_what_is_shown_works(tmp_path: Path) -> None:
    (settings,) = blocks("toml")
    commands = [line.removeprefix("$ homeostat ") for session in blocks("console") for line in session.splitlines()]
    assert len(commands) == 4
    steps = '- {id: storage, manual: "fail it over", owner: oncall, check: "is it writable?"}\n'
    # Nobody outside is told by a test: the chains lead to the log.
    to_the_log = settings.replace('"pager"', '"log"').replace('"mail", "hook"', '"log"').replace('default = "mail"', "")
    to_the_log = to_the_log.replace('gather = "5s"', 'gather = "0s"').replace('to = ["mail"]', 'to = ["log"]')
    with PeopleWorkspace(tmp_path / "w", steps, people=to_the_log) as shop:
        shop.errors = 10.0
        shop.start()
        incident = shop.wait_pending("manual")["incident"]
        log = shop.folder / "agent.log"
        shop.wait_for("the log to be told", lambda: "is to be done by hand" in log.read_text())
        for command in commands:
            told = shop.run(*shlex.split(command.replace("INCIDENT", incident)))
            if command != "doctor":  # its verdict is on the whole workspace, whose token this command is not given
                assert told.returncode == 0, f"{command}\n{told.stdout}{told.stderr}"


def test_the_settings_as_they_are_shown_are_taken(tmp_path: Path) -> None:
    (settings,) = blocks("toml")
    file = tmp_path / "homeostat.toml"
    file.write_text(f'[prometheus]\nurl = "http://127.0.0.1:9090"\n{settings}')
    loaded = load_settings(file)
    assert set(all_channels(loaded, SystemClock().now)) == set(loaded.notify.channels)
    kinds = {table.kind for table in loaded.notify.channels.values()}
    assert kinds | {"slack"} == set(BUILT_IN)


def test_every_kind_and_topic_is_described() -> None:
    for kind in BUILT_IN:
        assert f"- **{kind}**" in DOCUMENT
    for topic in set(Topic) - {Topic.DIGEST}:
        assert f"`{topic.value}`" in DOCUMENT, topic
    assert all(f"(`{topic.value}`)" in DOCUMENT.replace("\n", " ") for topic in DEMANDS)
