"""Nobody unknown gets in, nothing foreign changes anything, and every answer brings its protection."""

from __future__ import annotations

import http.client
import re
import socket
from contextlib import closing

import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from tests.unit.console.console_rig import HOST, Answered, Shop, ask, bearer, form, served, sign_in

from homeostat.console import gatekeeper
from homeostat.console.gatekeeper import BODY_BYTES_MAX, OPEN_PATHS, POLICY, Gatekeeper

WHERE = "/api/v1/overview"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW")


def routes(app: Gatekeeper) -> list[BaseRoute]:
    """All of them, those of included routers too."""
    assert isinstance(app._app, FastAPI)

    def within(found: list[BaseRoute]) -> list[BaseRoute]:
        flat: list[BaseRoute] = []
        for route in found:
            inner = [] if isinstance(route, Mount) else getattr(getattr(route, "original_router", route), "routes", [])
            flat += within(list(inner)) if inner else [route]
        return flat

    return within(list(app._app.routes))


def paths(app: Gatekeeper) -> list[str]:
    found = [str(getattr(route, "path", "")) for route in routes(app)]
    return [re.sub(r"\{[^}]*\}", "x", path) for path in found]


def is_open(path: str) -> bool:
    return path == OPEN_PATHS[0] or path.startswith((OPEN_PATHS[1], "/static"))


def protected(answered: Answered) -> bool:
    return (
        answered.header("content-security-policy") == POLICY
        and answered.header("x-content-type-options") == "nosniff"
        and answered.header("cache-control") == "no-store"
    )


def test_the_routes_are_found(app: Gatekeeper) -> None:
    known = paths(app)
    for path in ("/", "/login", "/live", "/switch", "/api/v1/overview", "/api/v1/incidents/x/steps/x", "/static"):
        assert path in known
    kinds = {type(route) for route in routes(app)}
    assert any(issubclass(kind, WebSocketRoute) for kind in kinds)
    assert any(issubclass(kind, Route) for kind in kinds)


def test_every_route_and_method_refuses_who_has_no_credentials(app: Gatekeeper) -> None:
    for path in [*paths(app), "/nowhere", "/api/openapi.json", "/docs", "//", "/login/x", "/loginx", "/..", ""]:
        if is_open(path):
            continue
        for method in METHODS:
            answered = ask(app, method, path)
            assert answered.status == 401, (method, path)
            assert answered.header("www-authenticate") is not None
            assert protected(answered), (method, path)


def test_a_browser_without_a_session_is_sent_to_the_form(app: Gatekeeper) -> None:
    answered = ask(app, "GET", "/incidents/x", {"accept": "text/html"})
    assert (answered.status, answered.header("location")) == (303, "/login")
    assert ask(app, "GET", "/login").status == 200


@pytest.mark.parametrize("path", ["/static/../api/v1/overview", "/static/../../app.py", "/static//etc/passwd"])
def test_the_open_folder_leads_nowhere_else(app: Gatekeeper, path: str) -> None:
    assert ask(app, "GET", path).status == 404


@pytest.mark.parametrize("host", ["evil.example:8420", "evil.example", "127.0.0.1", "127.0.0.1:8421", "", "[::1]:8420"])
def test_another_name_of_this_host_is_refused(app: Gatekeeper, shop: Shop, host: str) -> None:
    for path in ("/", "/login", "/static/console.js", WHERE):
        answered = ask(app, "GET", path, {**bearer(shop.tokens["ada"]), "host": host})
        assert (answered.status, protected(answered)) == (421, True)


def test_every_answer_is_protected_errors_too(app: Gatekeeper, shop: Shop) -> None:
    ada = bearer(shop.tokens["ada"])
    for path in (
        *(path for path in paths(app) if path != "/live"),
        "/nowhere",
        "/static/console.js",
        "/static/none.js",
    ):
        for method in ("GET", "POST", "DELETE"):
            answered = ask(app, method, path, ada)
            assert protected(answered), (method, path)
            assert answered.status < 500, (method, path, answered.body)


def test_a_fault_of_our_own_is_protected_and_tells_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_settings: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr("homeostat.console.api.overview", broken)
    with (
        served(shop.settings) as port,
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection,
    ):
        connection.request("GET", WHERE, headers={"Authorization": f"Bearer {shop.tokens['ada']}"})
        answer = connection.getresponse()
        answered = Answered(answer.status, [(k.lower(), v) for k, v in answer.getheaders()], answer.read())
    assert (answered.status, protected(answered)) == (500, True)
    assert b"the inside" not in answered.body
    assert answered.json() == {"error": "the console failed (RuntimeError); its log says where"}


OURS = [
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
    {"origin": f"http://{HOST}"},
]
FOREIGN = [
    {},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": ""},
    {"sec-fetch-site": "cross-site", "origin": f"http://{HOST}"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9999"},
    {"origin": f"https://{HOST}"},
    {"origin": f"http://{HOST}.evil.example"},
    {"origin": f"http://{HOST}@evil.example"},
    {"origin": "http://["},
    {"referer": f"http://{HOST}/"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_what_another_site_sends_changes_nothing(app: Gatekeeper, shop: Shop, headers: dict[str, str]) -> None:
    cookie = sign_in(app, shop.tokens["ada"])
    kind, body = form(act="pause")
    del kind["sec-fetch-site"]
    answered = ask(app, "POST", "/switch", {**kind, **cookie, **headers}, body)
    assert (answered.status, protected(answered)) == (403, True)
    assert ask(app, "POST", "/login", {**kind, **headers}, b"token=x").status == 403, "nor signs anybody in"
    assert not shop.settings.inbox.exists()


@pytest.mark.parametrize("headers", OURS)
def test_what_our_pages_send_gets_through(
    app: Gatekeeper, shop: Shop, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeostat.console.acts.TAKEN_IN_S_MAX", 0.0)
    kind, body = form(act="pause")
    del kind["sec-fetch-site"]
    cookie = sign_in(app, shop.tokens["ada"])
    assert ask(app, "POST", "/switch", {**kind, **cookie, **headers}, body).status == 303
    assert len(list(shop.settings.inbox.glob("*.json"))) == 1


def test_a_program_with_a_token_needs_no_page(app: Gatekeeper, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeostat.console.acts.TAKEN_IN_S_MAX", 0.0)
    headers = {**bearer(shop.tokens["otto"]), "content-type": "application/json"}
    answered = ask(app, "POST", "/api/v1/switch", headers, b'{"act": "pause"}')
    assert (answered.status, answered.json()["counts"]) == (200, False)


@pytest.mark.parametrize("path", ["/api/v1/switch", "/switch", "/login"])
def test_bodies_are_bounded_with_a_length_and_without(app: Gatekeeper, shop: Shop, path: str) -> None:
    kind = "application/json" if path.startswith("/api/") else "application/x-www-form-urlencoded"
    headers = {**bearer(shop.tokens["ada"]), "content-type": kind}
    large = b"x" * (BODY_BYTES_MAX + 1)
    assert ask(app, "POST", path, headers, large).status == 413
    assert ask(app, "POST", path, headers, [b"note=" + b"x" * 1000] * 100).status == 413
    for length in ("-1", "1e9", "9" * 30, "0x10", ""):
        assert ask(app, "POST", path, {**headers, "content-length": length}, [b"x"]).status == 413, length
    assert not shop.settings.inbox.exists()


def test_a_chunked_body_is_refused_over_a_real_connection(shop: Shop) -> None:
    with served(shop.settings) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(
            f"POST /api/v1/switch HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {shop.tokens['ada']}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
        connection.sendall(chunk * (BODY_BYTES_MAX // 0x1000 + 1))
        assert connection.recv(64).startswith(b"HTTP/1.1 413 ")


def test_the_content_policy_lets_nothing_in_that_is_not_ours() -> None:
    directives = dict(part.strip().split(" ", 1) for part in gatekeeper.POLICY.split(";"))
    assert directives["default-src"] == "'none'"
    assert set(directives.values()) <= {"'none'", "'self'"}
