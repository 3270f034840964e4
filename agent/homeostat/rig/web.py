"""A bounded HTTP server and a client with a deadline, on loopback."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

IN_FLIGHT_MAX = 120
Answer = tuple[int, str]


class LoopbackServer(ThreadingHTTPServer):
    """Answers each path by `respond`, at most `IN_FLIGHT_MAX` at a time; what is more gets a 503 at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, respond: Callable[[str, str], Answer]) -> None:
        self.respond = respond
        self.slots = threading.BoundedSemaphore(IN_FLIGHT_MAX)
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: LoopbackServer
    timeout = 10

    def do_GET(self) -> None:
        if self.path != "/metrics" and not self.server.slots.acquire(blocking=False):
            self._answer(503, "busy\n")
            return
        try:
            self._answer(*self.server.respond(self.command, self.path))
        finally:
            if self.path != "/metrics":
                self.server.slots.release()

    def _answer(self, code: int, text: str) -> None:
        try:
            self.send_response(code)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())
        except OSError:
            self.close_connection = True  # who asked has gone

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        """Say nothing."""


def fetch(url: str, *, timeout_s: float) -> int:
    """The status of an answer; 0 if there was none in time. `timeout_s` holds for each read."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as response:  # noqa: S310 - loopback over http
            response.read(1024)
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0
