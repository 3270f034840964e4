"""The agent's own listener: metrics, health, and words for the loop, on loopback, behind a bearer token."""

from __future__ import annotations

import contextlib
import hmac
import http.client
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from homeostat.app.kept_secret import kept_secret
from homeostat.model.errors import UsageError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_REQUEST_TIMEOUT_S = 10.0
LOOP_WAIT_S = _REQUEST_TIMEOUT_S / 2
"""How long a caller waits for the loop to take what it was told."""

_ANSWER_BYTES_MAX = 65_536
_CALLERS_MAX = 16
_LENGTH_DIGITS_MAX = 20


def agent_token(state: Path) -> str:
    """Read the listener's token, or make one that only this user can read.

    Raises:
        UsageError: the file cannot be written or read, or is empty.
    """
    return kept_secret(state / "token", "the listener's token", "the agent makes a new token")


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """Serves a few callers at once; a caller too many is hung up on, so that none can use the agent's threads up."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 16
    request_timeout_s = _REQUEST_TIMEOUT_S

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._places = threading.BoundedSemaphore(_CALLERS_MAX)
        super().__init__(*arguments, **named)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        # A time-out of each read alone would let a caller that sends a byte now and then keep its place for ever.
        end = threading.Timer(self.request_timeout_s, _hang_up, [request])
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a caller that hangs up is no error of the agent's."""


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    timeout = _REQUEST_TIMEOUT_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing: the agent's log is structured."""


class Listener:
    """Serves `/metrics` (Prometheus text), `/healthz`, `/livez` (JSON; 503 when something is wrong).

    POST `/retrain` asks for a training; POST `/ranking` hands over a person's word on which ranking rules.

    Args:
        address: HOST:PORT on loopback; port 0 takes any free one.
        token: what a caller must send as a bearer token.
        registry: the metrics.
        healthy: None when all is well, else why not.
        retrain: asks for a retraining as soon as may be.
        rule: takes the body of a POST to `/ranking`, see `app.ruling`; gives whether it is journalled already, and
            raises UsageError for what is none and for what the loop cannot take.
        stalled: None while the loop turns, else why it does not; what is wrong outside is not asked.
        alerts: answers for everything below `/alerts/`, see `app.alert_reception`; None: there is nothing.
        request_timeout_s: how long one caller may take in all.
    """

    def __init__(
        self,
        address: str,
        token: str,
        registry: CollectorRegistry,
        healthy: Callable[[], str | None],
        retrain: Callable[[], None],
        *,
        rule: Callable[[bytes], bool] | None = None,
        stalled: Callable[[], str | None] = lambda: None,
        alerts: WSGIApplication | None = None,
        request_timeout_s: float = _REQUEST_TIMEOUT_S,
    ) -> None:
        self._token = token.encode()
        self._metrics = make_wsgi_app(registry)
        self._healthy = healthy
        self._retrain = retrain
        self._rule = rule
        self._stalled = stalled
        self._alerts = alerts
        host, _, port = address.rpartition(":")
        try:
            self._server = make_server(host, int(port), self._serve, server_class=_Server, handler_class=_Handler)
        except OSError as error:
            raise UsageError(
                f"cannot listen on {address}: {error.strerror}; set agent.listen to a free port"
            ) from error
        self._server.request_timeout_s = request_timeout_s
        self.address = f"{host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=_REQUEST_TIMEOUT_S)

    def _serve(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/alerts/") and self._alerts is not None:
            return self._alerts(environ, start)  # which asks for the sources' own secrets
        offered = str(environ.get("HTTP_AUTHORIZATION", "")).encode("latin-1", "replace")
        if not hmac.compare_digest(offered, b"Bearer " + self._token):
            challenge = [("WWW-Authenticate", "Bearer"), ("Content-Type", "text/plain")]
            start("401 Unauthorized", challenge)
            return [b"send the token in the state folder's file 'token' as 'Authorization: Bearer ...'\n"]
        if path == "/metrics":
            metrics: Iterable[bytes] = self._metrics(environ, start)
            return metrics
        if path in ("/healthz", "/livez"):
            reason = self._healthy() if path == "/healthz" else self._stalled()
            start("200 OK" if reason is None else "503 Service Unavailable", [("Content-Type", "application/json")])
            return [json.dumps({"healthy": reason is None, "reason": reason}).encode()]
        if path == "/retrain" and environ.get("REQUEST_METHOD") == "POST":
            self._retrain()
            start("202 Accepted", [("Content-Type", "text/plain")])
            return [b"retraining begins with the next tick\n"]
        if path == "/ranking" and environ.get("REQUEST_METHOD") == "POST" and self._rule is not None:
            return self._take_ruling(self._rule, environ, start)
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [
            b"here are GET /metrics, GET /healthz, GET /livez, POST /retrain, POST /ranking and POST /alerts/NAME\n"
        ]

    @staticmethod
    def _take_ruling(rule: Callable[[bytes], bool], environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        length = str(environ.get("CONTENT_LENGTH") or "0")
        is_number = length.isascii() and length.isdecimal() and len(length) <= _LENGTH_DIGITS_MAX
        if not is_number or int(length) > _ANSWER_BYTES_MAX:
            start("413 Content Too Large", [("Content-Type", "text/plain")])
            return [f"a word on a ranking has at most {_ANSWER_BYTES_MAX} bytes\n".encode()]
        try:
            holds = rule(environ["wsgi.input"].read(int(length)))
        except UsageError as error:
            start("400 Bad Request", [("Content-Type", "text/plain")])
            return [str(error).encode()]
        start("200 OK" if holds else "202 Accepted", [("Content-Type", "text/plain")])
        return [b"it holds\n" if holds else b"the loop has not come to it yet; see `homeostat rankings history`\n"]


def ask_agent_to_retrain(address: str, state: Path) -> bool:
    """Ask the agent that listens on `address` to retrain; False when none answers there.

    Raises:
        UsageError: something else answers, or the agent refuses.
    """
    answer = _ask(address, state, "POST", "/retrain")
    if answer is not None and answer[0] != http.HTTPStatus.ACCEPTED:
        raise UsageError(f"what listens on {address} answers {answer[0]}: another workspace's agent? See agent.listen")
    return answer is not None


def hand_ruling_to_agent(address: str, state: Path, body: bytes) -> bool:
    """Hand a person's word on a ranking to the agent that listens on `address`; False when none answers there.

    Raises:
        UsageError: something else answers, or the agent refuses.
    """
    answer = _ask(address, state, "POST", "/ranking", body)
    if answer is not None and answer[0] not in (http.HTTPStatus.OK, http.HTTPStatus.ACCEPTED):
        raise UsageError(f"what listens on {address} answers {answer[0]}: {answer[1][:500].decode(errors='replace')}")
    return answer is not None


def agent_health(address: str, state: Path, path: str = "/healthz") -> str | None:
    """Say in words how the agent that listens on `address` is; None when it is well (or, by `/livez`, its loop turns).

    Raises:
        UsageError: something that is no agent of this workspace answers.
    """
    answer = _ask(address, state, "GET", path)
    if answer is None:
        return f"no agent answers on {address}"
    status, body = answer
    if status == http.HTTPStatus.OK:
        return None
    try:
        return f"the agent is not well: {json.loads(body)['reason']}"
    except (ValueError, KeyError, TypeError):
        return f"what listens on {address} is no agent of this workspace: it answers {status}"


def _ask(address: str, state: Path, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes] | None:
    try:
        token = (state / "token").read_text().strip()
    except OSError:
        return None
    connection = http.client.HTTPConnection(address, timeout=_REQUEST_TIMEOUT_S)
    try:
        connection.request(method, path, body, headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        return response.status, response.read(_ANSWER_BYTES_MAX)
    except OSError:
        return None
    except http.client.HTTPException as error:
        raise UsageError(f"what listens on {address} is no agent: {error!r}; see agent.listen") from error
    finally:
        connection.close()
