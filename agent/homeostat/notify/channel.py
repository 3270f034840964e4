"""The port that every way to people implements. Plugins register a factory under `homeostat.channels`.

A factory is called with a `ChannelContext` and gives a `Channel`, or raises UsageError where an option is wrong or what
it needs is not installed; it opens nothing and looks no secret up yet. `kinds.py` lists the built-in ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from homeostat.model.errors import Disposition, HomeostatError
from homeostat.notify.message import Message

CONVERSATION_MAX = 1000
"""Characters of a conversation; of a longer one only the beginning is kept."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the other side gave for a message it took.

    Attributes:
        conversation: what continues the incident's conversation there (a thread's timestamp, a deduplication key), in
            at most `CONVERSATION_MAX` characters; it is journalled, and handed back with the incident's next message.
            "" where there is no such thing.
    """

    conversation: str = ""


class NotSentError(HomeostatError):
    """A message was not taken, or nobody knows whether it was.

    Attributes:
        after_s: how long the other side wants to be left alone (Retry-After); None where it said nothing.
    """

    disposition: ClassVar[Disposition] = Disposition.TRANSIENT

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class RefusedMessageError(NotSentError):
    """It will never be taken as it is: a wrong address, a revoked key."""

    disposition: ClassVar[Disposition] = Disposition.TERMINAL


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """What a channel is made from.

    Attributes:
        name: as homeostat.toml calls it. options: its table there, without what all channels have.
        timeout_s: for one `send`, all in all.
        now: Unix seconds.
        secret: what a reference (`env:NAME`, `file:/PATH`) stands for; raises RefusedMessageError.
        signed: the headers of a signed message: (secret, id, at, body) -> headers; raises ValueError.
    """

    name: str
    options: Mapping[str, object]
    timeout_s: float
    now: Callable[[], float]
    secret: Callable[[str], str]
    signed: Callable[[str, str, float, bytes], Mapping[str, str]]


class Channel(Protocol):
    """One way to people. Called from one thread, one message at a time.

    What a channel may say beside, as an attribute: `singly = True`: it keeps a state for each incident over there, so
    that word of how an incident went on is never joined with others, and only follows a message that went out alone.
    """

    def send(self, message: Message, conversation: str) -> Receipt:
        """Say it, within the channel's own time-out. A repeated `message.id` should reach people once, where it can.

        Args:
            message: what to say.
            conversation: of the last receipt for the same incident here; "" for the first message.

        Raises:
            NotSentError: try again later. RefusedMessageError: that would be of no use.
        """
        ...


ChannelFactory = Callable[[ChannelContext], Channel]
