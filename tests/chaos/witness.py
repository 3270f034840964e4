"""The independent witness: a process of its own that sees every effect, and the metrics that follow from them.

    python -m tests.chaos.witness FOLDER PORT POLICY...

Whoever acts says so on the socket `FOLDER/witness.sock`, one JSON object a connection, and goes on when it is answered:
by then the line is on disk, in `FOLDER/seen.jsonl`. It asks no agent and reads no journal. A network that is cut does
not keep an action from it, as it would not keep a machine from restarting a service on itself.

The metric `chaos_errors` of a policy is 1 from its `fault` until the `end` of an effect on it, served on PORT.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from typing import ClassVar

SOCKET = "witness.sock"
SEEN = "seen.jsonl"
_LINE_BYTES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that happened. `kind`: `fault` (the policy's system broke down), `begin` or `end` of an effect.

    Attributes:
        at: the witness's clock, Unix seconds. folder: where the action ran, inside its agent's state folder.
        alive_since: since when the process that told was there, by the kernel; 0 for what is no action.
    """

    kind: str
    policy: str
    at: float
    key: str = ""
    folder: str = ""
    alive_since: float = 0.0

    @property
    def incident(self) -> str:
        """The incident that the idempotency key was made for."""
        return self.key.partition("/")[0]


class Witness(ThreadingUnixStreamServer):
    """Takes one line a connection, in one order, and puts it on disk before it answers."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, folder: Path, policies: Sequence[str]) -> None:
        self.errors = dict.fromkeys(policies, 0)
        self._lock = threading.Lock()
        self._log = os.open(folder / SEEN, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        super().__init__(str(folder / SOCKET), _Line)

    def take(self, line: bytes) -> None:
        said = json.loads(line)
        with self._lock:
            record = {"at": time.time(), **said}
            os.write(self._log, json.dumps(record).encode() + b"\n")
            os.fsync(self._log)
            if said["kind"] in ("fault", "end"):
                self.errors[said["policy"]] = int(said["kind"] == "fault")


class _Line(StreamRequestHandler):
    server: Witness

    def handle(self) -> None:
        line = self.rfile.readline(_LINE_BYTES_MAX)
        if line.endswith(b"\n"):
            self.server.take(line)
            self.wfile.write(b"seen\n")


class _Metrics(BaseHTTPRequestHandler):
    errors: ClassVar[dict[str, int]]

    def do_GET(self) -> None:
        lines = [f'chaos_errors{{policy="{policy}"}} {value}\n' for policy, value in self.errors.items()]
        text = "".join(lines).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        """Say nothing."""


class _MetricsServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A scrape that was given up is no matter."""


def tell(folder: Path, kind: str, policy: str, key: str = "", where: str = "") -> None:
    """Tell the witness, and return when it has written it down. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(30.0)
        connection.connect(str(folder / SOCKET))
        said = {"kind": kind, "policy": policy, "key": key, "folder": where}
        connection.sendall(json.dumps(said).encode() + b"\n")
        if connection.recv(16) != b"seen\n":
            raise OSError("the witness did not take it")


def read_seen(folder: Path) -> list[Seen]:
    """Everything the witness has seen, in order."""
    path = folder / SEEN
    return [Seen(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    folder, port, policies = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    witness = Witness(folder, policies)
    threading.Thread(target=witness.serve_forever, daemon=True).start()
    _Metrics.errors = witness.errors
    _MetricsServer(("127.0.0.1", port), _Metrics).serve_forever()


if __name__ == "__main__":
    main()
