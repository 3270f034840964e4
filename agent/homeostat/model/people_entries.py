"""Entries about what people are asked and what they say. Read them as `entries`, with all the others."""

from __future__ import annotations

from typing import ClassVar

from homeostat.model.entry import Entry, entry_type
from homeostat.model.feedback import Feedback
from homeostat.model.reasons import AnswerRefusal


@entry_type
class ApprovalRequested(Entry, frozen=True, kw_only=True):
    """People are asked whether a step may start.

    Attributes:
        requester: who wants it started; never the one who approves.
        action, target: what would be done.
        detail: what else they should know before they agree.
    """

    TYPE: ClassVar[str] = "approval.requested"
    node: str
    approvers: tuple[str, ...]
    requester: str
    expires_at: float
    action: str
    target: str
    detail: str = ""


@entry_type
class ApprovalGranted(Entry, frozen=True, kw_only=True):
    """A person agreed. It holds until `expires_at`; a start that comes later must be asked for anew."""

    TYPE: ClassVar[str] = "approval.granted"
    node: str
    by: str
    answer: str
    expires_at: float
    note: str = ""


@entry_type
class ApprovalDenied(Entry, frozen=True, kw_only=True):
    """A person said no; the step has failed."""

    TYPE: ClassVar[str] = "approval.denied"
    node: str
    by: str
    answer: str
    note: str = ""


@entry_type
class ApprovalExpired(Entry, frozen=True, kw_only=True):
    """Nobody said yes in time, or the question has become pointless; the step has failed."""

    TYPE: ClassVar[str] = "approval.expired"
    node: str
    detail: str = ""


@entry_type
class StepRequested(Entry, frozen=True, kw_only=True):
    """A person asked for a step that was only suggested."""

    TYPE: ClassVar[str] = "step.requested"
    node: str
    by: str
    answer: str
    note: str = ""


@entry_type
class TakenOver(Entry, frozen=True, kw_only=True):
    """A person said that the incident is theirs: the agent starts nothing more in it, undos neither."""

    TYPE: ClassVar[str] = "incident.taken_over"
    by: str
    answer: str
    note: str = ""


@entry_type
class StepCrossChecked(Entry, frozen=True, kw_only=True):
    """A second person has read a step that was carried out, and found it done as written.

    Attributes:
        key: of the attempt that was looked at.
        executor: who carried it out: a person's name, or `answers.AGENT_NAME`; never the one who read it.
        by: who read it.
    """

    TYPE: ClassVar[str] = "step.cross_checked"
    node: str
    key: str
    executor: str
    by: str
    answer: str
    note: str = ""


@entry_type
class IncidentAcknowledged(Entry, frozen=True, kw_only=True):
    """A person has seen the incident and is on it: nobody else is called for what was asked so far."""

    TYPE: ClassVar[str] = "incident.acknowledged"
    by: str
    answer: str
    note: str = ""


@entry_type
class AnswerRefused(Entry, frozen=True, kw_only=True):
    """A person's answer changed nothing, and why. In the incident's stream, or the agent's where there is none."""

    TYPE: ClassVar[str] = "answer.refused"
    answer: str
    by: str
    reason: AnswerRefusal
    node: str | None = None
    incident: str | None = None


@entry_type
class Paused(Entry, frozen=True, kw_only=True):
    """The kill switch: nothing is started until `agent.resumed`, over restarts too. `policy` None: in no policy."""

    TYPE: ClassVar[str] = "agent.paused"
    by: str
    answer: str
    policy: str | None = None
    note: str = ""


@entry_type
class Resumed(Entry, frozen=True, kw_only=True):
    """The kill switch is lifted, for one policy or (None) for all at once."""

    TYPE: ClassVar[str] = "agent.resumed"
    by: str
    answer: str
    policy: str | None = None
    note: str = ""


@entry_type
class FeedbackGiven(Entry, frozen=True, kw_only=True):
    """A person filled in the survey about an incident, open or closed. In the agents' own stream.

    Attributes:
        given_at: Unix seconds; of several by one person the last given counts, in whatever order they were journalled.
    """

    TYPE: ClassVar[str] = "feedback.given"
    by: str
    answer: str
    given_at: float
    feedback: Feedback
