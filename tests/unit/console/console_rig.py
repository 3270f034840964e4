"""A workspace with a loop that really decides, over a metric and hands that the test sets, and its console."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from homeostat.act.context import ActuatorContext
from homeostat.act.manual import ManualActuator
from homeostat.app.access import AccessList, Role
from homeostat.app.settings import Settings
from homeostat.console.app import console
from homeostat.console.gatekeeper import Gatekeeper
from homeostat.console.server import server_on
from homeostat.loop import Loop, Outside
from homeostat.model import entries as e
from homeostat.model.commands import Command, Done, NeverStarted, Report, StartAction
from homeostat.model.policy import MANUAL, Mode
from homeostat.model.reasons import OutcomeStatus
from homeostat.model.signals import Reading, SignalSpec, Snapshot
from homeostat.policy.load import load_policy
from homeostat.record.inbox import FolderInbox
from homeostat.record.sqlite import SqliteJournal

HOST = "127.0.0.1:8420"
POLICY = """\
policy: shop
owner: team
signals: {errors: up}
actions: {restart: {actuator: command, argv: [run], effect: safe}}
trigger: {if: errors > 5, for: 0s}
resolved: {if: errors < 1, for: 0s, within: 1m}
escalate: {to: oncall}
steps:
- id: restore
  do: restart
  target: db/shop
  mode: suggest
  approval: {from: dba, timeout: 15m}
  timeout: 1m
  verify: {if: errors < 1, for: 0s, within: 1m}
"""
PEOPLE = {"vera": Role.VIEWER, "otto": Role.OPERATOR, "dana": Role.APPROVER, "eli": Role.APPROVER, "ada": Role.ADMIN}


@dataclass
class World:
    """Clock, sensor, hands and observer of the agent."""

    errors: float = 0.0
    started: list[str] = field(default_factory=list)
    board: ManualActuator | None = None

    def now(self) -> float:
        return time.time()

    def wait(self, seconds: float) -> bool:
        time.sleep(seconds)
        return False

    def read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        return Snapshot(now, {key: Reading(self.errors, now) for key in specs})

    def carry_out(self, command: Command) -> None:
        if isinstance(command, StartAction) and command.action.actuator == MANUAL:
            assert self.board is not None
            self.board.start(command)
        elif isinstance(command, StartAction):
            self.started.append(command.key)

    def report(self, key: str, actuator: str) -> Report:
        if actuator == MANUAL:
            assert self.board is not None
            return self.board.lookup(key)
        return Done(OutcomeStatus.OK, 0.1) if key in self.started else NeverStarted()

    def artifact(self, key: str, actuator: str) -> bytes | None:
        del key, actuator
        return None

    def reaches_anywhere(self, actuator: str) -> bool:
        del actuator
        return False

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None: ...

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None: ...

    def failed(self, what: str, error: Exception) -> None:
        raise AssertionError(what) from error


class Shop:
    """The workspace: its agent ticks when the test says so, or in a thread of its own while `running`."""

    def __init__(self, folder: Path, policy: str = POLICY, **console_table: Any) -> None:
        table = {"agent": {"poll_interval_s": 0.1, "mode": "auto"}, "people": {"dba": ["dana", "eli"]}}
        self.settings = Settings.model_validate({**table, "console": console_table, "root": folder})
        self.settings.policies.mkdir(parents=True)
        path = self.settings.policies / "shop.homeostat.yaml"
        path.write_text(policy)
        self.world = World(board=ManualActuator(ActuatorContext(self.settings.state, {})))
        self.access = AccessList(self.settings.state)
        self.tokens = {name: self.access.grant(name, role) for name, role in PEOPLE.items()}
        self.policies = {"shop": load_policy(path)}

    def app(self) -> Gatekeeper:
        return console(self.settings, lambda: frozenset({HOST}))

    @contextmanager
    def running(self) -> Iterator[None]:
        """The agent in a thread."""
        ended = threading.Event()
        with closing(SqliteJournal(self.settings.journal)) as journal:
            loop = self._loop(journal)

            def go_on() -> None:
                while not ended.wait(0.02):
                    loop.tick()

            thread = threading.Thread(target=go_on)
            thread.start()
            try:
                yield
            finally:
                ended.set()
                thread.join()

    def ticks(self, count: int) -> None:
        with closing(SqliteJournal(self.settings.journal)) as journal:
            loop = self._loop(journal)
            for _ in range(count):
                loop.tick()

    def _loop(self, journal: SqliteJournal) -> Loop:
        inbox = FolderInbox(self.settings.inbox, self.world.failed)
        outside = Outside(self.world, self.world, self.world, journal, self.world, inbox=inbox)
        loop = Loop(outside, self.policies, "test", seed=1, mode=Mode.AUTO, people=self.settings.roles)
        loop.recover("0")
        return loop


@dataclass(frozen=True)
class Answered:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    app: Gatekeeper,
    method: str,
    path: str,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    body: bytes | Sequence[bytes] = b"",
) -> Answered:
    """One request in this process. A body in parts has no length that is known before."""
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    if "host" not in [name for name, _ in pairs]:
        pairs.append(("host", HOST))
    if isinstance(body, bytes) and body:
        pairs.append(("content-length", str(len(body))))
    parts = [body] if isinstance(body, bytes) else list(body)
    target, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": target,
        "raw_path": target.encode(), "query_string": query.encode(), "scheme": "http", "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8420),
    }  # fmt: skip
    return asyncio.run(_ask(app, scope, parts))


async def _ask(app: Gatekeeper, scope: dict[str, Any], parts: list[bytes]) -> Answered:
    told: list[dict[str, Any]] = []
    left = list(parts)

    async def receive() -> dict[str, Any]:
        if not left:
            return {"type": "http.disconnect"}
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    async def send(message: Any) -> None:
        told.append(message)

    await app(scope, receive, send)
    headers = [(name.decode(), value.decode("latin-1")) for name, value in told[0]["headers"]]
    return Answered(told[0]["status"], headers, b"".join(message.get("body", b"") for message in told[1:]))


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def form(**fields: str) -> tuple[dict[str, str], bytes]:
    """A form as a browser sends it from a page of the console: headers and body."""
    kind = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
    return kind, urlencode(fields).encode()


def sign_in(app: Gatekeeper, token: str) -> dict[str, str]:
    """The cookie of a session."""
    headers, body = form(token=token)
    answered = ask(app, "POST", "/login", headers, body)
    assert answered.status == 303, answered.body
    return {"cookie": str(answered.header("set-cookie")).partition(";")[0]}


@contextmanager
def served(settings: Settings, port: int = 0) -> Iterator[int]:
    """The console as a real server in a thread; gives its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(128)
        server = server_on(settings, listening.getsockname()[1])
        thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def wait_for(look: Callable[[], Any]) -> Any:
    """Whatever `look` gives once it is something. Fails after a bounded time."""
    give_up_at = time.monotonic() + 20.0
    while time.monotonic() < give_up_at:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("waited for too long")
