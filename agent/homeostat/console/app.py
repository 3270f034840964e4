"""The console as an ASGI app: pages, JSON API and live updates behind one gatekeeper."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from homeostat.act.secret import SecretError, resolve
from homeostat.app.access import AccessList
from homeostat.app.settings import Settings
from homeostat.console import (
    api,
    copilot_routes,
    live,
    pages,
    policy_routes,
    ranking_routes,
    record_routes,
    review_routes,
)
from homeostat.console.acts import Refused
from homeostat.console.audit import Verifier
from homeostat.console.feed import Feed
from homeostat.console.gatekeeper import Gatekeeper
from homeostat.console.identity import Gate
from homeostat.console.rendering import Renderer
from homeostat.console.slack_listener import slack_listening
from homeostat.drawing.style import style_sheet
from homeostat.model.errors import HomeostatError, JournalError, UsageError
from homeostat.notify.slack_web import require_slack_sdk
from homeostat.version import __version__

STATIC = Path(__file__).parent / "static"


def console(settings: Settings, addresses: Callable[[], frozenset[str]]) -> Gatekeeper:
    """The app of a workspace.

    Args:
        settings: of the workspace.
        addresses: HOST:PORT by which it is reached, asked at every request.

    Raises:
        UsageError: the signing key cannot be kept, the proxy's secret cannot be had, or slack-sdk is not there.
    """
    if settings.slack.app_token is not None:
        require_slack_sdk()
    feed = Feed(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # In here, since a signal ends the process as soon as the server has ended.
        async with feed.running():
            with slack_listening(settings):
                yield

    app = FastAPI(
        title="Homeostat",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
        separate_input_output_schemas=False,
    )
    access = AccessList(settings.state)
    gate = Gate(settings.console, access, _proxy_secret(settings), addresses)
    app.state.settings, app.state.feed, app.state.gate = settings, feed, gate
    app.state.renderer, app.state.verifier = Renderer(), Verifier(settings)
    app.add_api_route("/static/plan.css", _plan_style, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.include_router(api.router)
    app.include_router(live.router)
    app.include_router(pages.router)
    for routes in (policy_routes, ranking_routes, record_routes, copilot_routes, review_routes):
        app.include_router(routes.api)
        app.include_router(routes.pages)
    app.exception_handler(Refused)(_refused)
    app.exception_handler(HomeostatError)(_failed)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(Exception)(_broken)
    return Gatekeeper(app, gate)


def _plan_style() -> Response:
    """How drawings look; inside of them the content policy would forbid it."""
    return Response(style_sheet(), media_type="text/css")


def _proxy_secret(settings: Settings) -> str | None:
    reference = settings.console.proxy_secret
    try:
        return None if reference is None else resolve(reference, settings.secrets.for_lookup())
    except SecretError as error:
        raise UsageError(f"console.proxy_secret: {error}") from error


async def _refused(request: Request, error: Refused) -> Response:
    return told(request, error.status, error.message)


async def _failed(request: Request, error: HomeostatError) -> Response:
    status = 503 if isinstance(error, JournalError) else 404 if isinstance(error, UsageError) else 500
    return told(request, status, str(error))


async def _http(request: Request, error: HTTPException) -> Response:
    return told(request, error.status_code, error.detail)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    return told(request, 422, f"{place or 'the request'}: {first['msg']}")


async def _broken(request: Request, error: Exception) -> Response:
    return told(request, 500, f"the console failed ({type(error).__name__}); its log says where")


def told(request: Request, status: int, message: str) -> Response:
    """An error, as JSON to programs and as a page to people."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": message}, status)
    renderer: Renderer = request.app.state.renderer
    return renderer.page(request, "error.html", status=status, message=message, code=status)
