"""A real service process for the live tests: HTTP on loopback, Prometheus metrics, a configuration read at its start.

    python service.py NAME FOLDER

`payments` asks `auth` for every request. FOLDER holds NAME.json (`port`, `upstream`) and gets NAME.pid.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

UPSTREAM_TIMEOUT_S = 0.4


class Service(ThreadingHTTPServer):
    """Counts its requests by status code, pre-created so that `rate()` sees the first error."""

    daemon_threads = True

    def __init__(self, name: str, port: int, upstream: str | None) -> None:
        self.name = name
        self.upstream = upstream
        self.counts = {"200": 0, "503": 0}
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)

    def ask_upstream(self) -> bool:
        """Whether the service this one depends on answers well."""
        if self.upstream is None:
            return True
        try:
            with urllib.request.urlopen(self.upstream, timeout=UPSTREAM_TIMEOUT_S) as response:
                return bool(response.status == 200)
        except OSError:
            return False


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        if self.path == "/metrics":
            lines = [f'{self.server.name}_requests_total{{code="{c}"}} {n}' for c, n in self.server.counts.items()]
            self.answer(200, "\n".join(lines) + "\n")
            return
        code = 200 if self.server.ask_upstream() else 503
        with self.server.lock:
            self.server.counts[str(code)] += 1
        self.answer(code, "ok\n" if code == 200 else "upstream failed\n")

    def answer(self, code: int, text: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        """Say nothing."""


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    config = json.loads((folder / f"{name}.json").read_text())
    service = Service(name, config["port"], config.get("upstream"))
    (folder / f"{name}.pid").write_text(str(os.getpid()))
    service.serve_forever()


if __name__ == "__main__":
    main()
