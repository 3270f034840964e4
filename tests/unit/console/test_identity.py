"""Who is asking, and who only says so."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest
from itsdangerous import URLSafeTimedSerializer
from tests.unit.console.console_rig import Shop, ask, bearer, sign_in

from homeostat.app.access import Role
from homeostat.console.gatekeeper import Gatekeeper
from homeostat.console.identity import COOKIE, Gate, Means
from homeostat.model.errors import UsageError

SECRET = "proxy-secret"
WHERE = "/api/v1/overview"


def basic(name: str, token: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{token}".encode()).decode()}


def gate_of(shop: Shop, proxy_secret: str | None = None) -> Gate:
    return Gate(shop.settings.console, shop.access, proxy_secret, lambda: frozenset({"127.0.0.1:8420"}))


def proxied(folder: Path) -> tuple[Shop, Gate]:
    shop = Shop(folder, proxy_user_header="X-Remote-User", proxy_secret="env:CONSOLE_PROXY")
    return shop, gate_of(shop, SECRET)


def test_a_token_a_password_and_a_cookie_name_their_person(shop: Shop, app: Gatekeeper) -> None:
    gate = gate_of(shop)
    token = shop.tokens["dana"]
    for headers, means in (
        (bearer(token), Means.TOKEN),
        (basic("dana", token), Means.BASIC),
        (sign_in(app, token), Means.COOKIE),
    ):
        caller = gate.caller(headers)
        assert caller is not None
        assert (caller.name, caller.role, caller.means) == ("dana", Role.APPROVER, means)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("x" * 43),
        {"authorization": "Bearer"},
        {"authorization": "Digest a"},
        {"authorization": "Basic \xe9\xff"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode()},
        {"cookie": f"{COOKIE}="},
        {"cookie": f"{COOKIE}=a.b.c"},
        {"cookie": "\xff;;;==" * 200},
    ],
)
def test_hostile_credentials_are_nobodys(shop: Shop, app: Gatekeeper, headers: dict[str, str]) -> None:
    assert gate_of(shop).caller(headers) is None
    assert ask(app, "GET", WHERE, headers).status == 401


def test_another_ones_name_with_ones_own_token_is_nobody(shop: Shop) -> None:
    assert gate_of(shop).caller(basic("ada", shop.tokens["vera"])) is None


def test_a_cookie_that_is_forged_changed_or_old_is_nobodys(shop: Shop, app: Gatekeeper) -> None:
    gate, cookie = gate_of(shop), sign_in(app, shop.tokens["vera"])["cookie"]
    body, signature = cookie.partition("=")[2].split(".", 1)
    forged = URLSafeTimedSerializer("another key", salt="session").dumps(["ada", "0" * 32])
    as_ada = base64.urlsafe_b64encode(b'["ada","0"]').decode().rstrip("=")
    for value in (forged, f"{as_ada}.{signature}", f"{body}.{signature[:-1]}", f"{body}.{signature}x", body):
        assert gate.caller({"cookie": f"{COOKIE}={value}"}) is None
    for content in (["ada"], "ada", 7, None, [["ada"], 1], ["ada", "0" * 32]):
        signed = gate._sessions.dumps(content)
        assert gate.caller({"cookie": f"{COOKIE}={signed}"}) is None, content


def test_a_session_ends_by_itself(shop: Shop, app: Gatekeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = sign_in(app, shop.tokens["vera"])
    assert ask(app, "GET", WHERE, cookie).status == 200
    later = time.time() + shop.settings.console.session_s + 2
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: later)
    assert ask(app, "GET", WHERE, cookie).status == 401


def test_revoking_ends_sessions_and_so_does_a_new_token(shop: Shop, app: Gatekeeper) -> None:
    cookies = {name: sign_in(app, shop.tokens[name]) for name in ("vera", "dana")}
    shop.access.revoke("vera")
    renewed = shop.access.grant("dana", Role.APPROVER)
    for name, cookie in cookies.items():
        assert ask(app, "GET", WHERE, cookie).status == 401, name
        assert ask(app, "GET", WHERE, bearer(shop.tokens[name])).status == 401, name
    assert ask(app, "GET", WHERE, bearer(renewed)).status == 200


def test_a_role_that_is_taken_back_holds_for_open_sessions(shop: Shop, app: Gatekeeper) -> None:
    cookie = sign_in(app, shop.tokens["ada"])
    path = shop.settings.state / "access.json"
    path.write_text(path.read_text().replace('"admin"', '"viewer"'))
    caller = gate_of(shop).caller(cookie)
    assert caller is not None
    assert caller.role is Role.VIEWER


def test_a_session_holds_over_a_restart_of_the_console(shop: Shop, app: Gatekeeper) -> None:
    cookie = sign_in(app, shop.tokens["vera"])
    assert ask(shop.app(), "GET", WHERE, cookie).status == 200


def test_a_broken_cookie_of_another_program_locks_nobody_out(shop: Shop, app: Gatekeeper) -> None:
    cookie = sign_in(app, shop.tokens["vera"])["cookie"]
    assert ask(app, "GET", WHERE, {"cookie": f'a b={{"x"}}; {cookie}; [=;'}).status == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(app: Gatekeeper, shop: Shop) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded", "origin": f"http://{'127.0.0.1:8420'}"}
    given = ask(app, "POST", "/login", kind, f"token={shop.tokens['vera']}".encode()).header("set-cookie")
    assert given is not None
    assert "HttpOnly" in given
    assert "SameSite=strict" in given
    assert shop.tokens["vera"] not in given


def test_a_proxy_is_believed_with_its_secret_alone(tmp_path: Path) -> None:
    _, gate = proxied(tmp_path / "w")
    named = {"x-remote-user": "dana"}
    assert gate.caller(named) is None
    for wrong in ("", "proxy-secre", "\xff", SECRET + " "):
        assert gate.caller({**named, "x-proxy-secret": wrong}) is None
    caller = gate.caller({**named, "x-proxy-secret": SECRET})
    assert caller is not None
    assert (caller.name, caller.means) == ("dana", Means.PROXY)
    assert gate.caller({"x-remote-user": "mallory", "x-proxy-secret": SECRET}) is None
    assert gate.caller({"x-remote-user": "", "x-proxy-secret": SECRET}) is None


def test_a_proxys_headers_mean_nothing_where_none_is_configured(shop: Shop) -> None:
    assert gate_of(shop).caller({"x-remote-user": "ada", "x-proxy-secret": ""}) is None
    assert gate_of(shop).caller({"": "ada", "x-proxy-secret": ""}) is None


def test_what_says_twice_who_it_is_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSOLE_PROXY", SECRET)
    shop, _ = proxied(tmp_path / "w")
    app = shop.app()
    whole = [("x-remote-user", "vera"), ("x-proxy-secret", SECRET)]
    assert ask(app, "GET", WHERE, whole).status == 200
    for twice in (("x-remote-user", "ada"), ("x-proxy-secret", SECRET), ("host", "127.0.0.1:8420")):
        refused = ask(app, "GET", WHERE, [*whole, twice, ("host", "127.0.0.1:8420")])
        assert (refused.status, b"twice" in refused.body) == (400, True), twice


def test_a_proxys_secret_that_cannot_be_had_stops_the_console(tmp_path: Path) -> None:
    shop, _ = proxied(tmp_path / "w")
    with pytest.raises(UsageError, match=r"console\.proxy_secret"):
        shop.app()


def test_a_list_that_cannot_be_read_lets_nobody_in(shop: Shop, app: Gatekeeper) -> None:
    (shop.settings.state / "access.json").write_text("{")
    refused = ask(app, "GET", WHERE, bearer(shop.tokens["ada"]))
    assert (refused.status, b"grant access anew" in refused.body) == (503, True)
