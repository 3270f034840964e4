"""Questions to people, and their answers: who may say yes, until when, and what silence means.

Silence is a denial. Who asked for a start never approves it. An answer that is refused is journalled with its reason.
"""

from __future__ import annotations

from homeostat.decide import exploration, guards
from homeostat.decide.cross_checks import judge_cross_check
from homeostat.decide.lifecycle import ACTIVE
from homeostat.decide.take_over import judge_take_over
from homeostat.decide.turn import Turn
from homeostat.model import entries as e
from homeostat.model.answers import AGENT_NAME, Answer, AnswerKind, same_person
from homeostat.model.incident import Question
from homeostat.model.policy import Approval, Do, Mode
from homeostat.model.reasons import AnswerRefusal, AttemptVerdict, Reason

APPROVE_MODE_TIMEOUT_S = 900.0
"""How long a question stands that mode `approve` asks and the step's author did not."""


def take_answers(turn: Turn) -> None:
    """Judge what people have said about this incident, and journal it."""
    for answer in turn.moment.answers:
        if answer.kind is AnswerKind.ACKNOWLEDGE:
            _acknowledge(turn, answer)
            continue
        refused = _judge(turn, answer)
        if refused is not None:
            turn.record(
                e.AnswerRefused(
                    at=turn.now,
                    answer=answer.id,
                    by=answer.by,
                    reason=refused,
                    node=answer.node,
                    incident=turn.incident.id,
                )
            )


def _acknowledge(turn: Turn, answer: Answer) -> None:
    """Note that somebody is on it. No decision asks for it; one that is delivered twice is noted once."""
    if answer.id not in turn.incident.acknowledged:
        turn.record(e.IncidentAcknowledged(at=turn.now, by=answer.by, answer=answer.id, note=answer.note))


def _judge(turn: Turn, answer: Answer) -> AnswerRefusal | None:
    """Take one answer in; say why where it changes nothing."""
    node = answer.node or ""
    question = turn.incident.questions.get(node)
    if question is not None and question.answer == answer.id:
        return None  # delivered twice
    if answer.kind is AnswerKind.TAKE_OVER:
        return judge_take_over(turn, answer)
    if answer.plan and answer.plan != turn.incident.policy_hash:
        return AnswerRefusal.OTHER_PLAN
    if answer.kind is AnswerKind.CROSS_CHECK:
        return judge_cross_check(turn, answer, node)
    if answer.kind is AnswerKind.REQUEST:
        return _judge_request(turn, answer, node)
    if question is None or turn.incident.phase not in ACTIVE:
        return AnswerRefusal.NOTHING_ASKED
    if question.granted is not None and not _may_take_back(turn, node, question, answer):
        return AnswerRefusal.ALREADY_DECIDED
    if turn.has_come(question.expires_at):
        return AnswerRefusal.TOO_LATE
    if not _may_answer(turn, question, answer.by):
        return AnswerRefusal.NOT_AN_APPROVER
    if answer.kind is AnswerKind.DENY:
        turn.record(e.ApprovalDenied(at=turn.now, node=node, by=answer.by, answer=answer.id, note=answer.note))
        return None
    if any(same_person(answer.by, name) for name in (question.requester, turn.incident.requests.get(node))):
        return AnswerRefusal.IS_THE_REQUESTER
    holds_until = turn.now + _approval(turn, turn.policy.leaves[node]).timeout_s
    turn.record(
        e.ApprovalGranted(
            at=turn.now, node=node, by=answer.by, answer=answer.id, expires_at=holds_until, note=answer.note
        )
    )
    return None


def _may_take_back(turn: Turn, node: str, question: Question, answer: Answer) -> bool:
    """A no still counts after a yes, until the start."""
    return answer.kind is AnswerKind.DENY and question.granted is True and node not in turn.incident.attempts


def _judge_request(turn: Turn, answer: Answer, node: str) -> AnswerRefusal | None:
    withheld = turn.incident.withheld.get(node)
    if node in turn.incident.requests:
        return None if turn.incident.requests[node] == answer.by else AnswerRefusal.ALREADY_DECIDED
    if withheld is None or withheld.reason is not Reason.MODE_SUGGEST or turn.incident.phase not in ACTIVE:
        return AnswerRefusal.NOTHING_ASKED
    question = turn.incident.questions.get(node)
    if question is not None and same_person(answer.by, question.granted_by):
        return AnswerRefusal.IS_THE_REQUESTER
    turn.record(e.StepRequested(at=turn.now, node=node, by=answer.by, answer=answer.id, note=answer.note))
    return None


def _may_answer(turn: Turn, question: Question, name: str) -> bool:
    """A role is no person: who is called as one has it only where the role lists that name."""
    people = turn.moment.people
    return any(name in people.get(approver, (approver,)) for approver in question.approvers)


def _approval(turn: Turn, leaf: Do) -> Approval:
    return leaf.approval or Approval((turn.policy.escalate.to,), APPROVE_MODE_TIMEOUT_S)


def may_start(turn: Turn, leaf: Do) -> bool | None:
    """Whether people agree to this start: True, False (denied, expired), or None while they are being asked."""
    mode = guards.mode_of(turn, leaf)
    requester = turn.incident.requests.get(leaf.id)
    if mode is Mode.SUGGEST and requester is None:
        told = f"would start {leaf.action.name} on {leaf.target}; waits until a person requests it"
        turn.withhold(leaf.id, Reason.MODE_SUGGEST, "; ".join(filter(None, [told, exploration.told(turn, leaf)])))
        return None
    question = turn.incident.questions.get(leaf.id)
    if question is None:
        if not _must_ask(turn, leaf, mode):
            return True
        _ask(turn, leaf, requester or AGENT_NAME)
        return None
    if question.granted is None and turn.has_come(question.expires_at):
        turn.record(e.ApprovalExpired(at=turn.now, node=leaf.id, detail="nobody answered in time"))
        return False
    if question.granted is True and turn.has_come(question.expires_at) and not _has_run(turn, leaf):
        turn.record(e.ApprovalExpired(at=turn.now, node=leaf.id, detail="it was agreed to too long ago"))
        return False
    return question.granted


def _has_run(turn: Turn, leaf: Do) -> bool:
    """Whether any attempt may have begun; one that was given up before its start has used no yes."""
    attempts = turn.incident.attempts.get(leaf.id, ())
    return any(
        attempt.verdict is not AttemptVerdict.CANCELLED or attempt.started_at is not None for attempt in attempts
    )


def _must_ask(turn: Turn, leaf: Do, mode: Mode) -> bool:
    if mode is Mode.APPROVE:
        return True
    if leaf.approval is None:
        return False
    condition = leaf.approval.condition
    return condition is None or turn.truth(condition) is not False


def _ask(turn: Turn, leaf: Do, requester: str) -> None:
    approval = _approval(turn, leaf)
    turn.record(
        e.ApprovalRequested(
            at=turn.now,
            node=leaf.id,
            approvers=approval.approvers,
            requester=requester,
            expires_at=turn.now + approval.timeout_s,
            action=leaf.action.name,
            target=leaf.target,
            detail=exploration.told(turn, leaf),
        )
    )


def withdraw(turn: Turn, leaf: Do, why: str) -> None:
    """Take back a question that has become pointless."""
    question = turn.incident.questions.get(leaf.id)
    if question is not None and question.granted is None:
        turn.record(e.ApprovalExpired(at=turn.now, node=leaf.id, detail=why))
