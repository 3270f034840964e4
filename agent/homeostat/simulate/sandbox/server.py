"""The sandbox's Prometheus: an HTTP server on loopback, in a thread of its own."""

from __future__ import annotations

import hmac
import logging
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import parse_qs, urlsplit

from homeostat.model.ports import Clock
from homeostat.simulate.sandbox.api import PrometheusApi, Response, failure, plain
from homeostat.simulate.sandbox.promql import Engine
from homeostat.simulate.sandbox.store import SampleStore

BODY_BYTES_MAX = 1_048_576
FIELDS_MAX = 1_000
CONNECTIONS_MAX = 64
IDLE_TIMEOUT_S = 300.0

_log = logging.getLogger(__name__)


class SandboxServer:
    """Serves a store as Prometheus would, on 127.0.0.1, until `close`.

    Args:
        store: where samples come from; it may be appended to at any time.
        clock: gives the default of `time=`.
        token: every request must bring `Authorization: Bearer <token>`.
        engine: how queries are evaluated; by default with Prometheus' defaults.
        port: 0 for a free one.
    """

    def __init__(
        self, store: SampleStore, clock: Clock, token: str, *, engine: Engine | None = None, port: int = 0
    ) -> None:
        if not token.isascii() or not token.strip():
            raise ValueError("the sandbox's bearer token must be ASCII and not empty")
        self._listener = _Listener(PrometheusApi(store, clock, engine), token, port)
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox-prometheus", daemon=True
        )
        self._thread.start()
        self._closed = False

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._listener.server_address[1]}"

    def close(self) -> None:
        """Stop listening and hang up every connection. May be repeated."""
        if self._closed:
            return
        self._closed = True
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()
        self._listener.hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Listener(ThreadingHTTPServer):
    """Accepts at most `CONNECTIONS_MAX` connections at once and knows them, to hang up at the end."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, api: PrometheusApi, token: str, port: int) -> None:
        self.api = api
        self.authorization = f"Bearer {token}".encode()
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def verify_request(self, request: object, client_address: object) -> bool:  # noqa: ARG002 - the base's signature
        with self._connections_lock:
            return len(self._connections) < CONNECTIONS_MAX

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)  # noqa: S101 - a TCP server's requests are its sockets
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)  # noqa: S101 - a TCP server's requests are its sockets
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base's signature
        _log.debug("a sandbox connection broke", exc_info=True)

    def hang_up(self) -> None:
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side was faster


class _Handler(BaseHTTPRequestHandler):
    """One connection, many requests."""

    server: _Listener
    protocol_version = "HTTP/1.1"
    server_version = "homeostat-sandbox"
    sys_version = ""
    disable_nagle_algorithm = True  # else every answer waits for the client's delayed ACK
    wbufsize = -1
    timeout: ClassVar[float] = IDLE_TIMEOUT_S

    def do_GET(self) -> None:
        """Answer from the query string."""
        self._answer("")

    def do_POST(self) -> None:
        """Answer from a form in the body, and the query string."""
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "a POST needs a Content-Length")
        elif int(length) > BODY_BYTES_MAX:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {BODY_BYTES_MAX} bytes")
        else:
            body = self.rfile.read(int(length))
            form = self.headers.get_content_type() == "application/x-www-form-urlencoded"
            self._answer(body.decode("utf-8", "replace") if form else "")

    def _answer(self, form: str) -> None:
        given = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self.server.authorization):
            self._send(plain(HTTPStatus.UNAUTHORIZED, "Unauthorized\n"))
            return
        url = urlsplit(self.path)
        try:
            parameters = parse_qs(f"{form}&{url.query}", keep_blank_values=True, max_num_fields=FIELDS_MAX)
        except ValueError as error:
            self._send(failure(HTTPStatus.BAD_REQUEST, "bad_data", f"error parsing form values: {error}"))
            return
        try:
            response = self.server.api.answer(url.path, parameters)
        except Exception as error:  # noqa: BLE001 - a bug must answer 500, not hang up
            _log.exception("the sandbox failed on %s", url.path)
            response = failure(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", f"{type(error).__name__}: {error}")
        self._send(response)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        """Answer without reading the body, which then lies between here and the next request: hang up."""
        self.close_connection = True
        self._send(failure(status, "bad_data", why))

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        if response.status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        """Say nothing on stderr."""
