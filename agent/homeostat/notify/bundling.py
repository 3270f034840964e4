"""What goes out next on one channel: one message alone, or many joined, never more than its people can read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from homeostat.notify.due import Due
from homeostat.notify.message import Message
from homeostat.notify.routing import Routing
from homeostat.notify.wording import digest

MINUTE_S = 60.0
SINGLE_MAX = 3
"""So many wait at most to go out one by one; more are joined."""

JOINED_MAX = 500
"""Messages in one digest; the rest goes into the next."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is sent in one go. `ids`: of all that it says. due_at: of the oldest of it, in Unix seconds."""

    ids: tuple[str, ...]
    message: Message
    conversation: str
    due_at: float


def next_bundle(waiting: Sequence[Due], sent_at: Iterable[float], routing: Routing, now: float) -> Bundle | None:
    """Choose from what is due on one channel; None: nothing yet.

    What wants somebody goes first and is never dropped, only joined.

    Args:
        waiting: all that is due there, oldest first.
        sent_at: when messages were sent there lately, in Unix seconds.
        routing: of the settings.
        now: Unix seconds.
    """
    left = routing.per_minute_max - sum(now - MINUTE_S < at <= now for at in sent_at)
    if left <= 0 or not waiting:
        return None
    at_once = [one for one in waiting if one.digest_s <= 0.0 and not one.alone]
    at_once.sort(key=lambda one: not one.urgent)
    if at_once and now - min(one.due_at for one in at_once) >= routing.gather_s:
        subjects = list(dict.fromkeys(one.subject for one in at_once))
        if len(subjects) <= min(SINGLE_MAX, left):
            return _single([one for one in at_once if one.subject == subjects[0]])
        return _joined(at_once[:JOINED_MAX], now)
    for one in waiting:
        if one.alone:
            return _single([one])
    late = [one for one in waiting if one.digest_s > 0.0]
    if any(now - one.due_at >= one.digest_s for one in late):
        return _joined(late[:JOINED_MAX], now)
    return None


def _single(same: Sequence[Due]) -> Bundle:
    """One message; what is due twice on one subject is said once."""
    first = same[0]
    return Bundle(tuple(one.id for one in same), first.message, first.conversation, first.due_at)


def _joined(many: Sequence[Due], now: float) -> Bundle:
    ids = tuple(one.id for one in many)
    by_subject = {one.subject: one for one in many}
    if len(by_subject) == 1:
        return _single(many)
    messages = [one.message for one in by_subject.values()]
    return Bundle(ids, digest(messages, ids, now), "", min(one.due_at for one in many))
