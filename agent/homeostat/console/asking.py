"""What routes ask of a request: who it is from, and which workspace it is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from homeostat.app.access import Role
from homeostat.app.settings import Settings
from homeostat.console.acts import Refused
from homeostat.console.identity import Caller
from homeostat.console.rendering import Renderer


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _renderer(request: Request) -> Renderer:
    renderer: Renderer = request.app.state.renderer
    return renderer


def _caller(request: Request) -> Caller:
    found = request.state.caller
    if not isinstance(found, Caller):
        raise Refused(401, "sign in first")
    return found


Workspace = Annotated[Settings, Depends(_settings)]
Templates = Annotated[Renderer, Depends(_renderer)]
Known = Annotated[Caller, Depends(_caller)]


def at_least(role: Role) -> Callable[[Caller], Caller]:
    """A dependency that lets only those of a role through, or of one above it."""

    def check(caller: Known) -> Caller:
        if not caller.may(role):
            raise Refused(403, f"you are {caller.role.word}, and this needs {role.word}; ask an admin")
        return caller

    return check
