"""The pages, and the forms on them, which work without a script too."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from homeostat.console.acts import Act, answer, answer_incident, marker, turn_switch
from homeostat.console.asking import Known, Templates, Workspace
from homeostat.console.identity import COOKIE, Gate
from homeostat.console.views import incident_page, overview
from homeostat.model.answers import AnswerKind

router = APIRouter(include_in_schema=False)
_Text = Annotated[str, Form(max_length=2000)]


@router.get("/")
def home(request: Request, settings: Workspace, render: Templates) -> Response:
    """What is open, what waits for people, what was."""
    return render.page(request, "home.html", now=overview(settings), marker=marker)


@router.get("/incidents/{incident}")
def incident(request: Request, settings: Workspace, render: Templates, incident: str) -> Response:
    """One incident, live."""
    return render.page(request, "incident.html", it=incident_page(settings, incident), marker=marker)


@router.post("/incidents/{incident}/steps/{step}")
def say(
    settings: Workspace,
    caller: Known,
    incident: str,
    step: str,
    act: Annotated[Act, Form()],
    plan: _Text,
    until: _Text = "",
    note: _Text = "",
    back: Annotated[Literal["", "/copilot"], Form()] = "",
) -> Response:
    """Answer about a step, and go back to the incident, or to its checklist."""
    answer(settings, caller, incident, step, act, note, plan, until)
    return RedirectResponse(f"/incidents/{incident}{back}", 303)


@router.post("/incidents/{incident}/take-over")
def take_over(settings: Workspace, caller: Known, incident: str, note: _Text = "") -> Response:
    """Take an incident over, and go back to it."""
    answer_incident(settings, caller, AnswerKind.TAKE_OVER, incident, note)
    return RedirectResponse(f"/incidents/{quote(incident, safe='')}", 303)


@router.post("/incidents/{incident}/acknowledge")
def acknowledge(settings: Workspace, caller: Known, incident: str, note: _Text = "") -> Response:
    """Say that one is on an incident, and go back to it."""
    answer_incident(settings, caller, AnswerKind.ACKNOWLEDGE, incident, note)
    return RedirectResponse(f"/incidents/{quote(incident, safe='')}", 303)


@router.post("/switch")
def switch(
    settings: Workspace,
    caller: Known,
    act: Annotated[AnswerKind, Form()],
    policy: _Text = "",
    note: _Text = "",
) -> Response:
    """Pull or lift the kill switch, and go back."""
    turn_switch(settings, caller, act, policy or None, note)
    return RedirectResponse("/", 303)


@router.get("/login")
def ask_to_sign_in(request: Request, render: Templates) -> Response:
    """The form that asks for a token."""
    return render.page(request, "login.html", wrong=False)


@router.post("/login")
def sign_in(request: Request, render: Templates, token: Annotated[str, Form(max_length=200)]) -> Response:
    """A session for a token."""
    gate: Gate = request.app.state.gate
    cookie = gate.session(token.strip())
    if cookie is None:
        return render.page(request, "login.html", status=401, wrong=True)
    response = RedirectResponse("/", 303)
    is_secure = request.headers.get("origin", "").startswith("https://")
    response.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", secure=is_secure)
    return response


@router.post("/logout")
def sign_out() -> Response:
    """End the session in this browser."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
