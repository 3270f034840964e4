"""Clicks on buttons in Slack, judged as what people say by the console is.

A payload comes from Slack, over a connection that Slack gave the address of; nothing in it is believed but who clicked
on what (https://docs.slack.dev/reference/interaction-payloads/block_actions-payload). Identity is the member id alone:
names can be chosen. Replies go to Slack's API, never to the `response_url` of a payload.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homeostat.app.access import AccessList
from homeostat.app.settings import Settings
from homeostat.console.acts import Act, Refused, Said, answer, answer_incident
from homeostat.console.identity import Caller, Means
from homeostat.model.answers import AnswerKind
from homeostat.model.errors import HomeostatError
from homeostat.notify.slack_blocks import Block
from homeostat.notify.slack_button import ButtonAction, Shown, decode

_ID = re.compile("[A-Z][A-Z0-9]{1,30}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,20}\.[0-9]{1,10}", re.ASCII)
_ACTS = {ButtonAction.APPROVE: Act.APPROVE, ButtonAction.DENY: Act.DENY}
_DONE = {
    ButtonAction.APPROVE: "agreed to by {name}",
    ButtonAction.DENY: "refused by {name}",
    ButtonAction.ACKNOWLEDGE: "{name} is on it",
}
_NOTE = "in Slack"
"""What the journal says beside the name."""


class NoClick(Exception):
    """A payload that is no click on one of our buttons; the message says why and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Click:
    """One click.

    Attributes:
        id: the same whenever Slack delivers it again, and of no other; the answer's id.
        user, team: member id and workspace id of whoever clicked, as Slack knows them. home: of their own workspace.
        channel, message: where the message with the button stands. thread: the timestamp of its thread, or "".
        shown: what they saw being asked. blocks: of the message.
    """

    id: str
    user: str
    team: str
    home: str
    channel: str
    message: str
    thread: str
    action: ButtonAction
    shown: Shown
    blocks: tuple[Block, ...]

    @property
    def ends(self) -> frozenset[ButtonAction]:
        """The buttons that have no use any more once it counts."""
        return frozenset({self.action} if self.action is ButtonAction.ACKNOWLEDGE else ButtonAction)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the person alone is told. `closes`: what the message says from now on instead of its buttons, if it does."""

    text: str
    closes: str | None = None


def read_click(payload: Mapping[str, Any]) -> Click:
    """Read a `block_actions` payload strictly. Raises NoClick."""
    if payload.get("type") != "block_actions":
        raise NoClick("not a click on a button")
    actions = payload.get("actions")
    if not isinstance(actions, list) or len(actions) != 1 or not isinstance(actions[0], dict):
        raise NoClick("not one click")
    action, user = actions[0], _table(payload, "user")
    container, message = _table(payload, "container"), _table(payload, "message")
    try:
        kind = ButtonAction(_text(action, "action_id", 255))
        value = _text(action, "value", 2000)
        shown = decode(value, is_question=kind is not ButtonAction.ACKNOWLEDGE)
    except ValueError as error:
        raise NoClick(f"not a button of ours: {error}") from None
    said = {
        "user": _matching(user, "id", _ID),
        "team": _matching(_table(payload, "team"), "id", _ID),
        "channel": _matching(container, "channel_id", _ID),
        "message": _matching(container, "message_ts", _TIMESTAMP),
        "at": _matching(action, "action_ts", _TIMESTAMP),
    }
    identity = json.dumps([said, kind.value, value], sort_keys=True).encode()
    blocks = message.get("blocks")
    return Click(
        id=f"slack-{hashlib.sha256(identity).hexdigest()[:40]}",
        user=said["user"],
        team=said["team"],
        home=_matching(user, "team_id", _ID) if "team_id" in user else said["team"],
        channel=said["channel"],
        message=said["message"],
        thread=_matching(message, "thread_ts", _TIMESTAMP) if "thread_ts" in message else "",
        action=kind,
        shown=shown,
        blocks=tuple(block for block in blocks if isinstance(block, dict)) if isinstance(blocks, list) else (),
    )


def judge(settings: Settings, access: AccessList, click: Click) -> Reply:
    """Say by the inbox what a click says, if whoever clicked may; the agent judges it again.

    Args:
        settings: of the workspace.
        access: who may do what.
        click: as Slack delivers it; a second delivery changes nothing.
    """
    try:
        caller = _caller(settings, access, click)
        said = _say(settings, caller, click)
    except Refused as error:
        return Reply(f"This does not count: {error.message}.")
    except HomeostatError as error:
        return Reply(f"This could not be said: {error}. Use the console or the command line.")
    if not said.counts:
        return Reply(f"Heard: {said.message}.")
    return Reply(f"It counts: {said.message}.", _DONE[click.action].format(name=caller.name))


def _caller(settings: Settings, access: AccessList, click: Click) -> Caller:
    """Who clicked. Raises Refused, UsageError."""
    team = settings.slack.team
    if team is None or click.team != team or click.home != team:
        raise Refused(403, "it comes from another workspace than [slack] of the settings names")
    name = settings.slack.person(click.user)
    if name is None:
        raise Refused(403, f"nobody is bound to your member id {click.user}; see [slack.people] of the settings")
    person = access.named(name)
    if person is None:
        raise Refused(403, f"{name} has no access; an admin grants it: homeostat access grant {name} --role ROLE")
    return Caller(person.name, person.role, Means.SLACK)


def _say(settings: Settings, caller: Caller, click: Click) -> Said:
    """Raises Refused, HomeostatError."""
    shown = click.shown
    if click.action is ButtonAction.ACKNOWLEDGE:
        return answer_incident(settings, caller, AnswerKind.ACKNOWLEDGE, shown.incident, _NOTE, click.id)
    act = _ACTS[click.action]
    return answer(settings, caller, shown.incident, shown.node, act, _NOTE, shown.plan, shown.until, click.id)


def _table(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = payload.get(name)
    if not isinstance(found, dict):
        raise NoClick(f"its '{name}' is missing")
    return found


def _text(table: Mapping[str, Any], name: str, length_max: int) -> str:
    found = table.get(name)
    if not isinstance(found, str) or len(found) > length_max:
        raise NoClick(f"its '{name}' is missing or too long")
    return found


def _matching(table: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    found = _text(table, name, 64)
    if pattern.fullmatch(found) is None:
        raise NoClick(f"its '{name}' is not of the form that Slack documents")
    return found
