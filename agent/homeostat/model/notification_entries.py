"""Entries about what people were told, in the stream `notify`. Read them as `entries`, with all the others."""

from __future__ import annotations

from typing import ClassVar

from homeostat.model.entry import Entry, entry_type


@entry_type
class NotificationSent(Entry, frozen=True, kw_only=True):
    """A channel took a message.

    Attributes:
        messages: ids of all that it said; more than one where they were joined.
        conversation: what continues the incident's conversation there; "" where there is no such thing.
        incident: None where it was about several, or about the agent.
        attempt: counts from 1, since the agent's start.
        sent_at: Unix seconds. latency_s: from when the oldest of it was due.
    """

    TYPE: ClassVar[str] = "notification.sent"
    messages: tuple[str, ...]
    channel: str
    topic: str
    sent_at: float
    incident: str | None = None
    conversation: str = ""
    attempt: int = 1
    latency_s: float = 0.0


@entry_type
class NotificationFailed(Entry, frozen=True, kw_only=True):
    """A message was given up on for one channel; nobody knows for sure that it was not seen.

    Attributes:
        messages: ids, as in `NotificationSent`. attempts: how often it was tried since the agent's start.
        failed_at: Unix seconds.
        error: what the channel said last, without secrets.
    """

    TYPE: ClassVar[str] = "notification.failed"
    messages: tuple[str, ...]
    channel: str
    topic: str
    failed_at: float
    attempts: int
    error: str
    incident: str | None = None
