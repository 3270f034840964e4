"""What people tell the agent: answers to its questions, requests, and the kill switch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from homeostat.model.drill_entries import DrillRan
from homeostat.model.feedback import Feedback

AGENT_NAME = "agent"
"""Who asked, where no person did."""

SCHEDULE_NAME = "schedule"
"""Who had a ranking trained and promoted, where no person did."""


class AnswerKind(StrEnum):
    """What a person says.

    approve, deny: to a question about a step. request: to start a step that was only suggested. cross_check: that a
    step was read and found done as written, by somebody else than who did it. acknowledge: that the person is on an
    incident. take_over: that it is theirs from here on. pause, resume: the kill switch, for one policy or for all.
    drill, feedback: that one ran, and the survey about an incident, for the journal that the running agent alone may
    write.
    """

    APPROVE = "approve"
    DENY = "deny"
    REQUEST = "request"
    CROSS_CHECK = "cross_check"
    ACKNOWLEDGE = "acknowledge"
    TAKE_OVER = "take_over"
    PAUSE = "pause"
    RESUME = "resume"
    DRILL = "drill"
    FEEDBACK = "feedback"


SWITCHES = (AnswerKind.PAUSE, AnswerKind.RESUME)
"""What moves the kill switch; it is heard first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing a person said, as it lies in the inbox.

    Attributes:
        id: unique; an answer that is delivered twice changes nothing the second time.
        by: the person's name.
        incident, node: what it is about; None for `pause`, `resume`, `drill` and `feedback`.
        policy: for `pause` and `resume`; None for all policies.
        plan: SHA-256 of the policy version the person looked at; "" when they did not say.
        key: for `cross_check`, of the attempt that was looked at.
        drill: for `drill`, and for nothing else. feedback: the same for `feedback`.
    """

    id: str
    kind: AnswerKind
    by: str
    at: float
    incident: str | None = None
    node: str | None = None
    policy: str | None = None
    note: str = ""
    plan: str = ""
    key: str = ""
    drill: DrillRan | None = None
    feedback: Feedback | None = None


def same_person(name: str, other: str | None) -> bool:
    """Whether two names may mean one person: nobody gets a second voice by writing theirs in another way."""
    return other is not None and "".join(name.split()).casefold() == "".join(other.split()).casefold()
