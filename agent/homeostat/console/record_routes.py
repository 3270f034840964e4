"""Routes about drills and the audit: pages, the form that has the journal verified, and the JSON API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from homeostat.app.access import Role
from homeostat.console.acts import require
from homeostat.console.api import ERRORS
from homeostat.console.asking import Known, Templates, Workspace
from homeostat.console.audit import AuditPage, Running, Verifier, audit_page
from homeostat.console.drills import DrillsPage, drills_page

pages = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1", tags=["v1"])


def _verifier(request: Request) -> Verifier:
    verifier: Verifier = request.app.state.verifier
    return verifier


TheVerifier = Annotated[Verifier, Depends(_verifier)]


@pages.get("/drills")
def drills(request: Request, settings: Workspace, render: Templates) -> Response:
    """What was broken on purpose, and how that went."""
    return render.page(request, "drills.html", now=drills_page(settings))


@pages.get("/audit")
def audit(request: Request, settings: Workspace, render: Templates, verifier: TheVerifier) -> Response:
    """Whether the journal is what was written, and who did what."""
    return render.page(request, "audit.html", now=audit_page(settings, verifier))


@pages.post("/audit/verify")
def verify(caller: Known, verifier: TheVerifier) -> Response:
    """Have the journal verified, and go back to the page, which tells when it is done."""
    require(caller, Role.OPERATOR)
    verifier.begin(caller.name)
    return RedirectResponse("/audit", 303)


@api.get("/drills", responses=ERRORS)
def get_drills(settings: Workspace) -> DrillsPage:
    """The drills that the journal tells of, and each policy's last one."""
    return drills_page(settings)


@api.get("/audit", responses=ERRORS)
def get_audit(settings: Workspace, verifier: TheVerifier) -> AuditPage:
    """The last verification, whether one is at work, anchors, who did what."""
    return audit_page(settings, verifier)


@api.post("/audit/verify", status_code=202, responses=ERRORS)
def post_verify(caller: Known, verifier: TheVerifier) -> Running:
    """Have the journal verified; `/audit` has the result."""
    require(caller, Role.OPERATOR)
    return verifier.begin(caller.name)
