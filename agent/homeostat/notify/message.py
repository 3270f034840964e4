"""What people are told: one message about one incident, as plain as any channel can carry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Topic(StrEnum):
    """What a message is about.

    opened, recovered, dismissed, closed: what became of the incident. asked: a step waits for a person's yes.
    answered: it no longer does. manual: a step is for a person to do. escalated: people must take over.
    acknowledged: one has. paused, resumed: the kill switch. digest: many messages that were not worth one each.
    """

    OPENED = "opened"
    ASKED = "asked"
    ANSWERED = "answered"
    MANUAL = "manual"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    RECOVERED = "recovered"
    DISMISSED = "dismissed"
    CLOSED = "closed"
    PAUSED = "paused"
    RESUMED = "resumed"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Question:
    """A step that waits for a yes, with what must be unchanged when it comes.

    Attributes:
        node: id of the step. plan: SHA-256 of the policy version that asks, as `Answer.plan` has it.
        approvers: names and roles that may say yes. requester: who may not.
        expires_at: Unix seconds; silence until then is a no.
    """

    node: str
    plan: str
    action: str
    target: str
    approvers: tuple[str, ...]
    requester: str
    expires_at: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to say.

    Attributes:
        id: the same for the same journal record, however often it is made: what was sent already is not sent again.
        incident: id; None where it is about the agent. All messages of one incident belong to one conversation.
        severity: as the policy's `escalate` has it, lower case.
        title: one line. lines: what else there is to say, a sentence each.
        question: what may be answered with a yes or no.
        node: of the question that it answers; "" where it answers none.
        links: (label, URL) to the console, the runbook and the like.
        wants_somebody: of a digest: whether anything that it joins does, and is no news alone.
    """

    id: str
    topic: Topic
    at: float
    title: str
    incident: str | None = None
    policy: str | None = None
    severity: str = "info"
    lines: tuple[str, ...] = ()
    question: Question | None = None
    links: tuple[tuple[str, str], ...] = ()
    node: str = ""
    wants_somebody: bool = False
