"""A small HTTP server on loopback whose answers a test chooses, and that keeps what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, Mapping[str, str], bytes]
Respond = Callable[[Mapping[str, str], bytes], Answer]


def always(status: int, headers: Mapping[str, str] | None = None) -> Respond:
    """Answer everything the same."""
    return lambda _headers, _body: (status, headers or {}, b"")


class HttpPlace:
    """Answers every POST with what `respond` gives for its headers and body; `taken`: the bodies that got a 2xx."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.taken: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []
        self.paths: list[str] = []
        self._going_on = threading.Event()
        self._going_on.set()
        place = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                place.paths.append(self.path)
                if not place._going_on.wait(20.0):
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, more, content = place.respond(headers, body)
                if 200 <= status < 300:
                    place.taken.append(body)
                    place.headers.append(headers)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self._open = True

    @property
    def requests(self) -> int:
        return len(self.paths)

    def hang(self) -> None:
        self._going_on.clear()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._going_on.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5.0)


PAGERDUTY_KEY = "0123456789abcdef0123456789abcdef"
_SEVERITIES = ("critical", "error", "warning", "info")


def pagerduty(headers: Mapping[str, str], body: bytes) -> Answer:
    """Answer as PagerDuty's Events API v2 documents it: 202, or 400 with what is wrong, 413 over 512 KB.

    https://developer.pagerduty.com/docs/send-alert-event
    """
    if len(body) > 512 * 1024:
        return 413, {}, b""
    wrong: list[str] = []
    event = json.loads(body)
    if headers.get("content-type") != "application/json":
        wrong.append("content type")
    if event.get("routing_key") != PAGERDUTY_KEY:
        wrong.append("'routing_key' must be the 32 character integration key of a service")
    action = event.get("event_action")
    if action not in ("trigger", "acknowledge", "resolve"):
        wrong.append("'event_action' is invalid (must be one of: trigger, acknowledge, resolve)")
    if not 1 <= len(event.get("dedup_key", "")) <= 255:
        wrong.append("'dedup_key' is missing or too long")
    if action == "trigger":
        payload = event.get("payload", {})
        wrong += [f"'payload.{name}' is missing or blank" for name in ("summary", "source") if not payload.get(name)]
        if len(payload.get("summary", "")) > 1024:
            wrong.append("'payload.summary' is too long")
        if payload.get("severity") not in _SEVERITIES:
            wrong.append("'payload.severity' is invalid (must be one of: critical, warning, error, info)")
        wrong += ["'links' need href" for link in event.get("links", []) if not link.get("href")]
    if wrong:
        answer = {"status": "invalid event", "message": "Event object is invalid", "errors": wrong}
        return 400, {"Content-Type": "application/json"}, json.dumps(answer).encode()
    taken = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
    return 202, {"Content-Type": "application/json"}, json.dumps(taken).encode()
