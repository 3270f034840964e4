"""The JSON API, under /api/v1; its OpenAPI document is /api/openapi.json."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from homeostat.app.people import Pending
from homeostat.console.acts import (
    NOTE_LENGTH_MAX,
    Act,
    Said,
    answer,
    answer_incident,
    turn_switch,
)
from homeostat.console.asking import Known, Workspace
from homeostat.console.views import IncidentPage, Overview, incident_page, overview, waiting
from homeostat.model.answers import AnswerKind

router = APIRouter(prefix="/api/v1", tags=["v1"])
NOTE = Field("", max_length=NOTE_LENGTH_MAX, description="Why; it goes into the journal.")


class Problem(BaseModel):
    """What went wrong, in words."""

    error: str


class StepAnswer(BaseModel):
    """What is said about a step. `plan` and `until` are as they were read, so that nobody answers what has changed."""

    model_config = ConfigDict(extra="forbid")
    act: Act
    plan: str = Field(max_length=64)
    until: str = Field("", max_length=32, description="`until` of what waits, with three decimals; empty for null.")
    note: str = NOTE


class TakeOver(BaseModel):
    """That an incident is the caller's from here on."""

    model_config = ConfigDict(extra="forbid")
    note: str = NOTE


class Acknowledgement(BaseModel):
    """That one is on an incident."""

    model_config = ConfigDict(extra="forbid")
    note: str = NOTE


class Switch(BaseModel):
    """The kill switch: of one policy, or without `policy` of all."""

    model_config = ConfigDict(extra="forbid")
    act: Literal[AnswerKind.PAUSE, AnswerKind.RESUME]
    policy: str | None = Field(None, max_length=200)
    note: str = NOTE


ERRORS: dict[int | str, dict[str, object]] = {
    code: {"model": Problem} for code in (400, 401, 403, 404, 409, 413, 421, 422, 503)
}


@router.get("/overview", responses=ERRORS)
def get_overview(settings: Workspace) -> Overview:
    """Open and recent incidents, what waits for people, kill switches, the agent."""
    return overview(settings)


@router.get("/pending", responses=ERRORS)
def get_pending(settings: Workspace) -> list[Pending]:
    """What waits for people."""
    return waiting(settings)


@router.get("/incidents/{incident}", responses=ERRORS)
def get_incident(settings: Workspace, incident: str) -> IncidentPage:
    """One incident: its time line, attempts, what waits, and its plan as SVG with the path lit."""
    return incident_page(settings, incident)


@router.post("/incidents/{incident}/steps/{step}", responses=ERRORS)
def post_answer(settings: Workspace, caller: Known, incident: str, step: str, said: StepAnswer) -> Said:
    """Approve, deny or request a step, or report a manual one."""
    return answer(settings, caller, incident, step, said.act, said.note, said.plan, said.until)


@router.post("/incidents/{incident}/take-over", responses=ERRORS)
def post_take_over(settings: Workspace, caller: Known, incident: str, said: TakeOver) -> Said:
    """Take an incident over: the agent starts nothing more in it, undos neither."""
    return answer_incident(settings, caller, AnswerKind.TAKE_OVER, incident, said.note)


@router.post("/incidents/{incident}/acknowledge", responses=ERRORS)
def post_acknowledge(settings: Workspace, caller: Known, incident: str, said: Acknowledgement) -> Said:
    """Say that one is on an incident: nobody else is called for what it has asked so far."""
    return answer_incident(settings, caller, AnswerKind.ACKNOWLEDGE, incident, said.note)


@router.post("/switch", responses=ERRORS)
def post_switch(settings: Workspace, caller: Known, said: Switch) -> Said:
    """Pull the kill switch, or lift it."""
    return turn_switch(settings, caller, said.act, said.policy, said.note)
