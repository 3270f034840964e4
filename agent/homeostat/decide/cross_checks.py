"""A second person reads what was carried out: who may say so, of which attempt. It changes nothing that is decided."""

from __future__ import annotations

from homeostat.decide.turn import Turn
from homeostat.model import entries as e
from homeostat.model.answers import AGENT_NAME, Answer, same_person
from homeostat.model.incident import Attempt, Incident
from homeostat.model.policy import MANUAL
from homeostat.model.reasons import AnswerRefusal, OutcomeStatus


def executor_of(incident: Incident, attempt: Attempt) -> str | None:
    """Who carried an attempt out: who reported it, or had it started, or the agent. None: the journal cannot say."""
    if attempt.by or attempt.action == MANUAL:
        return attempt.by or None
    question = incident.questions.get(attempt.node)
    agreed = question.granted_by if question is not None else None
    return incident.requests.get(attempt.node) or agreed or AGENT_NAME


def to_cross_check(incident: Incident, node: str) -> Attempt | None:
    """The attempt of a step that can be read now: its last one, carried out and not read yet."""
    attempts = incident.attempts.get(node, ())
    if not attempts or attempts[-1].outcome is not OutcomeStatus.OK or attempts[-1].key in incident.cross_checks:
        return None
    return attempts[-1]


def judge_cross_check(turn: Turn, answer: Answer, node: str) -> AnswerRefusal | None:
    """Take in that somebody has read a step; say why where it does not count."""
    known = turn.incident.cross_checks.get(answer.key)
    if known is not None:
        return None if same_person(answer.by, known) else AnswerRefusal.ALREADY_DECIDED
    attempt = to_cross_check(turn.incident, node)
    executor = None if attempt is None else executor_of(turn.incident, attempt)
    if attempt is None or executor is None or attempt.key != answer.key:
        return AnswerRefusal.NOTHING_ASKED
    if same_person(answer.by, executor):
        return AnswerRefusal.IS_THE_EXECUTOR
    turn.record(
        e.StepCrossChecked(
            at=turn.now,
            node=node,
            key=attempt.key,
            executor=executor,
            by=answer.by,
            answer=answer.id,
            note=answer.note,
        )
    )
    return None
