"""Templates become pages. Everything is escaped; only drawings, which escape for themselves, go in as they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from homeostat.app.access import Role
from homeostat.policy.units import format_seconds


class Renderer:
    """The templates of this package."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("homeostat.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "when": when,
            "day": day,
            "duration": duration,
            "words": words,
            "counted": counted,
            "capitalize_first": capitalize_first,
            "drawing": Markup,
        }
        self._templates.globals["Role"] = Role

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page, which knows who looks at it."""
        caller = getattr(request.state, "caller", None)
        text = self._templates.get_template(template).render(me=caller, path=request.url.path, **values)
        return HTMLResponse(text, status)


def when(at: float | None) -> Markup:
    """A time, in UTC; the page's script adds how long ago."""
    if at is None:
        return Markup("")
    moment = datetime.fromtimestamp(at, UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        moment.isoformat(timespec="seconds"), moment.strftime("%Y-%m-%d %H:%M:%S"), moment.strftime("%H:%M:%S")
    )


def day(at: float | None) -> Markup:
    """A time with its day, in UTC."""
    if at is None:
        return Markup("")
    moment = datetime.fromtimestamp(at, UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        moment.isoformat(timespec="seconds"), moment.strftime("%Y-%m-%d %H:%M:%S"), moment.strftime("%Y-%m-%d %H:%M")
    )


def capitalize_first(text: Markup) -> Markup:
    """What a sentence begins with; the rest, and what is escaped in it, stays."""
    return text[:1].upper() + text[1:]


def duration(seconds: float | None) -> str:
    """A time span as people say it."""
    return "" if seconds is None else format_seconds(round(seconds))


def words(name: str) -> str:
    """A name of ours in words."""
    return name.replace("_", " ")


def counted(number: int, thing: str) -> str:
    """A number of things."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
