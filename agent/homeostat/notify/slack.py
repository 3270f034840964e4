"""Channel `slack`: one thread for each incident, with buttons that answer its questions.

`chat.postMessage` and `chat.update` (https://docs.slack.dev/reference/methods). When a question has been answered or
the incident is over, the message that asked is changed, so that its buttons go. Slack knows no key that makes a
repeated message one: where its answer was lost, a message may stand there twice. A click on either counts once.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from pydantic import field_validator

from homeostat.notify.channel import CONVERSATION_MAX, ChannelContext, Receipt, RefusedMessageError
from homeostat.notify.message import Message, Topic
from homeostat.notify.options import Options, checked_reference, checked_url, read_options
from homeostat.notify.routing import DEMANDS
from homeostat.notify.slack_blocks import fallback_text, message_blocks
from homeostat.notify.slack_web import API_URL, SlackWeb, require_slack_sdk

QUESTIONS_MAX = 20
"""Messages that asked, remembered for one incident; the oldest are forgotten and keep their buttons, which then say
that nothing is asked any more."""
_ENDS = (Topic.RECOVERED, Topic.DISMISSED, Topic.CLOSED)
_CHANNEL = re.compile("[CGD][A-Z0-9]{2,30}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,20}\.[0-9]{1,10}", re.ASCII)


class SlackOptions(Options):
    """`token`: a reference to the bot's token (xoxb-). `channel`: its id. `buttons`: needs `[slack]` and `serve`."""

    token: str
    channel: str
    buttons: bool = True
    api_url: str = API_URL

    _is_url = field_validator("api_url")(checked_url)
    _is_reference = field_validator("token")(checked_reference)

    @field_validator("channel")
    @classmethod
    def _is_an_id(cls, channel: str) -> str:
        if _CHANNEL.fullmatch(channel) is None:
            raise ValueError("must be a channel's id, like C012AB3CD; Slack shows it under the channel's details")
        return channel


@dataclass(frozen=True, slots=True)
class _Asked:
    """A message that asked about a step."""

    node: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class _Thread:
    """An incident's conversation: `CHANNEL:TS`, then `NODE:TS` for each message that asked, joined by spaces."""

    channel: str
    timestamp: str
    asked: tuple[_Asked, ...] = ()

    def __str__(self) -> str:
        parts = [f"{quote(one.node, safe='')}:{one.timestamp}" for one in self.asked[-QUESTIONS_MAX:]]
        thread = f"{self.channel}:{self.timestamp}"
        while parts and len(thread) + sum(1 + len(part) for part in parts) > CONVERSATION_MAX:
            del parts[0]  # half a question could not be read back, and the thread would be lost with it
        return " ".join([thread, *parts])


def _thread(conversation: str, channel: str) -> _Thread | None:
    """What a conversation says; None where there is none in this channel, and a new one begins."""
    parts = [part.rpartition(":") for part in conversation.split(" ")]
    if parts[0][0] != channel or not all(_TIMESTAMP.fullmatch(timestamp) for _, _, timestamp in parts):
        return None
    return _Thread(channel, parts[0][2], tuple(_Asked(unquote(node), timestamp) for node, _, timestamp in parts[1:]))


class SlackChannel:
    """Implements `Channel`."""

    singly = True

    def __init__(self, context: ChannelContext) -> None:
        require_slack_sdk()
        self._options = read_options(SlackOptions, context.name, context.options)
        self._context = context

    def send(self, message: Message, conversation: str) -> Receipt:
        """See `Channel`."""
        options = self._options
        web = SlackWeb(self._context.secret(options.token), options.api_url, self._context.timeout_s)
        thread = None if message.topic is Topic.DIGEST else _thread(conversation, options.channel)
        if thread is not None:
            thread = self._close_questions(web, message, thread)
        channel, timestamp = web.post(
            options.channel,
            fallback_text(message),
            message_blocks(message, has_buttons=options.buttons),
            thread.timestamp if thread is not None else "",
            is_broadcast=message.topic in DEMANDS,
        )
        if _TIMESTAMP.fullmatch(timestamp) is None or channel != options.channel or message.topic is Topic.DIGEST:
            return Receipt(conversation)
        thread = thread or _Thread(channel, timestamp)
        if message.question is not None and options.buttons:
            asked = (*thread.asked, _Asked(message.question.node, timestamp))
            thread = _Thread(thread.channel, thread.timestamp, asked)
        return Receipt(str(thread))

    def _close_questions(self, web: SlackWeb, message: Message, thread: _Thread) -> _Thread:
        """Take the buttons off the messages whose question this message answers. Raises NotSentError."""
        is_over = message.topic in _ENDS
        if not is_over and message.topic is not Topic.ANSWERED:
            return thread
        closed = [one for one in thread.asked if is_over or one.node == message.node]
        blocks = message_blocks(message, has_buttons=False)
        for one in closed:
            with contextlib.suppress(RefusedMessageError):  # it was deleted, or may not be changed any more
                web.update(thread.channel, one.timestamp, fallback_text(message), blocks)
        left = tuple(one for one in thread.asked if one not in closed)
        return _Thread(thread.channel, thread.timestamp, left)
