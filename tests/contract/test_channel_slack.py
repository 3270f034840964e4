"""Channel `slack` against a Slack on this host: threads, buttons that come and go, limits, and what errors mean."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator, Mapping

import pytest
from tests.slack_workspace import APP_TOKEN, BOT_TOKEN, CHANNEL, SlackWorkspace, button, problems_of

from homeostat.act.signing import signed_headers
from homeostat.model.errors import UsageError
from homeostat.notify.channel import CONVERSATION_MAX, Channel, ChannelContext, NotSentError, RefusedMessageError
from homeostat.notify.conformance import TIMEOUT_S, ChannelContract, Place, message
from homeostat.notify.kinds import make_channel
from homeostat.notify.message import Question, Topic
from homeostat.notify.post import AFTER_S_MAX

SECRETS = {"env:BOT": BOT_TOKEN, "env:APP": APP_TOKEN, "env:OLD": "xoxb-revoked"}
QUESTION = Question("restore", "ab" * 32, "restore", "db/shop", ("dba",), "dana", 1_700_000_900.25)
NASTY = "<!channel> <@U0ELI> <#C0> & @here `x` \u202e"


def channel_at(address: str, **options: object) -> Channel:
    given: Mapping[str, object] = {"token": "env:BOT", "channel": CHANNEL, "api_url": address, **options}
    context = ChannelContext("s", given, TIMEOUT_S, lambda: 0.0, SECRETS.__getitem__, signed_headers)
    return make_channel("slack", context)


class SlackSide:
    """A Slack as a `Place`."""

    def __init__(self, slack: SlackWorkspace) -> None:
        self.slack = slack
        self.channel = channel_at(slack.api_url)
        self._silent: socket.socket | None = None

    def received(self) -> list[str]:
        return [json.dumps(self.slack.messages[ts], ensure_ascii=False) for ts in self.slack.posts]

    def hang(self) -> None:
        self._silent = socket.create_server(("127.0.0.1", 0))
        self.channel = channel_at(f"http://127.0.0.1:{self._silent.getsockname()[1]}/api/")

    def close(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            self.channel = channel_at(f"http://127.0.0.1:{gone.getsockname()[1]}/api/")

    def end(self) -> None:
        if self._silent is not None:
            self._silent.close()


class TestSlack(ChannelContract):
    @pytest.fixture
    def place(self) -> Iterator[Place]:
        with SlackWorkspace() as slack:
            side = SlackSide(slack)
            yield side
            side.end()
        assert slack.broken == []

    def test_an_incident_is_one_thread_and_its_demands_are_seen_in_the_channel(self, place: SlackSide) -> None:
        conversation = ""
        for topic in (Topic.OPENED, Topic.ASKED, Topic.ANSWERED, Topic.CLOSED):
            conversation = place.channel.send(message(topic), conversation).conversation
        root, *rest = (place.slack.messages[ts] for ts in place.slack.posts)
        assert {one["thread_ts"] for one in rest} == {root["ts"]}
        assert [one["is_broadcast"] for one in rest] == [True, False, False]

    def test_the_buttons_of_a_question_go_when_it_is_answered_and_others_stay(self, place: SlackSide) -> None:
        first = place.channel.send(message(Topic.ASKED, question=QUESTION), "").conversation
        other = Question("re:boot it", "ab" * 32, "boot", "db", ("dba",), "dana", 1_700_000_900.0)
        both = place.channel.send(message(Topic.ASKED, question=other), first).conversation
        again = place.channel.send(message(Topic.ASKED, question=QUESTION), both).conversation
        assert len(place.slack.asking()) == 3
        left = place.channel.send(message(Topic.ANSWERED, node="restore"), again).conversation
        (asking,) = place.slack.asking()
        assert "re:boot it" in json.dumps(asking)
        place.channel.send(message(Topic.CLOSED), left)
        assert place.slack.asking() == []

    def test_a_conversation_with_many_long_questions_is_remembered_whole_and_stays_one_thread(
        self, place: SlackSide
    ) -> None:
        conversation = ""
        for number in range(8):
            question = Question(f"повернути-{number}-{'é' * 20}", "ab" * 32, "boot", "db", ("dba",), "dana", 1.7e9)
            conversation = place.channel.send(message(Topic.ASKED, question=question), conversation).conversation
            assert len(conversation) <= CONVERSATION_MAX
        place.channel.send(message(Topic.ANSWERED, node=question.node), conversation)
        assert len(place.slack.asking()) == 7
        assert {place.slack.messages[ts].get("thread_ts") for ts in place.slack.posts[1:]} == {place.slack.posts[0]}

    def test_a_question_that_was_deleted_over_there_holds_nothing_up(self, place: SlackSide) -> None:
        conversation = place.channel.send(message(), "").conversation
        asked = place.channel.send(message(Topic.ASKED, question=QUESTION), conversation).conversation
        del place.slack.messages[place.slack.posts.pop()]
        place.channel.send(message(Topic.ANSWERED, node="restore"), asked)
        assert len(place.slack.posts) == 2

    def test_an_update_that_may_yet_succeed_is_tried_again_before_anything_is_said(self, place: SlackSide) -> None:
        asked = place.channel.send(message(Topic.ASKED, question=QUESTION), "").conversation
        place.slack.refuse["chat.update"] = (503, {}, b"busy")
        with pytest.raises(NotSentError) as raised:
            place.channel.send(message(Topic.ANSWERED, node="restore"), asked)
        assert type(raised.value) is NotSentError
        assert len(place.slack.posts) == 1

    @pytest.mark.parametrize("conversation", ["C0OTHER:1700000000.000001", "nonsense", "C0INCIDENT:1 x", " ", "a:b:c"])
    def test_another_channels_conversation_begins_a_new_thread(self, place: SlackSide, conversation: str) -> None:
        receipt = place.channel.send(message(), conversation)
        assert receipt.conversation == f"{CHANNEL}:{place.slack.posts[0]}"

    def test_nothing_that_is_said_calls_anybody_or_becomes_a_link(self, place: SlackSide) -> None:
        question = Question(NASTY, "ab" * 32, NASTY, NASTY, (NASTY,), NASTY, 1.0, NASTY)
        links = (("a|b>", "https://c.example/<!channel>|x"), ("bad", "javascript:alert(1)"))
        parts = {"title": NASTY, "lines": (NASTY,), "policy": NASTY, "severity": NASTY, "links": links}
        place.channel.send(message(Topic.ASKED, question=question, **parts), "")
        kept = place.slack.messages[place.slack.posts[0]]
        texts = [one for block in kept["blocks"] for one in [*block.get("elements", []), *block.get("fields", [])]]
        texts += [block["text"] for block in kept["blocks"] if "text" in block]
        mrkdwn = [one for one in texts if one["type"] == "mrkdwn"]
        assert mrkdwn
        for one in mrkdwn:
            assert one["verbatim"] is True
            assert not any(sign in one["text"] for sign in ("<!channel", "<@", "<#", "javascript"))
        assert "<!channel" not in kept["text"]
        assert "\u202e" not in json.dumps(kept, ensure_ascii=False)
        assert place.slack.calls == ["chat.postMessage"]

    @pytest.mark.parametrize("size", [149, 150, 151, 2999, 3000, 3001, 9000])
    def test_every_limit_is_held_at_its_edge(self, place: SlackSide, size: int) -> None:
        question = Question("n" * 100, "ab" * 32, "&" * size, "&" * size, ("d" * size,), "r" * size, 1e9)
        said = message(Topic.ASKED, title="&" * size, lines=("<" * size,) * 60, question=question, incident="i" * 400)
        place.channel.send(said, "")
        kept = place.slack.messages[place.slack.posts[0]]
        assert problems_of(kept["blocks"]) == []
        assert "&l…" not in json.dumps(kept, ensure_ascii=False), "no half of an entity"

    def test_what_does_not_fit_into_a_button_has_none(self, place: SlackSide) -> None:
        place.channel.send(message(Topic.ASKED, incident="i" * 600, question=QUESTION), "")
        assert place.slack.asking() == []

    def test_without_buttons_there_are_none(self, place: SlackSide) -> None:
        channel_at(place.slack.api_url, buttons=False).send(message(Topic.ASKED, question=QUESTION), "")
        assert button(place.slack.messages[place.slack.posts[0]], "homeostat_acknowledge") is None

    @pytest.mark.parametrize(
        ("status", "error", "kind", "after_s"),
        [
            (429, "ratelimited", NotSentError, 7.0),
            (503, "service_unavailable", NotSentError, None),
            (200, "internal_error", NotSentError, None),
            (200, "is_archived", RefusedMessageError, None),
            (200, "missing_scope", RefusedMessageError, None),
        ],
    )
    def test_an_error_says_whether_to_try_again_and_when(
        self, place: SlackSide, status: int, error: str, kind: type[NotSentError], after_s: float | None
    ) -> None:
        headers = {"Retry-After": "7", "Content-Type": "application/json"}
        place.slack.refuse["chat.postMessage"] = (status, headers, json.dumps({"ok": False, "error": error}).encode())
        with pytest.raises(NotSentError) as raised:
            place.channel.send(message(), "")
        assert (type(raised.value), raised.value.after_s) == (kind, after_s)

    def test_an_endless_patience_is_not_asked_for(self, place: SlackSide) -> None:
        body = b'{"ok": false, "error": "ratelimited"}'
        place.slack.refuse["chat.postMessage"] = (429, {"retry-after": "999999999999"}, body)
        with pytest.raises(NotSentError) as raised:
            place.channel.send(message(), "")
        assert raised.value.after_s == AFTER_S_MAX

    def test_bytes_that_are_no_answer_may_pass(self, place: SlackSide) -> None:
        place.slack.refuse["chat.postMessage"] = (200, {"Content-Type": "text/html"}, b"<html>\xff")
        with pytest.raises(NotSentError):
            place.channel.send(message(), "")

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"token": "env:OLD"}, "invalid_auth"),
            ({"token": "env:APP"}, "not_allowed_token_type; bot_token begins with xoxb-"),
            ({"channel": "C0ELSEWHERE"}, "channel_not_found; name the channel by its id"),
        ],
    )
    def test_what_stays_wrong_is_final_and_tells_no_token(
        self, place: SlackSide, options: dict[str, str], told: str
    ) -> None:
        with pytest.raises(RefusedMessageError, match=told) as raised:
            channel_at(place.slack.api_url, **options).send(message(), "")
        assert "xoxb-revoked" not in str(raised.value)
        assert APP_TOKEN not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"channel": "#incidents"}, "'channel' must be a channel's id"),
        ({"token": "xoxb-123"}, "'token' must be a reference"),
        ({"api_url": "http://slack.example/api/"}, "'api_url' must begin with https://"),
        ({"chanel": "C012"}, "no option 'chanel'"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told) as raised:
        channel_at("https://slack.com/api/", **options)
    assert "xoxb-123" not in str(raised.value)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "slack_sdk", None)
    with pytest.raises(UsageError, match=r"pip install 'homeostat\[slack\]'"):
        channel_at("https://slack.com/api/")
