"""The tutorial, word for word on other ports: a real Prometheus, a shop that is broken, two people, a browser's forms.

Every output shown is compared with the real one, but for ids, times and measures.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tests.acceptance.command_line import homeostat
from tests.acceptance.test_first_policy import said_and_printed
from tests.acceptance.test_readme import ROOT
from tests.unit.console.console_rig import wait_for

from homeostat.rig.layout import free_port

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("prometheus_binary"), pytest.mark.timeout(150)]

PAGE = (ROOT / "docs/tutorial.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
STAYS = ("while true", "prometheus ", "homeostat run", "homeostat serve")
"""Commands that stay in a terminal of their own."""
ELSEWHERE = ("make demo", "export PATH", "cd ~")
"""`test_readme.py` runs the demo; the others say where one is."""
PATIENCE_S = 40.0
CHARACTERS_A_MINUTE = 200
"""Somebody who types forty words a minute."""
VARIES = [
    (
        re.compile(
            r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{12,16}\b|(?<=  )[\w-]{43}$", re.MULTILINE
        ),
        "ID",
    ),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:]+\+00:00"), "WHEN"),
    (re.compile(r"(?<=Prometheus )\S+"), "VERSION"),
    (re.compile(r"^sqlite .*\n", re.MULTILINE), ""),  # what it says depends on how SQLite was built
    (re.compile(r"\b\d+(\.\d+)?(?=s?[\s,]|$)"), "N"),
    (re.compile(r" +"), " "),
]
"""What of an output is another at each run: ids, times, measures, and the width of columns that hold them."""
MEASURED = ("doctor", "incidents", "pending", "explain", "request", "approve", "access")
LOOKS = ("doctor", "incidents", "pending", "explain")
"""Commands that a reader says again until they show what is awaited: the world needs a moment."""


def alike(text: str) -> str:
    """What of a measured output is the same at every run."""
    for pattern, word in VARIES:
        text = pattern.sub(word, text)
    return text


class Terminals:
    """Types what the page shows; ends what it started, by process group, on leaving."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.tokens: dict[str, str] = {}
        self._instead = {str(port): str(free_port()) for port in (9090, 9464, 8000, 8420)}
        self._instead["/tmp/shop.pid"] = str(folder / "shop.pid")
        self._environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def here(self, text: str) -> str:
        """The page's text with this run's ports and files."""
        for shown, real in self._instead.items():
            text = text.replace(shown, real)
        return text

    def write(self, body: str) -> None:
        named = re.match(r"# (\S+)\n", body)
        assert named is not None, body
        (self.folder / named[1]).write_text(self.here(body))

    def start(self, command: str) -> None:
        self.end(command.split(" --")[0])
        with (self.folder / "terminals.log").open("ab") as log:
            process = subprocess.Popen(
                ["bash", "-c", f"exec 2>&1; {self.here(command)}"],
                cwd=self.folder,
                env=self._environment,
                stdout=log,
                start_new_session=True,
            )
        self.running[command.split(" --")[0]] = process

    def end(self, command: str) -> None:
        """Ctrl-C in the terminal where it runs, if it does."""
        process = self.running.pop(command, None)
        if process is not None:
            for number in (signal.SIGINT, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, number)
                    process.wait(10)

    def say(self, command: str, printed: str) -> None:
        """Run a command and compare what it prints; one that looks at the world, until it prints what is shown."""
        program, verb = [*command.split(), ""][:2]
        give_up_at = time.monotonic() + (PATIENCE_S if program == "homeostat" and verb in LOOKS else 0.0)
        same = alike if verb in MEASURED else str
        wanted = same(self.here(printed).rstrip())
        while True:
            told = self.run(command)
            found = same((told.stdout + told.stderr).replace(str(self.folder), "/home/you/my-shop").rstrip())
            if verb == "doctor":  # it may examine more than the page shows
                found = "\n".join(line for line in found.splitlines() if line in wanted.splitlines())
            if found == wanted:
                return
            if time.monotonic() > give_up_at:
                break
            time.sleep(0.2)
        assert found == wanted, f"{command}\n{(self.folder / 'terminals.log').read_text()[-2000:]}"

    def newest(self) -> str:
        """The id that a reader copies."""
        return str(json.loads(homeostat(self.folder, "--json", "incidents").stdout)[-1]["incident"])

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        if "INCIDENT" in command:
            command = command.replace("INCIDENT", self.newest())
        program, *arguments = shlex.split(self.here(command))
        if program == "homeostat":
            told = homeostat(self.folder, *arguments)
            if arguments[:2] == ["access", "grant"]:
                self.tokens[arguments[2]] = told.stdout.split()[-1]
            return told
        return subprocess.run(
            ["bash", "-c", self.here(command)],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    def console(self) -> str:
        return f"http://127.0.0.1:{self._instead['8420']}"


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    started = Terminals(tmp_path)
    try:
        yield started
    finally:
        for command in list(started.running):
            started.end(command)


def press(terminals: Terminals, name: str, button: str) -> None:
    """Sign in as somebody, open the incident that waits, and press a button, as a browser without scripts would."""
    url = terminals.console()
    browser = requests.Session()

    def signed_in() -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return browser.post(f"{url}/login", {"token": terminals.tokens[name]}, headers={"Origin": url}).ok
        return False

    wait_for(signed_in)

    def look() -> str | None:
        waiting = re.search(r'<a class="button" href="(/incidents/[^"]+)"', browser.get(f"{url}/").text)
        page = browser.get(f"{url}{waiting[1]}").text if waiting else ""
        return page if f">{button}</button>" in page else None

    page = wait_for(look)
    action = re.search(r'<form method="post" action="(/incidents/[^"]+/steps/[^"]+)"', page)
    pressed = re.search(rf'<button name="act" value="(\w+)"[^>]*>{button}</button>', page)
    assert action is not None
    assert pressed is not None
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    answer = browser.post(f"{url}{action[1]}", {**fields, "act": pressed[1], "note": ""}, headers={"Origin": url})
    assert answer.ok, answer.text


def test_the_tutorial_is_true(terminals: Terminals) -> None:
    in_browser = iter([("dana", "Start it"), ("eli", "Approve")])
    for language, body in BLOCK.findall(PAGE):
        if language != "console":
            terminals.write(body)
            continue
        for command, printed in said_and_printed(body):
            if command.startswith(ELSEWHERE):
                continue
            if command.startswith("cd "):
                terminals.folder /= command.removeprefix("cd ")
            elif command.startswith(STAYS):
                terminals.start(command)
            else:
                terminals.say(command, printed)
            if command.startswith("kill") and "homeostat serve" in terminals.running:
                for name, button in in_browser:
                    press(terminals, name, button)
    assert next(in_browser, None) is None, "both have pressed"


def test_it_says_how_much_is_typed() -> None:
    typed = 0
    for language, body in BLOCK.findall(PAGE):
        lines = [
            line.removeprefix("$ ") for line in body.splitlines() if language != "console" or line.startswith("$ ")
        ]
        typed += sum(len(line) + 1 for line in lines)
    said = re.search(r"takes about (\d+)\s+minutes", PAGE)
    assert said is not None
    assert int(said[1]) == round(typed / CHARACTERS_A_MINUTE), f"{typed} characters"
    assert typed / CHARACTERS_A_MINUTE < 30
