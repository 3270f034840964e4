"""How messages read: plain sentences, with the command that answers."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from homeostat.model import entries as e
from homeostat.notify.message import Message, Topic
from homeostat.notify.routing import DEMANDS

TITLE_MAX = 200
LINE_MAX = 500
DIGEST_LINES_MAX = 40
"""Named one by one in a digest; the rest is counted."""

SEVERITIES = ("info", "warning", "error", "critical")
"""Mildest first; what a policy calls otherwise counts as critical, as PagerDuty's own have no other."""


def clipped(text: str, length_max: int) -> str:
    """One line of printable text, cut where it is too long."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= length_max else f"{line[: length_max - 1]}…"


def severity_rank(severity: str) -> int:
    """How grave a severity is; unknown ones are as grave as it gets."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES) - 1


def escalated(entry: e.Escalated, incident: str) -> tuple[str, ...]:
    """What whoever is called needs to know."""
    lines = [entry.detail, f"at step {entry.node}" if entry.node else ""]
    return (*filter(None, lines), f"say that you are on it: homeostat acknowledge {incident} --as NAME")


def asked(entry: e.ApprovalRequested, incident: str) -> tuple[str, ...]:
    """What whoever is asked needs to know."""
    until = datetime.fromtimestamp(entry.expires_at, UTC).isoformat("T", "seconds")
    return (
        f"asked: {', '.join(entry.approvers)}; wanted by {entry.requester}",
        *filter(None, [entry.detail]),
        f"silence is a no from {until} on",
        f"yes: homeostat approve {incident} {entry.node} --as NAME",
        f"no: homeostat deny {incident} {entry.node} --as NAME",
    )


def by_hand(instructions: str, node: str, incident: str, deadline_at: float) -> tuple[str, ...]:
    """What whoever is to do a step needs to know."""
    until = datetime.fromtimestamp(deadline_at, UTC).isoformat("T", "seconds")
    report = f"report it: homeostat done {incident} {node} --as NAME"
    return (*filter(None, [instructions]), f"wanted by {until}", report)


def answered(entry: e.ApprovalGranted | e.ApprovalDenied | e.ApprovalExpired) -> str:
    """What became of a question."""
    match entry:
        case e.ApprovalGranted():
            return f"agreed to by {entry.by}"
        case e.ApprovalDenied():
            return f"refused by {entry.by}"
        case e.ApprovalExpired():
            return "not agreed to in time"


def digest(messages: Sequence[Message], ids: Sequence[str], at: float) -> Message:
    """Join messages into one; its id is the same for the same ones."""
    counts = Counter(message.topic.value for message in messages)
    what = ", ".join(f"{count} {topic}" for topic, count in counts.most_common())
    lines = [clipped(f"{message.incident or 'agent'}: {message.title}", LINE_MAX) for message in messages]
    more = len(lines) - DIGEST_LINES_MAX
    links = tuple(dict.fromkeys(link for message in messages for link in message.links))[:1]
    return Message(
        id=f"digest/{hashlib.sha256(chr(0).join(sorted(ids)).encode()).hexdigest()[:32]}",
        topic=Topic.DIGEST,
        at=at,
        title=f"{len(messages)} messages at once: {what}",
        severity=max((message.severity for message in messages), key=severity_rank),
        lines=(*lines[:DIGEST_LINES_MAX], *([f"and {more} more: homeostat incidents list"] if more > 0 else [])),
        links=(("console", links[0][1].rsplit("/incidents/", 1)[0]),) if links else (),
        wants_somebody=any(message.topic in DEMANDS for message in messages),
    )
