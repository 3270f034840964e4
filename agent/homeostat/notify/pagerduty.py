"""Channel `pagerduty`: Events API v2 (https://developer.pagerduty.com/docs/send-alert-event).

What wants somebody triggers an alert whose deduplication key is the incident's id, so that a message that is sent again
opens nothing new. An answer or acknowledgement acknowledges it, the incident's end resolves it. A digest triggers an
alert of its own, which is resolved over there.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from pydantic import field_validator

from homeostat.notify.channel import ChannelContext, NotSentError, Receipt
from homeostat.notify.message import Message, Topic
from homeostat.notify.options import Options, checked_reference, checked_url, read_options
from homeostat.notify.post import post, taken
from homeostat.notify.routing import DEMANDS

SUMMARY_MAX = 1024
DEDUP_KEY_MAX = 255
EVENT_BYTES_MAX = 512 * 1000
"""All as the documentation above says."""

SEVERITIES = ("critical", "error", "warning", "info")
_ACTIONS = {
    **dict.fromkeys(DEMANDS, "trigger"),
    Topic.ANSWERED: "acknowledge",
    Topic.ACKNOWLEDGED: "acknowledge",
    **dict.fromkeys((Topic.RECOVERED, Topic.DISMISSED, Topic.CLOSED), "resolve"),
}


class PagerDutyOptions(Options):
    """`routing_key`: a reference to the integration key of a service. `url`: another one is for the EU region."""

    routing_key: str
    url: str = "https://events.pagerduty.com/v2/enqueue"

    _is_url = field_validator("url")(checked_url)
    _is_reference = field_validator("routing_key")(checked_reference)


class PagerDutyChannel:
    """Implements `Channel`. News that ends no alert is taken and not passed on: there is no place for it."""

    singly = True

    def __init__(self, context: ChannelContext) -> None:
        self._options = read_options(PagerDutyOptions, context.name, context.options)
        self._context = context

    def send(self, message: Message, conversation: str) -> Receipt:
        """See `Channel`."""
        context, options = self._context, self._options
        action = _action(message)
        if action is None or (action != "trigger" and not conversation):
            return Receipt(conversation)
        key = conversation or (message.incident or message.id)[:DEDUP_KEY_MAX]
        event = {"routing_key": context.secret(options.routing_key), "event_action": action, "dedup_key": key}
        body = json.dumps({**event, **(_details(message) if action == "trigger" else {})}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "homeostat"}
        answered = taken(post(options.url, body, headers, context.timeout_s))
        if answered.status != 202:
            raise NotSentError(f"HTTP {answered.status} where 202 says that an event was taken")
        return Receipt(key)


def _action(message: Message) -> str | None:
    """What a message does over there; a digest that wants nobody does nothing."""
    if message.topic is Topic.DIGEST:
        return "trigger" if message.wants_somebody else None
    return _ACTIONS.get(message.topic)


def _details(message: Message) -> dict[str, object]:
    """The part of an event that only a trigger has, within the size that is taken."""
    severity = message.severity if message.severity in SEVERITIES else "critical"
    payload: dict[str, object] = {
        "summary": message.title[:SUMMARY_MAX],
        "source": message.policy or "homeostat",
        "severity": severity,
        "timestamp": datetime.fromtimestamp(message.at, UTC).isoformat("T", "milliseconds"),
        "component": message.policy or "homeostat",
        "class": message.topic.value,
        "custom_details": {"incident": message.incident, "said": _bounded(message.lines)},
    }
    links = [{"href": url, "text": label} for label, url in message.links]
    return {"payload": payload, "links": links, "client": "Homeostat"}


def _bounded(lines: tuple[str, ...]) -> list[str]:
    """As many lines as fit with room to spare: JSON writes a character in up to twelve bytes."""
    left = EVENT_BYTES_MAX // 24
    kept: list[str] = []
    for line in lines:
        left -= len(line) + 4
        if left < 0:
            return [*kept, "..."]
        kept.append(line)
    return kept
