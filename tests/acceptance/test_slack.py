"""Approvals in Slack: a real agent, a real console process, and a Slack on this host that holds both to its rules."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.people_workspace import PROGRAM, PeopleWorkspace
from tests.slack_workspace import APP_TOKEN, BOT_TOKEN, CHANNEL, TEAM, Json, SlackWorkspace, button

from homeostat.model import entries as e

STEPS = """\
- id: restore
  do: act
  target: db/shop
  mode: suggest
  approval: {from: dba}
  verify: {if: errors < 1, for: 0s, within: 5m}
"""
ROLES = {"dana": "approver", "eli": "approver", "vera": "viewer"}
MEMBERS = {"dana": "U0DANA", "eli": "U0ELI", "vera": "U0VERA", "gone": "U0GONE"}
APPROVE, ACKNOWLEDGE = "homeostat_approve", "homeostat_acknowledge"


def tables(slack: SlackWorkspace, folder: Path) -> str:
    bound = "\n".join(f'{name} = "{member}"' for name, member in MEMBERS.items())
    bot, app = (f'"file:{folder}/{name}"' for name in ("bot-token", "app-token"))
    return (
        '[people]\ndba = ["dana", "eli", "vera"]\n'
        f'[notify]\ndefault = "slack"\ngather = "0s"\nconsole_url = "https://homeostat.example.org"\n'
        f'[notify.channels.slack]\nkind = "slack"\ntoken = {bot}\nchannel = "{CHANNEL}"\napi_url = "{slack.api_url}"\n'
        f'[slack]\napp_token = {app}\nbot_token = {bot}\nteam = "{TEAM}"\napi_url = "{slack.api_url}"\n'
        f"[slack.people]\n{bound}\n"
    )


@pytest.fixture
def slack() -> Iterator[SlackWorkspace]:
    with SlackWorkspace() as started:
        yield started


@pytest.fixture
def shop(slack: SlackWorkspace, tmp_path: Path) -> Iterator[PeopleWorkspace]:
    (tmp_path / "bot-token").write_text(BOT_TOKEN + "\n")
    (tmp_path / "app-token").write_text(APP_TOKEN + "\n")
    with PeopleWorkspace(tmp_path / "w", STEPS, people=tables(slack, tmp_path)) as workspace:
        for name, role in ROLES.items():
            assert workspace.run("access", "grant", name, "--role", role).returncode == 0
        with (workspace.folder / "console.log").open("wb") as log:
            command = [PROGRAM, "serve", "--listen", "127.0.0.1:0"]
            console = subprocess.Popen(command, cwd=workspace.folder, stdout=log, stderr=log)
            workspace.start()
            yield workspace
            console.terminate()
            assert console.wait(timeout=20) in (0, -15), "it ends in order"


def stale(envelope: Json) -> Json:
    """The same click on a message that was sent for another version of the plan."""
    action = envelope["payload"]["actions"][0]
    seen = {**json.loads(action["value"]), "plan": "0" * 64}
    return {**envelope, "payload": {**envelope["payload"], "actions": [{**action, "value": json.dumps(seen)}]}}


def test_the_second_persons_click_counts_and_no_other(slack: SlackWorkspace, shop: PeopleWorkspace) -> None:
    shop.errors = 10.0
    incident = shop.wait_pending("request")["incident"]
    assert shop.run("request", incident, "restore", "--as", "dana", "--note", "3 h <!channel> behind").returncode == 0
    asked = slack.wait_for(slack.asking, "the question")[0]
    assert f"<https://homeostat.example.org/incidents/{incident}|console>" in json.dumps(asked)
    slack.wait_for(lambda: slack.connections, "the console to listen")

    shown = copy.deepcopy(asked)  # what somebody sees who does not look again

    def click(member: str, **more: object) -> Json:
        return slack.click(shown, APPROVE, member, **more)

    assert "somebody else must agree" in slack.whisper_after(click("U0DANA"))
    assert "nobody is bound to your member id U0EVE" in slack.whisper_after(
        click("U0EVE", user={"id": "U0EVE", "name": "eli", "username": "eli", "team_id": TEAM})
    )
    assert "another workspace" in slack.whisper_after(click("U0ELI", team={"id": "T0OTHER"}))
    guest = {"id": "U0ELI", "name": "eli", "team_id": "T0OTHER"}
    assert "another workspace" in slack.whisper_after(click("U0ELI", user=guest))
    assert "gone has no access" in slack.whisper_after(click("U0GONE"))
    assert "you are viewer, and this needs approver" in slack.whisper_after(click("U0VERA"))
    assert "the plan has changed" in slack.whisper_after(stale(click("U0ELI")))
    assert shop.effects() == []
    assert button(slack.asking()[0], APPROVE) is not None, "it may still be answered"

    slack.drop()
    slack.wait_for(lambda: slack.said_hello == 2, "a new connection")
    assert "It counts" in slack.whisper_after(slack.click(asked, ACKNOWLEDGE, "U0ELI"))
    slack.wait_for(lambda: button(asked, ACKNOWLEDGE) is None, "its button to go")
    assert button(asked, APPROVE) is not None, "the question stands"
    slack.disconnect("refresh_requested")
    slack.wait_for(lambda: slack.said_hello == 3, "a new connection")

    yes = click("U0ELI")
    assert slack.whisper_after(yes) == "It counts: approve: in the journal under your name."
    slack.deliver(yes, again="-again")
    shop.wait_for("the action", lambda: len(shop.effects()) == 1)
    slack.wait_for(lambda: not slack.asking(), "the buttons to go")
    assert "nothing waits for that" in slack.whisper_after(click("U0ELI"))
    shop.errors = 0.0
    slack.wait_for(lambda: any("recovered" in one["text"] for one in slack.messages.values()), "the end of it")

    entries = shop.entries()
    assert [entry.by for entry in entries if isinstance(entry, e.ApprovalGranted)] == ["eli"]
    assert [entry.by for entry in entries if isinstance(entry, e.IncidentAcknowledged)] == ["eli"]
    refused = [(entry.by, entry.reason.value) for entry in entries if isinstance(entry, e.AnswerRefused)]
    assert refused == [("dana", "is_the_requester")], "nobody else's click got as far as the agent"
    assert len(shop.effects()) == 1
    assert "<!channel>" not in json.dumps(slack.messages)
    roots = [one for one in slack.messages.values() if "thread_ts" not in one]
    assert len(roots) == 1, "one thread for the incident"
    assert slack.broken == []
    logged = (shop.folder / "console.log").read_text() + (shop.folder / "agent.log").read_text()
    for token in (BOT_TOKEN, APP_TOKEN):
        assert token not in logged
        assert token not in repr(entries)
