"""Routes of the report after an incident, and of the survey about it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from homeostat.console.acts import NOTE_LENGTH_MAX, Said
from homeostat.console.api import ERRORS, NOTE
from homeostat.console.asking import Known, Templates, Workspace
from homeostat.console.reviews import ReviewPage, review_page, survey
from homeostat.model.feedback import RATING_MAX, RATING_MIN, Feedback

pages = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1", tags=["v1"])

_RATING = Field(ge=RATING_MIN, le=RATING_MAX)


class Survey(BaseModel):
    """What one person says of an incident; ratings from 1 (not at all) to 5 (fully)."""

    model_config = ConfigDict(extra="forbid")
    clarity: int = _RATING
    usability: int = _RATING
    confidence: int = _RATING
    wrong_step: str = Field("", max_length=200, description="The step of the plan that was wrong.")
    missing_step: str = Field("", max_length=NOTE_LENGTH_MAX, description="What the plan should have done besides.")
    note: str = NOTE

    def about(self, incident: str) -> Feedback:
        """The same, as the journal holds it."""
        return Feedback(incident=incident, **self.model_dump())


@pages.get("/incidents/{incident}/review")
def review(request: Request, settings: Workspace, render: Templates, incident: str) -> Response:
    """The report, and the survey."""
    ratings = range(RATING_MIN, RATING_MAX + 1)
    return render.page(request, "review.html", it=review_page(settings, incident), ratings=ratings)


@pages.get("/incidents/{incident}/review.md")
def markdown(settings: Workspace, incident: str) -> Response:
    """The report to take along."""
    found = review_page(settings, incident)
    return Response(
        found.markdown, media_type="text/markdown", headers={"Content-Disposition": 'attachment; filename="review.md"'}
    )


@pages.post("/incidents/{incident}/feedback")
def say(settings: Workspace, caller: Known, incident: str, said: Annotated[Survey, Form()]) -> Response:
    """Take in a survey, and go back to the report."""
    survey(settings, caller, said.about(incident))
    return RedirectResponse(f"/incidents/{quote(incident, safe='')}/review", 303)


@api.get("/incidents/{incident}/review", responses=ERRORS)
def get_review(settings: Workspace, incident: str) -> ReviewPage:
    """The report on an incident: what was done, decided, learnt and left open; also as Markdown."""
    return review_page(settings, incident)


@api.post("/incidents/{incident}/feedback", responses=ERRORS)
def post_feedback(settings: Workspace, caller: Known, incident: str, said: Survey) -> Said:
    """Say what you think of an incident; your newest survey counts."""
    return survey(settings, caller, said.about(incident))
