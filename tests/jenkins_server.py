"""A stand-in for Jenkins that holds clients to its protocol (https://www.jenkins.io/doc/book/using/remote-access-api/).

What it keeps to: HTTP basic with an API token; crumbs bound to a session's cookie, asked for from every POST where
`crumbs` is set; parameters that a job does not declare are dropped; 201 with the queue item's URL, which names the root
URL that Jenkins was configured with and not the one it was asked at; items that wait, are cancelled, or become builds,
leave the queue's list then, and are forgotten later (404); `tree` must be given; builds with results; consoles read
by offset; stop and cancelItem, answered with redirects as Jenkins does. What builds do is a function of the test.
"""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.loopback_server import LoopbackServer

USER, TOKEN = "agent", "11aa-t0ken-of-tests"


@dataclass(slots=True)
class Work:
    """One request to build: an item of the queue, then a build.

    Attributes:
        queued_s: how long it waits. runs_s: how long it builds. result: how it ends.
    """

    id: int
    job: str
    parameters: dict[str, str]
    queued_s: float
    runs_s: float
    result: str
    console: bytes
    asked_at: float = field(default_factory=time.time)
    cancelled: bool = False
    number: int | None = None
    aborted_at: float | None = None
    forgotten: bool = False

    def settle(self, numbers: dict[str, int], now: float) -> None:
        if self.number is None and not self.cancelled and now >= self.asked_at + self.queued_s:
            numbers[self.job] = self.number = numbers.get(self.job, 0) + 1

    @property
    def ends_at(self) -> float:
        return self.aborted_at if self.aborted_at is not None else self.asked_at + self.queued_s + self.runs_s

    @property
    def over(self) -> bool:
        return self.number is not None and time.time() >= self.ends_at

    @property
    def actions(self) -> list[dict[str, Any]]:
        shown = [
            {"_class": "hudson.model.StringParameterValue", "name": n, "value": v} for n, v in self.parameters.items()
        ]
        return [
            {},
            {"_class": "hudson.model.CauseAction"},
            {"_class": "hudson.model.ParametersAction", "parameters": shown},
        ]


class JenkinsServer(LoopbackServer):
    """Runs on the loopback until it is closed; `works` are all requests to build that it took."""

    def __init__(self, *, crumbs: bool = False) -> None:
        super().__init__(_Handler)
        self.crumbs = crumbs
        self.declared: dict[str, list[str]] = {"shop/restart": ["HOMEOSTAT_KEY", "SERVICE"]}
        self.disabled: set[str] = set()
        self.works: list[Work] = []
        self.numbers: dict[str, int] = {}
        self.sessions: dict[str, str] = {}
        self.queued_s, self.runs_s, self.result, self.console = 0.1, 0.0, "SUCCESS", b"Started\nFinished\n"
        self.by_service: dict[str, tuple[float, str]] = {}
        """How long builds run, and how they end, by their parameter SERVICE; else as `runs_s` and `result` have it."""
        self.lose_answers = 0
        self.leaves_out: set[str] = set()
        self.turn_away: list[tuple[int, dict[str, str]]] = []
        self.turn_posts_away: list[tuple[int, dict[str, str]]] = []
        self.requests: list[tuple[str, str]] = []
        self.serve()

    @property
    def url(self) -> str:
        return f"{self.address}/ci"

    def settled(self) -> list[Work]:
        for work in self.works:
            work.settle(self.numbers, time.time())
        return self.works

    def ask_for(self, job: str, parameters: dict[str, str]) -> Work:
        """What a request to build leads to."""
        runs_s, result = self.by_service.get(parameters.get("SERVICE", ""), (self.runs_s, self.result))
        work = Work(len(self.works) + 1, job, parameters, self.queued_s, runs_s, result, self.console)
        self.works.append(work)
        return work

    def with_key(self, key: str) -> list[Work]:
        with self.lock:
            return [work for work in self.settled() if work.parameters.get("HOMEOSTAT_KEY") == key]


class _Handler(BaseHTTPRequestHandler):
    server: JenkinsServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with self.server.lock:
            self._get()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            self._post(body)

    def _entered(self) -> tuple[str, dict[str, list[str]]] | None:
        url = urlsplit(self.path)
        self.server.requests.append((self.command, self.path))
        signed_in = "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") != signed_in:
            self._say(401, b"<html>Unauthorized</html>", {"WWW-Authenticate": 'Basic realm="Jenkins"'})
        elif not url.path.startswith("/ci/"):
            self._say(404, b"<html>Not Found</html>")
        elif away := self.server.turn_away or (self.command == "POST" and self.server.turn_posts_away):
            status, headers = away.pop(0)
            self._say(status, b"<html>busy</html>", headers)
        else:
            return url.path.removeprefix("/ci"), parse_qs(url.query)
        return None

    def _get(self) -> None:
        entered = self._entered()
        if entered is None:
            return
        path, query = entered
        if path == "/crumbIssuer/api/json":
            if not self.server.crumbs:
                self._say(404, b"<html>Not Found</html>")
                return
            session = f"s{len(self.server.sessions)}"
            self.server.sessions[session] = f"crumb-of-{session}"
            content = {"crumb": self.server.sessions[session], "crumbRequestField": "Jenkins-Crumb"}
            self._json(content, {"Set-Cookie": f"JSESSIONID.1a={session}; Path=/ci; HttpOnly"})
        elif path.endswith("/api/json") and "tree" not in query:
            self._say(400, b"this stand-in answers only what is asked for by tree")
        elif path == "/queue/api/json":
            waiting = [w for w in self.server.settled() if w.number is None and not w.cancelled]
            items = {"items": [{"id": w.id, "actions": w.actions} for w in waiting]}
            self._json(items if "items" not in self.server.leaves_out else {"_class": "hudson.model.Queue"})
        elif found := re.fullmatch(r"/queue/item/(\d+)/api/json", path):
            self._item(int(found[1]))
        elif found := re.fullmatch(r"((?:/job/[^/]+)+)/api/json", path):
            self._job(_full_name(found[1]), query["tree"][0])
        elif found := re.fullmatch(r"((?:/job/[^/]+)+)/(\d+)/api/json", path):
            self._build(_full_name(found[1]), int(found[2]))
        elif found := re.fullmatch(r"((?:/job/[^/]+)+)/(\d+)/logText/progressiveText", path):
            self._console(_full_name(found[1]), int(found[2]), int(query.get("start", ["0"])[0]))
        else:
            self._say(404, b"<html>Not Found</html>")

    def _item(self, identity: int) -> None:
        work = next((w for w in self.server.settled() if w.id == identity and not w.forgotten), None)
        if work is None:
            self._say(404, b"<html>Not Found</html>")
            return
        content: dict[str, Any] = {"id": work.id, "why": "In the quiet period"}
        if work.cancelled:
            content |= {"_class": "hudson.model.Queue$LeftItem", "cancelled": True, "executable": None}
        elif work.number is not None:
            content |= {
                "_class": "hudson.model.Queue$LeftItem",
                "cancelled": False,
                "executable": {"number": work.number},
            }
        self._json(content)

    def _job(self, name: str, tree: str) -> None:
        if name not in self.server.declared:
            self._say(404, b"<html>Not Found</html>")
            return
        if "allBuilds" in tree:
            count = int(re.search(r"\{0,(\d+)\}", tree)[1])  # type: ignore[index]  # the range must be there
            builds = [w for w in self.server.settled() if w.job == name and w.number is not None]
            builds.sort(key=lambda w: -(w.number or 0))
            shown = [{"number": w.number, "timestamp": int(w.asked_at * 1000), "actions": w.actions} for w in builds]
            listed = {} if "allBuilds" in self.server.leaves_out else {"allBuilds": shown[:count]}
            self._json({"_class": "hudson.model.FreeStyleProject", **listed})
            return
        definitions = [{"name": parameter} for parameter in self.server.declared[name]]
        properties = [{}, {"parameterDefinitions": definitions}]
        self._json({"buildable": name not in self.server.disabled, "property": properties})

    def _find(self, name: str, number: int) -> Work | None:
        found = next((w for w in self.server.settled() if (w.job, w.number) == (name, number)), None)
        if found is None:
            self._say(404, b"<html>Not Found</html>")
        return found

    def _build(self, name: str, number: int) -> None:
        work = self._find(name, number)
        if work is None:
            return
        result = ("ABORTED" if work.aborted_at is not None else work.result) if work.over else None
        self._json({"number": number, "building": not work.over, "result": result, "duration": 5})

    def _console(self, name: str, number: int, start: int) -> None:
        work = self._find(name, number)
        if work is None:
            return
        size = len(work.console) if work.over else len(work.console) // 2
        headers = {"X-Text-Size": str(size), "Content-Type": "text/plain"}
        if not work.over:
            headers["X-More-Data"] = "true"
        self._say(200, work.console[start:size], headers)

    def _post(self, body: bytes) -> None:
        entered = self._entered()
        if entered is None:
            return
        path, query = entered
        if self.server.crumbs and not self._has_crumb():
            self._say(403, b"<html>No valid crumb was included in the request</html>")
        elif found := re.fullmatch(r"((?:/job/[^/]+)+)/buildWithParameters", path):
            self._start(_full_name(found[1]), {name: values[0] for name, values in parse_qs(body.decode()).items()})
        elif found := re.fullmatch(r"((?:/job/[^/]+)+)/(\d+)/stop", path):
            work = self._find(_full_name(found[1]), int(found[2]))
            if work is not None:
                if not work.over:
                    work.aborted_at = time.time() + 0.1
                self._say(302, b"", {"Location": f"{self.server.url}{found[1]}/{found[2]}/"})
        elif path == "/queue/cancelItem":
            work = next((w for w in self.server.settled() if w.id == int(query["id"][0])), None)
            if work is None or work.number is not None:
                self._say(404, b"<html>Not Found</html>")
                return
            work.cancelled = True
            self._say(204, b"")
        else:
            self._say(404, b"<html>Not Found</html>")

    def _start(self, name: str, given: dict[str, str]) -> None:
        if name not in self.server.declared:
            self._say(404, b"<html>Not Found</html>")
            return
        if name in self.server.disabled:
            self._say(409, b"<html>is not buildable</html>")
            return
        server = self.server
        work = server.ask_for(name, {key: value for key, value in given.items() if key in server.declared[name]})
        if server.lose_answers:
            server.lose_answers -= 1
            self.close_connection = True
            return
        self._say(201, b"", {"Location": f"https://jenkins.shop.example/ci/queue/item/{work.id}/"})

    def _has_crumb(self) -> bool:
        session = re.search(r"JSESSIONID\.1a=(\w+)", self.headers.get("Cookie", ""))
        crumb = self.headers.get("Jenkins-Crumb")
        return session is not None and crumb is not None and self.server.sessions.get(session[1]) == crumb

    def _json(self, content: object, headers: dict[str, str] | None = None) -> None:
        self._say(200, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("X-Jenkins", "2.504")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        pass


def _full_name(path: str) -> str:
    return "/".join(unquote(part) for part in path.split("/job/")[1:])
