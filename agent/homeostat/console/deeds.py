"""Who did what: the entries that tell of something a person did, in a line each."""

from __future__ import annotations

from dataclasses import dataclass

from homeostat.model import entries as e
from homeostat.model.answers import SCHEDULE_NAME
from homeostat.model.ports import Record


@dataclass(frozen=True, slots=True)
class Deed:
    """Something a person did. `incident` is None where it concerns none."""

    at: float
    by: str
    what: str
    incident: str | None
    note: str


_OF_INCIDENTS = (
    e.ApprovalGranted, e.ApprovalDenied, e.StepRequested, e.StepCrossChecked, e.TakenOver, e.ActionEnded,
    e.IncidentAcknowledged,
)  # fmt: skip
_OTHERS = (e.AnswerRefused, e.Paused, e.Resumed, e.FeedbackGiven, e.RankingPromoted, e.RankingRolledBack)
DEEDS = {kind.TYPE for kind in (*_OF_INCIDENTS, *_OTHERS)}
"""Types of the entries that may tell of a deed."""


def deed_of(record: Record) -> Deed | None:
    """What a person did, if one did it."""
    return _of_incident(record) or _other(record)


def _of_incident(record: Record) -> Deed | None:
    at, about = record.entry.at, record.stream
    match record.entry:
        case e.ApprovalGranted(node=node, by=by, note=note):
            return Deed(at, by, f"agreed to {node}", about, note)
        case e.ApprovalDenied(node=node, by=by, note=note):
            return Deed(at, by, f"refused {node}", about, note)
        case e.StepRequested(node=node, by=by, note=note):
            return Deed(at, by, f"requested {node}", about, note)
        case e.StepCrossChecked(node=node, by=by, note=note, executor=executor):
            return Deed(at, by, f"read {node}, carried out by {executor}, and found it done as written", about, note)
        case e.IncidentAcknowledged(by=by, note=note):
            return Deed(at, by, "acknowledged: is on it", about, note)
        case e.TakenOver(by=by, note=note):
            return Deed(at, by, "took the incident over", about, note)
        case e.ActionEnded(by=by, key=key, status=status, detail=detail) if by:
            step = key.split("/")[1] if "/" in key else key
            return Deed(at, by, f"reported {step}: {status.value}", about, detail.partition(": ")[2])
        case _:
            return None


def _other(record: Record) -> Deed | None:
    at, about = record.entry.at, record.stream
    match record.entry:
        case e.AnswerRefused(by=by, reason=reason, incident=incident):
            return Deed(at, by, f"an answer that changed nothing: {reason.value.replace('_', ' ')}", incident, "")
        case e.Paused(by=by, policy=policy, note=note):
            return Deed(at, by, f"paused {policy or 'everything'}", None, note)
        case e.Resumed(by=by, policy=policy, note=note):
            return Deed(at, by, f"resumed {policy or 'everything'}", None, note)
        case e.FeedbackGiven(by=by, feedback=feedback):
            return Deed(at, by, "filled in the survey", feedback.incident, feedback.note)
        case e.RankingPromoted(actor=actor, version=version, why=why) if actor != SCHEDULE_NAME:
            return Deed(at, actor, f"let ranking {version[:12]} rule {about.removeprefix('policy/')}", None, why)
        case e.RankingRolledBack(actor=actor, version=version, why=why) if actor != SCHEDULE_NAME:
            return Deed(at, actor, f"took ranking {version[:12]} of {about.removeprefix('policy/')} back", None, why)
        case _:
            return None
