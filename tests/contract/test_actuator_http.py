from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.act.http import HttpActuator
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator


class Target(ThreadingHTTPServer):
    """A service whose every request takes effect; `/endless` answers only when it is torn down."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.effects: Counter[str] = Counter()
        self.torn_down = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Target

    def do_POST(self) -> None:
        self.server.effects[self.headers["Idempotency-Key"]] += 1
        if self.path == "/endless":
            self.server.torn_down.wait()
            return
        self.send_response(500 if self.path == "/failing" else 204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        pass


class TestHttpActuator(ActuatorContract):
    @pytest.fixture(autouse=True)
    def _target(self, tmp_path: Path) -> Iterator[None]:
        self.state = tmp_path
        with Target() as self.target:
            thread = threading.Thread(target=self.target.serve_forever, args=(0.01,))
            thread.start()
            yield
            self.target.torn_down.set()
            self.target.shutdown()
            thread.join()

    def fresh(self) -> Actuator:
        return HttpActuator(ActuatorContext(self.state, {"PATH": "/usr/bin:/bin"}))

    def quick(self, key: str) -> StartAction:
        return self._post(key, "/restart")

    def endless(self, key: str) -> StartAction:
        return self._post(key, "/endless")

    def failing(self, key: str) -> StartAction:
        return self._post(key, "/failing")

    def impossible(self, key: str) -> StartAction:
        return self._post(key, "/restart", {"replicas": {"with": "replicas"}})

    def effects(self, key: str) -> int:
        return self.target.effects[key]

    def _post(self, key: str, path: str, content: object = None) -> StartAction:
        url = f"http://127.0.0.1:{self.target.server_port}{path}"
        parameters = {"method": "POST", "url": url, "json": content}
        return StartAction(key, ActionSpec("restart", "http", parameters), "deploy/pay", {}, timeout_s=60.0)
