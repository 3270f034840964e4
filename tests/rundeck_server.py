"""A stand-in for Rundeck that holds clients to its protocol (https://docs.rundeck.com/docs/api/).

What it keeps to: the token's header; the API version in the path (a version that is not supported is a 400); errors as
JSON with `error`, `errorCode` and `message`; JSON asked for and sent by media type; options that a job does not declare
are left out; a job that runs already, and may not twice, is a conflict (409); executions listed newest first, by page;
output by offset; abort, and retries as executions of their own. What executions do is a function of the test.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.loopback_server import LoopbackServer

TOKEN = "rd-t0ken-of-tests"
JOB = "5a9c1f52-6c5e-4c36-9b1d-0d5b8b4c3f10"
API_VERSION_CURRENT = 51


@dataclass(slots=True)
class Execution:
    """One run. `runs_s`: how long; `status`: how it ends; `retries`: how often Rundeck tries again by itself."""

    id: int
    options: dict[str, str]
    runs_s: float
    status: str
    retries: int
    began_at: float
    aborted_at: float | None = None
    retried_by: int | None = None

    @property
    def ends_at(self) -> float:
        return self.aborted_at if self.aborted_at is not None else self.began_at + self.runs_s

    @property
    def over(self) -> bool:
        return time.time() >= self.ends_at

    def shown(self) -> dict[str, Any]:
        ended = "aborted" if self.aborted_at is not None else "failed-with-retry" if self.retries else self.status
        content: dict[str, Any] = {
            "id": self.id,
            "status": ended if self.over else "running",
            "project": "shop",
            "date-started": {"unixtime": int(self.began_at * 1000)},
            "job": {"id": JOB, "name": "restart", "project": "shop", "options": self.options},
            "argstring": " ".join(f"-{name} {value}" for name, value in self.options.items()),
        }
        if self.retried_by is not None:
            content["retriedExecution"] = {"id": self.retried_by}
        if self.over and ended == "failed":
            content["failedNodes"] = ["pay-1"]
        return content


class RundeckServer(LoopbackServer):
    """Runs on the loopback until it is closed; `executions` are all that it ever ran."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.declared: list[dict[str, Any]] = [{"name": "HOMEOSTAT_KEY"}, {"name": "service"}]
        self.enabled = True
        self.multiple = True
        self.executions: list[Execution] = []
        self.by_service: dict[str, tuple[float, str]] = {}
        self.retries = 0
        self.lose_answers = 0
        self.page_max = 1000
        self.turn_away: list[tuple[int, dict[str, str]]] = []
        self.requests: list[tuple[str, str]] = []
        self.serve()

    @property
    def url(self) -> str:
        return self.address

    def settled(self) -> list[Execution]:
        for one in list(self.executions):
            if one.retries and one.over and one.aborted_at is None and one.retried_by is None:
                one.retried_by = self.begin(one.options, one.retries - 1).id
        return self.executions

    def begin(self, options: dict[str, str], retries: int) -> Execution:
        runs_s, status = self.by_service.get(options.get("service", ""), (0.0, "succeeded"))
        execution = Execution(len(self.executions) + 1, options, runs_s, status, retries, time.time())
        self.executions.append(execution)
        return execution

    def with_key(self, key: str) -> list[Execution]:
        with self.lock:
            return [one for one in self.settled() if one.options.get("HOMEOSTAT_KEY") == key]


class _Handler(BaseHTTPRequestHandler):
    server: RundeckServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with self.server.lock:
            entered = self._entered()
            if entered is not None:
                self._get(*entered)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            entered = self._entered()
            if entered is not None:
                self._post(entered[0], body)

    def _entered(self) -> tuple[str, dict[str, list[str]]] | None:
        url = urlsplit(self.path)
        self.server.requests.append((self.command, self.path))
        version = re.match(r"/api/(\d+)(/.*)", url.path)
        if version is None or not 11 <= int(version[1]) <= API_VERSION_CURRENT:
            self._error(400, "api.error.api-version.unsupported", "Unsupported API Version")
        elif self.headers.get("X-Rundeck-Auth-Token") != TOKEN:
            self._error(403, "unauthorized", "(Token:rd-t0****) is not authorized for: " + url.path)
        elif self.headers.get("Accept") != "application/json":
            self._error(406, "api.error.invalid.request", "this stand-in speaks JSON alone")
        elif self.server.turn_away:
            status, headers = self.server.turn_away.pop(0)
            self._say(status, {"error": True, "message": "busy"}, headers)
        else:
            return version[2], parse_qs(url.query)
        return None

    def _get(self, path: str, query: dict[str, list[str]]) -> None:
        if path == f"/job/{JOB}":
            shown = {"id": JOB, "name": "restart", "executionEnabled": self.server.enabled}
            self._say(200, [{**shown, "options": self.server.declared}])
        elif path == f"/job/{JOB}/executions":
            count, offset = min(int(query["max"][0]), self.server.page_max), int(query["offset"][0])
            newest = [one.shown() for one in reversed(self.server.settled())]
            paging = {
                "count": len(newest[offset : offset + count]),
                "total": len(newest),
                "offset": offset,
                "max": count,
            }
            listed = {"executions": newest[offset : offset + count]} if count else {}
            self._say(200, {"paging": paging, **listed})
        elif found := re.fullmatch(r"/execution/(\d+)(/output)?", path):
            one = next((e for e in self.server.settled() if e.id == int(found[1])), None)
            if one is None:
                self._error(404, "api.error.item.doesnotexist", f"Execution ID does not exist: {found[1]}")
            elif found[2] is None:
                self._say(200, one.shown())
            else:
                self._output(one, int(query["offset"][0]))
        else:
            self._error(404, "api.error.item.doesnotexist", "does not exist: " + path)

    def _output(self, one: Execution, offset: int) -> None:
        lines = [f"restarting {one.options.get('service')}", "done"][: 2 if one.over else 1]
        entries = [{"log": line, "node": "pay-1", "level": "NORMAL"} for line in lines[offset:]]
        content = {"id": str(one.id), "offset": str(len(lines)), "completed": one.over, "execCompleted": one.over}
        self._say(200, {**content, "entries": entries})

    def _post(self, path: str, body: bytes) -> None:
        if self.headers.get("Content-Type") != "application/json":
            self._error(415, "api.error.invalid.request", "Unsupported Media Type")
        elif path == f"/job/{JOB}/run":
            self._run(json.loads(body)["options"])
        elif found := re.fullmatch(r"/execution/(\d+)/abort", path):
            one = next((e for e in self.server.settled() if e.id == int(found[1])), None)
            if one is None:
                self._error(404, "api.error.item.doesnotexist", f"Execution ID does not exist: {found[1]}")
                return
            status = "failed" if one.over else "pending"
            if not one.over:
                one.aborted_at = time.time() + 0.1
            self._say(200, {"abort": {"status": status}, "execution": {"id": one.id, "status": one.shown()["status"]}})
        else:
            self._error(404, "api.error.item.doesnotexist", "does not exist: " + path)

    def _run(self, given: dict[str, str]) -> None:
        server = self.server
        if not server.multiple and any(not one.over for one in server.settled()):
            self._error(409, "api.error.execution.conflict", "Execution had a conflict: it is currently being executed")
            return
        names = [option["name"] for option in server.declared]
        execution = server.begin({name: value for name, value in given.items() if name in names}, server.retries)
        if server.lose_answers:
            server.lose_answers -= 1
            self.close_connection = True
            return
        self._say(200, execution.shown())

    def _error(self, status: int, code: str, message: str) -> None:
        content = {"error": True, "apiversion": API_VERSION_CURRENT, "errorCode": code, "message": message}
        self._say(status, content)

    def _say(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        pass
