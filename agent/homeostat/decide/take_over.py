"""A person takes an incident over: from then on the agent starts nothing in it, undos neither, and only looks on.

Two hands on one system are worse than one. What runs goes on to its end, and how it ends is noted.
"""

from __future__ import annotations

from homeostat.decide.lifecycle import ACTIVE
from homeostat.decide.turn import Turn
from homeostat.model import entries as e
from homeostat.model.answers import Answer, same_person
from homeostat.model.reasons import AnswerRefusal, EscalationReason, Phase


def judge_take_over(turn: Turn, answer: Answer) -> AnswerRefusal | None:
    """Hand the incident to who asks for it, also from another person; say why where that changes nothing."""
    phase = turn.incident.phase
    if phase not in ACTIVE and phase not in (Phase.CONFIRMING, Phase.ESCALATED):
        return AnswerRefusal.NO_SUCH_INCIDENT
    if same_person(answer.by, turn.incident.taken_over_by):
        return None  # delivered twice, or said twice
    turn.record(e.TakenOver(at=turn.now, by=answer.by, answer=answer.id, note=answer.note))
    if phase is not Phase.ESCALATED:
        turn.escalate(EscalationReason.TAKEN_OVER, detail=f"{answer.by} has taken over")
    return None
