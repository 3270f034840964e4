"""Routes about policies: pages, their forms, and the JSON API."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from homeostat.console.acts import turn_switch
from homeostat.console.api import ERRORS
from homeostat.console.asking import Known, Templates, Workspace
from homeostat.console.policies import PoliciesPage, PolicyPage, policies_page, policy_page
from homeostat.model.answers import AnswerKind

pages = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1", tags=["v1"])


@pages.get("/policies")
def policies(request: Request, settings: Workspace, render: Templates) -> Response:
    """Every policy: what it is for, how far it may go, whether it is old."""
    return render.page(request, "policies.html", now=policies_page(settings))


@pages.get("/policies/{policy}")
def policy(request: Request, settings: Workspace, render: Templates, policy: str) -> Response:
    """One policy: its plan, its steps, its incidents."""
    return render.page(request, "policy.html", it=policy_page(settings, policy))


@pages.post("/policies/{policy}/switch")
def switch(
    settings: Workspace,
    caller: Known,
    policy: str,
    act: Annotated[AnswerKind, Form()],
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Pull or lift the kill switch of this policy, and go back to it."""
    turn_switch(settings, caller, act, policy, note)
    return RedirectResponse(f"/policies/{quote(policy, safe='')}", 303)


@api.get("/policies", responses=ERRORS)
def get_policies(settings: Workspace) -> PoliciesPage:
    """Every policy in use: mode, owner, trigger, version, last incident, staleness, autonomy, whether paused."""
    return policies_page(settings)


@api.get("/policies/{policy}", responses=ERRORS)
def get_policy(settings: Workspace, policy: str) -> PolicyPage:
    """One policy, its plan as SVG, how far each step may go, its incidents."""
    return policy_page(settings, policy)
