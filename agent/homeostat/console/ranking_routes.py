"""Routes about rankings: pages, their forms, and the JSON API."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from homeostat.console.acts import Said
from homeostat.console.api import ERRORS
from homeostat.console.asking import Known, Templates, Workspace
from homeostat.console.rankings import RankingsOfPolicy, RankingsPage, position_of, rankings_of, rankings_page
from homeostat.console.ruling_acts import RulingAct, rule

pages = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1", tags=["v1"])
_Version = Annotated[str, Form(max_length=64)]


class RankingWord(BaseModel):
    """A word on which ranking rules. `seen` is as it was read, so that nobody rules on what has changed."""

    model_config = ConfigDict(extra="forbid")
    act: RulingAct
    seen: str = Field(max_length=64, description="`ruling` as it was read.")
    version: str = Field("", max_length=64, description="What shall rule; `written` for the order in the file.")
    why: str = Field("", max_length=1000, description="It goes into the journal.")
    although_refused: bool = Field(False, description="Whether what the gate refused may rule; then say why.")


@pages.get("/rankings")
def rankings(request: Request, settings: Workspace, render: Templates) -> Response:
    """What rules each policy's choices, and what it rests on."""
    return render.page(request, "rankings.html", now=rankings_page(settings))


@pages.get("/rankings/{policy}")
def ranking(request: Request, settings: Workspace, render: Templates, policy: str) -> Response:
    """The rankings of one policy, their history, and a word on them."""
    return render.page(request, "ranking.html", it=rankings_of(settings, policy), position=position_of(settings))


@pages.post("/rankings/{policy}")
def say(
    settings: Workspace,
    caller: Known,
    policy: str,
    act: Annotated[RulingAct, Form()],
    seen: _Version,
    version: _Version = "",
    why: Annotated[str, Form(max_length=2000)] = "",
    although_refused: Annotated[Literal["", "true"], Form()] = "",
) -> Response:
    """Say which ranking shall rule, and go back."""
    rule(settings, caller, policy, act, seen, version, why, although_refused=bool(although_refused))
    return RedirectResponse(f"/rankings/{quote(policy, safe='')}", 303)


@api.get("/rankings", responses=ERRORS)
def get_rankings(settings: Workspace) -> RankingsPage:
    """What rules each policy's choices, with probabilities and where they lie nine times in ten."""
    return rankings_page(settings)


@api.get("/rankings/{policy}", responses=ERRORS)
def get_ranking(settings: Workspace, policy: str) -> RankingsOfPolicy:
    """The rankings of one policy, and their history."""
    return rankings_of(settings, policy)


@api.post("/rankings/{policy}", responses=ERRORS)
def post_ranking(settings: Workspace, caller: Known, policy: str, said: RankingWord) -> Said:
    """Let a ranking rule, or take the one that rules back."""
    return rule(
        settings, caller, policy, said.act, said.seen, said.version, said.why, although_refused=said.although_refused
    )
