"""What docs/console.md shows works: its commands, its settings, and its table of roles."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.command_line import homeostat
from tests.unit.console.console_rig import ask, wait_for

from homeostat.app.access import Role
from homeostat.app.settings import load_settings
from homeostat.console.app import console
from homeostat.rig.layout import free_port

PAGE = (Path(__file__).parents[2] / "docs/console.md").read_text()
PROGRAM = str(Path(sys.executable).with_name("homeostat"))

pytestmark = pytest.mark.timeout(90)


def shown(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def commands() -> Iterator[str]:
    for block in shown("console"):
        yield from (line.removeprefix("$ ") for line in block.splitlines())


def test_the_commands_work_in_the_order_they_are_shown(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "homeostat.toml").write_text(f'[console]\nlisten = "127.0.0.1:{port}"\n')
    grant, serve, curl = commands()
    granted = homeostat(tmp_path, "--json", *shlex.split(grant.removeprefix("homeostat ")))
    (row,) = json.loads(granted.stdout)
    assert (row["name"], row["role"]) == ("dana", "approver")

    log = tmp_path / "log"
    with log.open("wb") as told:
        process = subprocess.Popen([PROGRAM, *shlex.split(serve)[1:]], cwd=tmp_path, stdout=told, stderr=told)
    try:
        wait_for(lambda: f"http://127.0.0.1:{port}/" in log.read_text())
        asked = shlex.split(os.path.expandvars(curl.replace("$TOKEN", row["token"])).replace("8420", str(port)))
        answer = wait_for(lambda: subprocess.run(asked, capture_output=True, timeout=30, check=False).stdout)
        assert json.loads(answer)["open"] == []
        assert b"error" in subprocess.run(
            [part.replace(row["token"], "wrong") for part in asked], capture_output=True, timeout=30, check=True
        ).stdout  # fmt: skip
        assert "dana" in homeostat(tmp_path, "access", "list").stdout
        assert homeostat(tmp_path, "access", "revoke", "dana").returncode == 0
        assert b"error" in subprocess.run(asked, capture_output=True, timeout=30, check=True).stdout
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def test_a_console_that_nobody_could_use_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "homeostat.toml").write_text("")
    told = homeostat(tmp_path, "serve")
    assert (told.returncode, "homeostat access grant NAME" in told.stderr) == (2, True)
    outside = homeostat(tmp_path, "serve", "--listen", "0.0.0.0:8420")
    assert (outside.returncode, "must be a loopback address" in outside.stderr) == (2, True)


def test_the_proxys_settings_let_its_people_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (table,) = shown("toml")
    (location,) = shown("nginx")
    path = tmp_path / "homeostat.toml"
    path.write_text(table)
    settings = load_settings(path)
    monkeypatch.setenv("CONSOLE_PROXY_SECRET", "only the proxy's")
    homeostat(tmp_path, "access", "grant", "dana@example.org", "--role", "approver")
    header = str(settings.console.proxy_user_header)
    assert f"proxy_set_header {header} $who;" in location
    assert "X-Proxy-Secret" in location
    (origin,) = settings.console.origins
    app = console(settings, lambda: frozenset({"127.0.0.1:8420"}))
    headers = {"host": origin.removeprefix("https://"), header.lower(): "dana@example.org"}
    assert ask(app, "GET", "/", headers).status == 401
    headers["x-proxy-secret"] = "only the proxy's"
    assert ask(app, "GET", "/", headers).status == 200
    form = {"content-type": "application/x-www-form-urlencoded", "origin": origin}
    assert ask(app, "POST", "/switch", {**headers, **form}, b"act=approve").status == 422, "past the gatekeeper"
    foreign = {**form, "origin": "https://evil.example.org"}
    assert ask(app, "POST", "/switch", {**headers, **foreign}, b"act=approve").status == 403


def test_the_roles_are_those_there_are() -> None:
    rows = re.findall(r"^\| (\w+) \| [^|]+ \|$", PAGE, re.MULTILINE)
    assert rows[1:] == [role.word for role in Role]


@pytest.mark.parametrize("origin", ["homeostat.example.org", "https://a/", "https://[", "https://A.example", "*", ""])
def test_an_origin_that_no_browser_sends_is_refused(tmp_path: Path, origin: str) -> None:
    path = tmp_path / "homeostat.toml"
    path.write_text(f'[console]\norigins = ["{origin}"]\n')
    told = homeostat(tmp_path, "access", "list")
    assert (told.returncode, "is no origin" in told.stderr) == (2, True)
