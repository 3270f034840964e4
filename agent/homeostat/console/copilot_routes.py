"""Routes of the checklist for two."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from homeostat.console.acts import Said, marker
from homeostat.console.api import ERRORS
from homeostat.console.asking import Known, Templates, Workspace
from homeostat.console.copilot import Checklist, check, checklist

pages = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1", tags=["v1"])


class CrossCheck(BaseModel):
    """That a step was read and found done as written. `plan` and `key` are as they were read."""

    model_config = ConfigDict(extra="forbid")
    plan: str = Field(max_length=64)
    key: str = Field(max_length=1000, description="`to_check` of the step.")
    note: str = Field("", max_length=1000, description="It goes into the journal.")


@pages.get("/incidents/{incident}/copilot")
def copilot(request: Request, settings: Workspace, render: Templates, incident: str) -> Response:
    """The plan as a checklist for two."""
    return render.page(request, "copilot.html", it=checklist(settings, incident), marker=marker)


@pages.post("/incidents/{incident}/copilot/{step}")
def say(
    settings: Workspace,
    caller: Known,
    incident: str,
    step: str,
    plan: Annotated[str, Form(max_length=64)],
    key: Annotated[str, Form(max_length=1000)],
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Say that a step was read, and go back to the checklist."""
    check(settings, caller, incident, step, key, plan, note)
    return RedirectResponse(f"/incidents/{quote(incident, safe='')}/copilot", 303)


@api.get("/incidents/{incident}/checklist", responses=ERRORS)
def get_checklist(settings: Workspace, incident: str) -> Checklist:
    """The incident's plan as a checklist: who carried each step out, and who has read it."""
    return checklist(settings, incident)


@api.post("/incidents/{incident}/checklist/{step}", responses=ERRORS)
def post_check(settings: Workspace, caller: Known, incident: str, step: str, said: CrossCheck) -> Said:
    """Say that a step was read and found done as written."""
    return check(settings, caller, incident, step, said.key, said.plan, said.note)
