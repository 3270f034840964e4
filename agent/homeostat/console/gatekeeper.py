"""ASGI middleware before everything else: nobody unknown gets in, nothing foreign changes anything, headers protect.

It is plain ASGI (https://asgi.readthedocs.io/en/stable/specs/www.html), since WebSockets must pass it too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from homeostat.console.identity import Gate
from homeostat.model.errors import HomeostatError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = ("/login", "/static/")
"""What nobody needs credentials for: the form that asks for them, and how it looks."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
BODY_BYTES_MAX = 65_536

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
PROTECTING = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # with none at all, forms would have no origin to be told by
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_CHALLENGE = {"WWW-Authenticate": 'Bearer, Basic realm="homeostat"'}


class Gatekeeper:
    """Wraps an app; what gets through has a `Caller` in its scope's state, except on the open paths."""

    def __init__(self, app: App, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, _Bounded(receive), _protected(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "not allowed"})
        else:
            await refusal(scope, receive, _protected(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """Why it does not get in; None: it does."""
        headers = headers_of(scope)
        names = [name.decode("latin-1") for name, _ in scope["headers"]]
        twice = [name for name in self._gate.said_once if names.count(name) > 1]
        if twice:
            return _refused(scope["path"], f"the request says {twice[0]} twice", 400)
        if not self._gate.is_own_host(headers.get("host", "")):
            return PlainTextResponse("this console is not known by that name; see console.origins\n", 421)
        try:
            caller = self._gate.caller(headers)
        except HomeostatError as error:
            return PlainTextResponse(f"{error}\n", 503)
        scope.setdefault("state", {})["caller"] = caller
        path = scope["path"]
        is_open = path == OPEN_PATHS[0] or path.startswith(OPEN_PATHS[1])
        if caller is None and not is_open:
            return _who_are_you(path, headers)
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if changes and not self._gate.is_ours(headers, caller):
            return _refused(path, "the request does not come from a page of this console")
        if _length(headers) > BODY_BYTES_MAX:
            return _refused(path, f"a request has at most {BODY_BYTES_MAX} bytes", 413)
        return None


def headers_of(scope: Scope) -> dict[str, str]:
    """What a request says about itself, names in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _length(headers: dict[str, str]) -> int:
    length = headers.get("content-length", "0")
    is_number = length.isascii() and length.isdecimal() and len(length) < 20
    return int(length) if is_number else BODY_BYTES_MAX + 1


def _who_are_you(path: str, headers: dict[str, str]) -> Response:
    if "text/html" in headers.get("accept", "") and not path.startswith("/api/"):
        return RedirectResponse("/login", 303)
    message = "send a token of `homeostat access grant` as 'Authorization: Bearer ...'"
    return JSONResponse({"error": message}, 401, _CHALLENGE)


def _refused(path: str, message: str, status: int = 403) -> Response:
    if path.startswith("/api/"):
        return JSONResponse({"error": message}, status)
    return PlainTextResponse(f"{message}\n", status)


class _Bounded:
    """A body without a length is bounded too: what is too long is refused in the middle."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = BODY_BYTES_MAX

    async def __call__(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(413, f"a request has at most {BODY_BYTES_MAX} bytes")
        return message


def _protected(send: Send) -> Send:
    async def with_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(pair for pair in PROTECTING if pair[0] not in given)]
        await send(message)

    return with_headers
