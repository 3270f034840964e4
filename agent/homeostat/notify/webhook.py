"""Channel `webhook`: JSON by POST, signed as Standard Webhooks has it (https://www.standardwebhooks.com).

The body: `{"schema": 1, "id", "topic", "at", "severity", "title", "lines", "incident", "policy", "question", "links"}`;
`at` and `question.expires_at` are Unix seconds, `links` is a list of `{"label", "url"}`; `incident`, `policy` and
`question` may be null. The header `webhook-id` is the same whenever the same message is sent again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from pydantic import field_validator

from homeostat.notify.channel import ChannelContext, Receipt, RefusedMessageError
from homeostat.notify.message import Message
from homeostat.notify.options import Options, checked_reference, checked_url, read_options
from homeostat.notify.post import post, taken

SCHEMA = 1


class WebhookOptions(Options):
    """`secret`: a reference to `whsec_BASE64`; without it a receiver cannot know who wrote."""

    url: str
    secret: str

    _is_url = field_validator("url")(checked_url)
    _is_reference = field_validator("secret")(checked_reference)


class WebhookChannel:
    """Implements `Channel`."""

    def __init__(self, context: ChannelContext) -> None:
        self._options = read_options(WebhookOptions, context.name, context.options)
        self._context = context

    def send(self, message: Message, conversation: str) -> Receipt:
        """See `Channel`."""
        del conversation
        context, options = self._context, self._options
        body = body_of(message)
        identity = f"msg_{hashlib.sha256(message.id.encode()).hexdigest()[:32]}"
        try:
            signed = context.signed(context.secret(options.secret), identity, context.now(), body)
        except ValueError as error:
            raise RefusedMessageError(f"{options.secret}: {error}") from None
        headers = {"Content-Type": "application/json", "User-Agent": "homeostat", **signed}
        taken(post(options.url, body, headers, context.timeout_s))
        return Receipt()


def body_of(message: Message) -> bytes:
    """A message in the form that the module's docstring describes."""
    content = {
        "schema": SCHEMA,
        "id": message.id,
        "topic": message.topic.value,
        "at": message.at,
        "severity": message.severity,
        "title": message.title,
        "lines": list(message.lines),
        "incident": message.incident,
        "policy": message.policy,
        "question": None if message.question is None else asdict(message.question),
        "links": [{"label": label, "url": url} for label, url in message.links],
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
