"""What to do with what people have said: the kill switch at once, the rest at its incident's turn."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field

from msgspec.structs import replace

from homeostat.model import entries as e
from homeostat.model.answers import SWITCHES, Answer, AnswerKind
from homeostat.model.feedback import Feedback
from homeostat.model.reasons import AnswerRefusal

OF_NO_INCIDENT = (*SWITCHES, AnswerKind.DRILL, AnswerKind.FEEDBACK)
"""The agents' own stream says them: the survey too, for its incident is closed as a rule."""
HEARD_ONCE = frozenset({AnswerKind.RESUME, AnswerKind.DRILL, AnswerKind.FEEDBACK})
"""What is delivered again says nothing new. A pause is said again, for it can only hold back."""


@dataclass(slots=True)
class SortedAnswers:
    """Answers by what becomes of them.

    Attributes:
        said: for the agent's own stream. settled: ids of the answers that are dealt with once it is durable.
        by_incident: those that `approvals.take_answers` will judge.
    """

    said: list[e.Entry] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    by_incident: dict[str, list[Answer]] = field(default_factory=dict)


def sort_answers(answers: Iterable[Answer], open_incidents: Set[str], heard: Set[str], now: float) -> SortedAnswers:
    """Sort answers, in the order in which they were given.

    Args:
        answers: what the inbox holds.
        open_incidents: ids.
        heard: ids of answers that have lifted the kill switch before, or brought a survey or a drill; delivered again
            they must not lift what was pulled since, nor be journalled for ever.
        now: Unix seconds.
    """
    found = SortedAnswers()
    for answer in answers:
        if answer.incident in open_incidents and answer.kind not in OF_NO_INCIDENT:
            found.by_incident.setdefault(str(answer.incident), []).append(answer)
            continue
        found.settled.append(answer.id)
        if answer.kind is AnswerKind.PAUSE:
            found.said.append(e.Paused(at=now, by=answer.by, answer=answer.id, policy=answer.policy, note=answer.note))
        elif answer.id in heard:
            continue
        elif answer.drill is not None:
            found.said.append(_drill(answer.drill, answer, now))
        elif answer.feedback is not None:
            found.said.append(feedback_given(answer, answer.feedback, now))
        elif answer.kind is not AnswerKind.RESUME:
            found.said.append(_no_such_incident(answer, now))
        else:
            found.said.append(e.Resumed(at=now, by=answer.by, answer=answer.id, policy=answer.policy, note=answer.note))
    return found


def _drill(ran: e.DrillRan, answer: Answer, now: float) -> e.DrillRan:
    """A drill that somebody tells of ran elsewhere: no word from outside makes incidents of this journal drills."""
    return replace(ran, at=now, elsewhere=True, answer=answer.id)


def feedback_given(answer: Answer, feedback: Feedback, now: float) -> e.FeedbackGiven:
    """The entry of a survey that somebody filled in; `now` in Unix seconds."""
    return e.FeedbackGiven(at=now, by=answer.by, answer=answer.id, given_at=answer.at, feedback=feedback)


def _no_such_incident(answer: Answer, now: float) -> e.AnswerRefused:
    return e.AnswerRefused(
        at=now,
        answer=answer.id,
        by=answer.by,
        reason=AnswerRefusal.NO_SUCH_INCIDENT,
        node=answer.node,
        incident=answer.incident,
    )
