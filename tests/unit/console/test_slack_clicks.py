"""Clicks are read strictly, judged as the console judges, and heard once however often they are delivered."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.slack_workspace import APP_TOKEN, BOT_TOKEN, CHANNEL, TEAM, Json, SlackWorkspace, envelope_of
from tests.unit.console.console_rig import Shop, served, wait_for

from homeostat.app.people import pending, say
from homeostat.app.settings import Settings, load_settings
from homeostat.app.slack_table import SlackTable
from homeostat.console import acts, slack_listener
from homeostat.console.slack_clicks import Click, NoClick, judge, read_click
from homeostat.console.slack_listener import DELAY_S_MAX, delay_s
from homeostat.model.answers import AnswerKind
from homeostat.model.errors import HomeostatError, PolicyError
from homeostat.notify.message import Message, Question, Topic
from homeostat.notify.slack_blocks import message_blocks
from homeostat.notify.slack_button import Shown, decode, encode

PLAN = "ab" * 32
APPROVE = "homeostat_approve"
TABLE = {"app_token": "env:SLACK_APP", "bot_token": "env:SLACK_BOT", "team": TEAM}


def posted(incident: str = "shop-1", plan: str = PLAN, until: float = 1_700_000_900.25) -> Json:
    """A message with a question, as Slack keeps it."""
    question = Question("restore", plan, "restart", "db/shop", ("dba",), "dana", until)
    said = Message("m", Topic.ASKED, 1.0, "may it?", incident, "shop", question=question)
    return {
        "ts": "1700000000.000001",
        "channel": CHANNEL,
        "text": "t",
        "blocks": message_blocks(said, has_buttons=True),
    }


def payload(message: Json | None = None, action: str = APPROVE, member: str = "U0ELI") -> Json:
    found: Json = envelope_of(message or posted(), action, member, 1)["payload"]
    return found


CLICK = payload()


def changed(path: tuple[str | int, ...], value: object) -> Json:
    """The same payload with one part replaced."""
    copy: Json = json.loads(json.dumps(CLICK))
    here: Any = copy
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    return copy


VALUE = json.loads(CLICK["actions"][0]["value"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("type",), "view_submission"),
        (("actions",), []),
        (("actions",), [CLICK["actions"][0]] * 2),
        (("actions", 0, "action_id"), "other_app"),
        (("actions", 0, "action_ts"), "now"),
        (("actions", 0, "value"), None),
        (("actions", 0, "value"), "x" * 2001),
        (("actions", 0, "value"), "[" * 1999),
        (("actions", 0, "value"), json.dumps({**VALUE, "v": 2})),
        (("actions", 0, "value"), json.dumps({**VALUE, "by": "dana"})),
        (("actions", 0, "value"), json.dumps({**VALUE, "incident": ""})),
        (("actions", 0, "value"), json.dumps({**VALUE, "node": ""})),
        (("actions", 0, "value"), json.dumps({**VALUE, "node": "a\nb"})),
        (("actions", 0, "value"), json.dumps({**VALUE, "plan": ""})),
        (("actions", 0, "value"), json.dumps({**VALUE, "until": ""})),
        (("actions", 0, "value"), json.dumps({**VALUE, "until": 5})),
        (("actions", 0, "action_id"), "homeostat_acknowledge"),
        (("user",), "U0ELI"),
        (("user", "id"), "eli"),
        (("user", "id"), ["U0ELI"]),
        (("user", "team_id"), None),
        (("team",), None),
        (("team", "id"), ""),
        (("container", "channel_id"), "general"),
        (("container", "message_ts"), "1"),
        (("message",), []),
    ],
)
def test_what_is_no_click_of_ours_is_refused(path: tuple[str | int, ...], value: object) -> None:
    with pytest.raises(NoClick):
        read_click(changed(path, value))


def test_a_click_is_the_same_only_when_it_is_delivered_again() -> None:
    first = read_click(CLICK)
    assert read_click(changed(("response_url",), "https://elsewhere")).id == first.id
    others = [
        changed(("actions", 0, "action_ts"), "1700000009.000100"),
        changed(("user", "id"), "U0DANA"),
        changed(("actions", 0, "action_id"), "homeostat_deny"),
        changed(("container", "message_ts"), "1700000000.000002"),
    ]
    assert len({first.id, *(read_click(other).id for other in others)}) == 5


_texts = st.text(max_size=60) | st.integers(0, 600).map("n".__mul__)


@limits(max_examples=60)
@given(st.builds(Shown, _texts, _texts, st.just(PLAN) | _texts, st.just("1.000") | _texts))
def test_what_a_button_carries_is_what_is_read_or_there_is_no_button(shown: Shown) -> None:
    value = encode(shown)
    if value is not None:
        assert len(value) <= 2000
        assert decode(value, is_question=bool(shown.node)) == shown


@given(
    st.text(max_size=300)
    | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(json.dumps)
)
def test_other_values_are_refused_as_such(value: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(value, is_question=True)


@pytest.fixture
def bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A workspace whose dana, eli and otto are members over there."""
    monkeypatch.setenv("SLACK_APP", APP_TOKEN)
    monkeypatch.setenv("SLACK_BOT", BOT_TOKEN)
    shop = Shop(tmp_path / "w")
    return with_slack(shop)


def with_slack(shop: Shop, **more: object) -> Shop:
    people = {"dana": "U0DANA", "eli": "U0ELI", "otto": "U0OTTO"}
    table = SlackTable.model_validate({**TABLE, "people": people, **more})
    shop.settings = shop.settings.model_copy(update={"slack": table})
    return shop


@contextmanager
def asked(shop: Shop) -> Iterator[Callable[[str], Click]]:
    """An agent that has asked and stopped; gives clicks on what it asked."""
    shop.world.errors = 10.0
    with shop.running():
        request = wait_for(lambda: [one for one in _pending(shop) if one.kind == "request"])[0]
        say(shop.settings, shop.world, AnswerKind.REQUEST, "dana", request.incident, "restore", "")
        found = wait_for(lambda: [one for one in _pending(shop) if one.kind == "approval"])[0]
    plan = shop.policies["shop"].hash
    message = posted(found.incident, plan, found.until)
    yield lambda member: read_click(payload(message, member=member))


def _pending(shop: Shop) -> list[Any]:
    try:
        return list(pending(shop.settings))
    except HomeostatError:
        return []


def test_a_click_that_is_delivered_again_is_one_answer(bound: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "TAKEN_IN_S_MAX", 0.05)
    with asked(bound) as click:
        for _ in range(2):
            reply = judge(bound.settings, bound.access, click("U0ELI"))
            assert "it lies in the inbox" in reply.text
            assert reply.closes is None, "it may still be answered"
        assert len(list(bound.settings.inbox.glob("*.json"))) == 1
        with bound.running():
            wait_for(lambda: bound.world.started)
        late = judge(bound.settings, bound.access, click("U0ELI"))
        assert "nothing waits for that" in late.text or "incident is over" in late.text
    assert len(bound.world.started) == 1


def test_a_role_and_a_name_are_looked_up_at_the_click(bound: Shop) -> None:
    with asked(bound) as click:
        assert "you are operator" in judge(bound.settings, bound.access, click("U0OTTO")).text
        bound.access.revoke("eli")
        assert "eli has no access" in judge(bound.settings, bound.access, click("U0ELI")).text
        assert "nobody is bound" in judge(bound.settings, bound.access, click("U0NEW")).text
        assert list(bound.settings.inbox.glob("*.json")) == []


def test_a_list_of_people_that_cannot_be_read_lets_nobody_in(bound: Shop) -> None:
    with asked(bound) as click:
        (bound.settings.state / "access.json").write_text("{")
        assert "could not be said" in judge(bound.settings, bound.access, click("U0ELI")).text
        assert list(bound.settings.inbox.glob("*.json")) == []


def test_a_listener_goes_on_after_every_way_a_connection_can_end(bound: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_listener, "DELAY_S_MIN", 0.01)
    with SlackWorkspace() as slack:
        slack.messages["1700000000.000001"] = posted()
        slack.refuse["apps.connections.open"] = (429, {"Retry-After": "0"}, b'{"ok": false, "error": "ratelimited"}')
        with_slack(bound, api_url=slack.api_url)
        with served(bound.settings):
            slack.wait_for_hello(1)
            ends: list[Callable[[], None]] = [slack.drop, partial(slack.disconnect, "warning"), slack.close_politely]
            for number, end in enumerate(ends, 2):
                end()
                slack.wait_for_hello(number)
            slack.connections[-1].send("[1, {]")
            slack.connections[-1].send(json.dumps({"type": "events_api", "envelope_id": "e1", "payload": {}}))
            slack.wait_for(lambda: "e1" in slack.acknowledged, "what it does not know to be acknowledged")
            click = slack.click(posted(), APPROVE, "U0ELI")
            assert slack.whisper_after(click).startswith("This "), "and no word of success"
            slack.deliver(click, again="-2")
            slack.deliver({**click, "payload": {"type": "block_actions"}}, again="-3")
            assert len(slack.whispers) == 1
        assert slack.broken == []
        assert slack.connections == []


def test_a_click_for_which_there_is_no_room_is_not_acknowledged(bound: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_listener, "CLICKS_MAX", 1)
    with SlackWorkspace() as slack:
        slack.messages["1700000000.000001"] = posted()
        with_slack(bound, api_url=slack.api_url)
        with served(bound.settings):
            slack.wait_for(lambda: slack.connections, "a connection")
            slack.hold.clear()
            slack.deliver(slack.click(posted(), APPROVE, "U0ELI"))
            second = slack.click(posted(), APPROVE, "U0DANA")
            slack.connections[-1].send(json.dumps(second))
            slack.connections[-1].send(json.dumps({"type": "events_api", "envelope_id": "after", "payload": {}}))
            slack.wait_for(lambda: "after" in slack.acknowledged, "the next envelope")
            assert second["envelope_id"] not in slack.acknowledged
            slack.hold.set()
            slack.wait_for(lambda: slack.whispers, "the first reply")
            time.sleep(0.05)  # its place is given back right after the reply
            slack.deliver(second)
            slack.wait_for(lambda: len(slack.whispers) == 2, "the second reply")


def test_another_workspaces_token_hears_nothing(bound: Shop) -> None:
    with SlackWorkspace() as slack:
        with_slack(bound, api_url=slack.api_url, team="T0OTHER")
        with served(bound.settings):
            slack.wait_for(lambda: "auth.test" in slack.calls, "the token to be asked for")
        assert "apps.connections.open" not in slack.calls


def test_connecting_grows_patient_and_never_more_than_agreed() -> None:
    delays = [delay_s(failures) for failures in (0, 1, 2, 3, 10, 1000)]
    assert delays == [0.0, 0.5, 1.0, 2.0, DELAY_S_MAX, DELAY_S_MAX]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({**TABLE, "team": None}, "all three of"),
        ({**TABLE, "bot_token": "xoxb-secret"}, "never the secret itself"),
        ({**TABLE, "team": "shop"}, "workspace's id"),
        ({**TABLE, "people": {"dana": "@dana"}}, "no member id"),
        ({**TABLE, "people": {"dana": "U0DANA", "eli": "U0DANA"}}, "nobody has two voices"),
        ({**TABLE, "people": {"agent": "U0DANA"}}, "how the journal names the agent"),
        ({**TABLE, "api_url": "http://slack.example/"}, "must begin with https://"),
    ],
)
def test_a_table_that_would_mislead_is_refused(table: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        SlackTable.model_validate(table)


def test_a_token_in_the_settings_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "homeostat.toml"
    path.write_text('[slack]\napp_token = "xapp-secret"\n')
    with pytest.raises(PolicyError, match=r"homeostat.toml:2:.*never the secret itself") as raised:
        load_settings(path)
    assert "xapp-secret" not in str(raised.value)
    assert Settings().slack.app_token is None
