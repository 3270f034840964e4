"""A real HTTP server that answers instant queries from a script, and lies in every way it is told to."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self, cast
from urllib.parse import parse_qs

from homeostat.sense.prometheus import PrometheusSensor

MakeSensor = Callable[..., PrometheusSensor]
"""Opens a sensor on the scripted server: `make_sensor(environ, **settings)`."""

_PART = re.compile(r'label_replace\((?P<expr>.*)\n,"__sig","(?P<marker>\d+)","",""\)', re.DOTALL)


@dataclass
class Script:
    """What the server answers, by the exact text of an expression."""

    vectors: dict[str, list[tuple[dict[str, str], str]]] = field(default_factory=dict)
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)
    infos: dict[str, str] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)

    def signal(self, expr: str, value: str, sampled_at: float, selector: str | None = None, **labels: str) -> None:
        """Let `expr` yield one more series, and its selector have a newest sample."""
        self.vectors.setdefault(expr, []).append((labels, value))
        self.vectors[f"max(timestamp({selector or expr}))"] = [({}, repr(sampled_at))]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ScriptedPrometheus

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of the standard library
        pass

    def do_GET(self) -> None:
        self._handle({})

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        fields = parse_qs(self.rfile.read(size).decode())
        self._handle({name: values[0] for name, values in fields.items()})

    def _handle(self, form: dict[str, str]) -> None:
        self.server.requests.append(Request(self.command, self.path, dict(self.headers), form))
        lie = self.server.lie
        if lie is not None:
            lie(self)
        elif self.path == "/api/v1/query" and self.command == "POST":
            self.reply_json(*self.server.evaluate(form))
        elif self.path == "/api/v1/status/buildinfo":
            self.reply_json(200, {"status": "success", "data": {"version": "2.42.0"}})
        else:
            self.reply(200, b"<html>Prometheus</html>", "text/html")

    def reply_json(self, status: int, body: object) -> None:
        self.reply(status, json.dumps(body).encode(), "application/json")

    def reply(self, status: int, body: bytes, content_type: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@dataclass(frozen=True)
class Request:
    """What the server was sent."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]

    @property
    def expressions(self) -> list[str]:
        """The expressions of a batch, as they were sent."""
        return [expr for _, expr in parts(self.form["query"])]


def parts(query: str) -> list[tuple[str, str]]:
    """Take a batch apart: (marker, expression) in order."""
    found = [_PART.fullmatch(part) for part in query.split("\nor\n")]
    assert all(found), query
    return [(match["marker"], match["expr"]) for match in found if match]


HANG_S = 2.0
"""Longer than any test waits for an answer."""

Lie = Callable[[_Handler], None]


class ScriptedPrometheus(ThreadingHTTPServer):
    """Listens on a free loopback port. Change `script`, or set `lie` to take a request over."""

    daemon_threads: ClassVar[bool] = True  # type: ignore[misc] # a plain attribute in the standard library

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = Script()
        self.lie: Lie | None = None
        self.hung: set[str] = set()
        self.requests: list[Request] = []
        self.clock: Callable[[], float] = time.time
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def queries(self) -> list[list[str]]:
        """The batches asked so far."""
        return [request.expressions for request in self.requests if "query" in request.form]

    def evaluate(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if form["query"] == "time()":
            return 200, success("scalar", [self.clock(), str(self.clock())])
        at = float(form["time"])
        result: list[dict[str, Any]] = []
        asked = parts(form["query"])
        if any(expr in self.hung for _, expr in asked):
            time.sleep(HANG_S)
        for _, expr in asked:
            if expr in self.script.refusals:
                status, message = self.script.refusals[expr]
                return status, failure("bad_data" if status == 400 else "execution", message)
        if any(expr in self.script.slow for _, expr in asked):
            return 503, failure("timeout", "query timed out in expression evaluation")
        for marker, expr in asked:
            constant = re.fullmatch(r"vector\((\d+)\n?\)", expr)
            series = self.script.vectors.get(expr, [])
            if constant:
                series = [({}, constant[1])]
            result += [{"metric": {**labels, "__sig": marker}, "value": [at, value]} for labels, value in series]
        answer: dict[str, Any] = success("vector", result)
        for name, texts in (("warnings", self.script.warnings), ("infos", self.script.infos)):
            said = [texts[expr] for _, expr in asked if expr in texts]
            if said:
                answer[name] = said
        return 200, answer

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up; that is what they are meant to do here."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening; later connections are refused."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()


def success(result_type: str, result: object) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": result_type, "result": result}}


def failure(error_type: str, message: str) -> dict[str, Any]:
    return {"status": "error", "errorType": error_type, "error": message}


def raw(data: bytes, *, hold_s: float = 0.0) -> Lie:
    """Send exactly these bytes, hold the connection for a while, and hang up."""

    def lie(handler: _Handler) -> None:
        handler.wfile.write(data)
        handler.wfile.flush()
        time.sleep(hold_s)
        hang_up(handler)

    return lie


def drip(head: bytes, drop: bytes, *, every_s: float, times: int) -> Lie:
    """Send `head`, then `drop` again and again."""

    def lie(handler: _Handler) -> None:
        handler.wfile.write(head)
        for _ in range(times):
            handler.wfile.write(drop)
            handler.wfile.flush()
            time.sleep(every_s)
        hang_up(handler)

    return lie


def hang_up(handler: _Handler) -> None:
    handler.close_connection = True
    cast("socket.socket", handler.connection).shutdown(socket.SHUT_WR)


def body(status: int, content: bytes, content_type: str = "application/json", **headers: str) -> Lie:
    """Answer with this status and body."""
    return lambda handler: handler.reply(status, content, content_type, **headers)
