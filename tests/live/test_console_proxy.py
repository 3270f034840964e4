"""The proxy that docs/console.md shows, run by a real nginx; who is signed in, a stand-in for oauth2-proxy says."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from tests.unit.console.console_rig import Shop, served, wait_for
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from homeostat.app.access import Role
from homeostat.rig.layout import free_port

PAGE = (Path(__file__).parents[2] / "docs/console.md").read_text()
WHO = "dana@example.org"
SECRET = "only-the-proxys"
ORIGIN = Origin("https://homeostat.example.org")

pytestmark = [pytest.mark.live, pytest.mark.timeout(90)]


class SignedIn(BaseHTTPRequestHandler):
    """What oauth2-proxy answers: 202 with the address of who has its cookie, 401 to others, and a page to sign in."""

    def do_GET(self) -> None:
        known = "_oauth2_proxy=good" in self.headers.get("Cookie", "")
        if self.path == "/oauth2/auth":
            self.send_response(202 if known else 401)
            if known:
                self.send_header("X-Auth-Request-Email", WHO)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"sign in here")

    def log_message(self, *said: object) -> None: ...


@dataclass(frozen=True)
class Front:
    """Where browsers come in, and the workspace behind it."""

    port: int
    shop: Shop

    def ask(self, method: str, path: str, cookie: str = "_oauth2_proxy=good", **headers: str) -> requests.Response:
        head = {"Host": "homeostat.example.org", "Cookie": cookie, **headers}
        return requests.request(
            method, f"http://127.0.0.1:{self.port}{path}", headers=head, timeout=20, allow_redirects=False
        )

    @contextmanager
    def live(self, headers: dict[str, str]) -> Iterator[ClientConnection]:
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=20) as raw,
            connect("ws://homeostat.example.org/live", sock=raw, additional_headers=headers, origin=ORIGIN) as opened,
        ):
            yield opened


@pytest.fixture(scope="module")
def front(nginx_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("proxy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONSOLE_PROXY_SECRET", SECRET)
        shop = Shop(
            folder / "w",
            proxy_user_header="X-Remote-User",
            proxy_secret="env:CONSOLE_PROXY_SECRET",
            origins=[str(ORIGIN)],
        )
        shop.access.grant(WHO, Role.OPERATOR)
        shop.ticks(1)
        signed_in = ThreadingHTTPServer(("127.0.0.1", 0), SignedIn)
        threading.Thread(target=signed_in.serve_forever, daemon=True).start()
        try:
            with (
                served(shop.settings) as console,
                running_nginx(nginx_binary, folder, console, signed_in.server_port) as port,
            ):
                yield Front(port, shop)
        finally:
            signed_in.shutdown()
            signed_in.server_close()


@contextmanager
def running_nginx(binary: str, folder: Path, console: int, signed_in: int) -> Iterator[int]:
    """The configuration of the docs, on other ports and without TLS."""
    (shown,) = re.findall(r"```nginx\n(.*?)```", PAGE, re.DOTALL)
    port = free_port()
    (folder / "console-secret").write_text(f'proxy_set_header X-Proxy-Secret "{SECRET}";\n')
    for said, here in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        ("127.0.0.1:4180", f"127.0.0.1:{signed_in}"),
        ("127.0.0.1:8420", f"127.0.0.1:{console}"),
        ("/etc/nginx/console-secret", str(folder / "console-secret")),
    ):
        assert said in shown
        shown = shown.replace(said, here)
    shown = re.sub(r" +ssl_certificate.*\n", "", shown)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{shown}}}\n"
    )
    with (folder / "nginx.log").open("wb") as log:
        command = [binary, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(lambda: (folder / "pid").exists() or process.poll() is not None)
        assert process.poll() is None, (folder / "nginx.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_who_is_signed_in_gets_in_under_their_name_and_others_are_sent_to_sign_in(front: Front) -> None:
    inside = front.ask("GET", "/")
    assert inside.status_code == 200
    assert WHO in inside.text
    assert "sign in here" in front.ask("GET", "/", cookie="").text


def test_nobody_says_for_themselves_who_they_are(front: Front) -> None:
    posing = {"X-Remote-User": "ada", "X-Proxy-Secret": SECRET}
    assert "sign in here" in front.ask("GET", "/", cookie="", **posing).text
    inside = front.ask("GET", "/", **posing)
    assert WHO in inside.text
    assert "ada" not in inside.text


def test_what_changes_something_comes_from_the_pages_alone(front: Front) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert front.ask("POST", "/switch", **form, Origin="https://evil.example.org").status_code == 403
    assert front.ask("POST", "/switch", **form, Origin=ORIGIN).status_code == 422


def test_pages_stay_live_through_it(front: Front) -> None:
    with front.live({"Cookie": "_oauth2_proxy=good"}) as connection:
        assert "position" in str(connection.recv(timeout=20))
    with pytest.raises(InvalidStatus), front.live({}):
        pass
