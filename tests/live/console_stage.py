"""A real agent, a real console beside it, and people in a real browser who look at it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.acceptance.people_workspace import PROGRAM, TOKEN, PeopleWorkspace

from homeostat.model import entries as e
from homeostat.rig.layout import free_port

WAIT_MS = 20_000
STEPS = """\
- id: restore
  do: act
  target: db/shop
  mode: suggest
  approval: {from: dba}
  verify: {if: errors < 1, for: 0s, within: 5m}
"""
PEOPLE = '[people]\ndba = ["dana", "eli"]\n'
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", told => window.violations.push(told.violatedDirective));
"""


class Stage:
    """Starts on entering; ends the processes it started on leaving.

    Attributes:
        troubles: what browsers complained of: errors of scripts, breaches of the content policy, other hosts asked.
    """

    def __init__(self, folder: Path) -> None:
        self.shop = PeopleWorkspace(folder, STEPS, people=PEOPLE)
        self.port = free_port()
        self.console: subprocess.Popen[bytes] | None = None
        self.troubles: list[str] = []
        self.url = f"http://127.0.0.1:{self.port}"
        self.tokens: dict[str, str] = {}
        self._effects_before = 0

    def __enter__(self) -> Self:
        self.shop.__enter__()
        self.shop.start()
        for name in ("dana", "eli"):
            told = self.shop.run("--json", "access", "grant", name, "--role", "approver")
            self.tokens[name] = told.stdout.split('"token": "')[1].split('"')[0]
        self.serve()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_console()
        self.shop.__exit__(kind, error, trace)

    def calm(self) -> None:
        """Nothing is wrong, and what was is over; what the actions did is counted from here."""
        self.shop.errors = 0.0
        journal = self.shop.folder / "state/journal.sqlite"
        self.shop.wait_for("the agent", lambda: journal.exists() and bool(self.shop.entries()))
        opened, over = e.Suspected, e.Closed
        self.shop.wait_for("the end of what was", lambda: self._count(opened) == self._count(over))
        self.troubles.clear()
        self._effects_before = len(self.shop.effects())

    def effects(self) -> int:
        """How often the action has taken effect since all was calm."""
        return len(self.shop.effects()) - self._effects_before

    def _count(self, kind: type[e.Entry]) -> int:
        return sum(isinstance(entry, kind) for entry in self.shop.entries())

    def serve(self) -> None:
        """Start the console, always at the same address."""
        environment = {**os.environ, "PEOPLE_TOKEN": TOKEN}
        with (self.shop.folder / "console.log").open("ab") as log:
            command = [PROGRAM, "serve", "--listen", f"127.0.0.1:{self.port}"]
            self.console = subprocess.Popen(command, cwd=self.shop.folder, env=environment, stdout=log, stderr=log)

    def end_console(self) -> None:
        if self.console is not None:
            self.console.terminate()
            assert self.console.wait(timeout=20) in (0, -15), "it ends in order"
            self.console = None

    def sign_in(self, browser: Browser, name: str, **options: Any) -> BrowserContext:
        """A browser of somebody, who has typed their token into the form."""
        context = browser.new_context(**options)
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(WATCH)
        context.on("page", self._listen)
        page = context.new_page()
        for _ in range(100):
            try:
                page.goto(self.url)
                break
            except Exception:  # noqa: BLE001 - the console is still starting
                page.wait_for_timeout(100)
        page.fill("#token", self.tokens[name])
        page.click("main button")
        page.wait_for_selector("h1:has-text('Incidents')")
        page.close()
        return context

    def _listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        page.on("console", lambda told: self._complained(told.type, told.text))
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))

    def _complained(self, kind: str, text: str) -> None:
        if "Content Security Policy" in text or "Uncaught" in text:
            self.troubles.append(f"{kind}: {text}")

    def _asked(self, url: str) -> None:
        if urlsplit(url).netloc != f"127.0.0.1:{self.port}":
            self.troubles.append(f"another host: {url}")


@contextmanager
def chromium(binary: str) -> Iterator[Browser]:
    """A headless browser of the system's."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield browser
        browser.close()
