"""What people say by the console: checked against what waits at this moment, put into the inbox, and waited for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from homeostat.app.access import Role
from homeostat.app.clock import SystemClock
from homeostat.app.people import WHY_REFUSED, Pending, outcome_of, report_manual, say, say_of_incident, switch
from homeostat.app.settings import Settings
from homeostat.console.identity import Caller
from homeostat.console.views import incident_page
from homeostat.model import entries as e
from homeostat.model.answers import SWITCHES, Answer, AnswerKind
from homeostat.model.errors import UsageError
from homeostat.model.reasons import OutcomeStatus
from homeostat.record.inbox import TEXT_MAX, check_text

TAKEN_IN_S_MAX = 6.0
"""How long a page waits for the agent's word; an answer that it has not taken in by then still lies in the inbox."""
NOTE_LENGTH_MAX = TEXT_MAX


class Act(StrEnum):
    """What may be said about a step."""

    APPROVE = "approve"
    DENY = "deny"
    REQUEST = "request"
    DONE = "done"
    FAILED = "failed"


_WAITS_AS = {
    Act.APPROVE: "approval",
    Act.DENY: "approval",
    Act.REQUEST: "request",
    Act.DONE: "manual",
    Act.FAILED: "manual",
}
NEEDS = {
    Act.APPROVE: Role.APPROVER,
    Act.DENY: Role.APPROVER,
    Act.REQUEST: Role.OPERATOR,
    Act.DONE: Role.OPERATOR,
    Act.FAILED: Role.OPERATOR,
}
"""The least role that may say it."""


class Refused(Exception):
    """It was not said, or it does not count. `status` is HTTP's (RFC 9110): 403, 404, 409 or 422."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Said:
    """What has become of it.

    Attributes:
        counts: the agent has taken it in; else it lies in the inbox, since no agent has looked yet.
    """

    counts: bool
    message: str


def marker(found: Pending) -> str:
    """What tells one question from the next about the same step: when it ends."""
    return "" if found.until is None else f"{found.until:.3f}"


def answer(
    settings: Settings,
    caller: Caller,
    incident: str,
    node: str,
    act: Act,
    note: str,
    plan: str,
    until: str,
    answer_id: str | None = None,
) -> Said:
    """Say something about a step.

    Args:
        settings: of the workspace.
        caller: who says it.
        incident: its id.
        node: the step.
        act: what is said.
        note: why; it goes into the journal.
        plan: the hash of the policy version that the person has seen.
        until: the `marker` of what they have seen waiting.
        answer_id: where the same answer may come twice; None draws one.

    Raises:
        Refused: it does not count, and why. JournalError, UsageError: it could not be said.
    """
    require(caller, NEEDS[act])
    _require_note(note)
    try:
        page = incident_page(settings, incident)
    except UsageError as error:
        raise Refused(404, str(error)) from error
    if page.plan != plan:
        raise Refused(409, "the plan has changed since you looked at it")
    found = next((one for one in page.pending if one.node == node and one.kind == _WAITS_AS[act]), None)
    if found is None:
        raise Refused(409, f"nothing waits for that at '{node}' any more; the time line says what was decided")
    if marker(found) != until:
        raise Refused(409, "what is asked now is not what you have seen; look again")
    clock = SystemClock()
    try:
        if act in (Act.DONE, Act.FAILED):
            status = OutcomeStatus.OK if act is Act.DONE else OutcomeStatus.ERROR
            report_manual(settings, clock, incident, node, status, caller.name, note)
            return Said(True, f"reported {node} as {act.value}; the agent takes it in at its next turn")
        said = say(settings, clock, AnswerKind(act.value), caller.name, incident, node, note, answer_id)
    except UsageError as error:
        raise Refused(409, str(error)) from error
    return became(settings, clock, said)


def turn_switch(settings: Settings, caller: Caller, kind: AnswerKind, policy: str | None, note: str) -> Said:
    """Pull the kill switch, which any operator may, or lift it, which an approver may.

    Raises:
        Refused: it does not count, and why. JournalError, UsageError: it could not be said.
    """
    require(caller, Role.OPERATOR if kind is AnswerKind.PAUSE else Role.APPROVER)
    if kind not in SWITCHES:
        raise Refused(422, f"'{kind.value}' moves no kill switch; pause and resume do")
    _require_note(note)
    clock = SystemClock()
    try:
        said = switch(settings, clock, kind, caller.name, policy, note)
    except UsageError as error:
        raise Refused(404, str(error)) from error
    return became(settings, clock, said)


def answer_incident(
    settings: Settings, caller: Caller, kind: AnswerKind, incident: str, note: str, answer_id: str | None = None
) -> Said:
    """Say of an open incident that one is on it, or takes it over, which any operator may: neither starts anything.

    `answer_id`: as for `answer`.

    Raises:
        Refused: it does not count, and why. JournalError, UsageError: it could not be said.
    """
    require(caller, Role.OPERATOR)
    _require_note(note)
    clock = SystemClock()
    try:
        incident_page(settings, incident)  # whole ids only
        said = say_of_incident(settings, clock, kind, caller.name, incident, note, answer_id)
    except UsageError as error:
        raise Refused(404, str(error)) from error
    return became(settings, clock, said)


def became(settings: Settings, clock: SystemClock, said: Answer) -> Said:
    """What has become of an answer, once the agent has taken it in. Raises Refused, JournalError."""
    outcome = outcome_of(settings, clock, said, TAKEN_IN_S_MAX)
    if isinstance(outcome, e.AnswerRefused):
        raise Refused(409, WHY_REFUSED[outcome.reason.value].format(by=said.by))
    if outcome is None:
        return Said(False, "no agent has taken it in yet; it lies in the inbox and holds as soon as one runs")
    return Said(True, f"{said.kind.value}: in the journal under your name")


def _require_note(note: str) -> None:
    try:
        check_text(note)
    except UsageError as error:
        raise Refused(422, f"the note: {error}") from error


def require(caller: Caller, role: Role) -> None:
    """Refuse those below a role. Raises Refused."""
    if not caller.may(role):
        raise Refused(403, f"you are {caller.role.word}, and this needs {role.word}; ask an admin")
