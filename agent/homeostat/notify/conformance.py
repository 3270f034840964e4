"""What every channel must do, whatever it leads to; the built-in ones pass it, and so must a plugin.

Inherit `ChannelContract` in a file of tests, and give a `place` that a channel sends to. It needs pytest, which the
agent does not: import it from tests only.
"""

from __future__ import annotations

import time
from typing import Protocol

import pytest

from homeostat.notify.channel import Channel, NotSentError
from homeostat.notify.message import Message, Question, Topic

TIMEOUT_S = 0.6
INCIDENT = "shop-20260101-abc"


class Place(Protocol):
    """The other side of a channel, as the test sees it."""

    @property
    def channel(self) -> Channel:
        """Sends there, within `TIMEOUT_S`."""
        ...

    def received(self) -> list[str]:
        """All that came, as text, oldest first."""
        ...

    def hang(self) -> None:
        """Take connections from now on, and answer nothing."""
        ...

    def close(self) -> None:
        """Be gone."""
        ...


def message(topic: Topic = Topic.ESCALATED, **more: object) -> Message:
    """A message with something in every field; `more` takes the place of some."""
    values: dict[str, object] = {
        "id": f"{INCIDENT}/{topic.value}",
        "topic": topic,
        "at": 1_700_000_000.0,
        "title": f"shop: {topic.value} at the till",
        "incident": INCIDENT,
        "policy": "shop",
        "severity": "critical",
        "lines": ("the first line", "Zürich “naïve” 漢字 \U0001f525"),
        "links": (("console", "https://console.example.org/incidents/1"),),
    }
    return Message(**{**values, **more})  # type: ignore[arg-type]  # a test's


class ChannelContract:
    """Every test is one promise of `notify.channel.Channel`."""

    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError

    def test_what_is_said_arrives(self, place: Place) -> None:
        place.channel.send(message(), "")
        (text,) = place.received()
        assert "escalated at the till" in text

    def test_every_topic_is_taken(self, place: Place) -> None:
        for topic in Topic:
            place.channel.send(message(topic), "")

    def test_a_question_is_taken(self, place: Place) -> None:
        question = Question("restore", "ab" * 32, "restore", "db/shop", ("dba",), "dana", 1_700_000_900.0, "2 h behind")
        place.channel.send(message(Topic.ASKED, question=question), "")
        assert len(place.received()) == 1

    def test_a_message_about_no_incident_is_taken(self, place: Place) -> None:
        place.channel.send(message(incident=None, policy=None, links=(), lines=()), "")
        assert len(place.received()) == 1

    def test_the_longest_message_is_taken(self, place: Place) -> None:
        place.channel.send(message(title="t" * 200, lines=("\U0001f525" * 500,) * 60), "")
        assert len(place.received()) == 1

    def test_a_conversation_is_gone_on_with(self, place: Place) -> None:
        first = place.channel.send(message(), "")
        second = place.channel.send(message(Topic.ACKNOWLEDGED), first.conversation)
        assert second.conversation == first.conversation

    def test_a_place_that_is_gone_is_an_error_that_may_pass(self, place: Place) -> None:
        place.close()
        with pytest.raises(NotSentError) as raised:
            place.channel.send(message(), "")
        assert type(raised.value) is NotSentError

    def test_a_place_that_hangs_is_waited_for_no_longer_than_agreed(self, place: Place) -> None:
        place.hang()
        began = time.monotonic()
        with pytest.raises(NotSentError):
            place.channel.send(message(), "")
        assert time.monotonic() - began < 50 * TIMEOUT_S, "it came back at all"
