"""One request under its runner, against servers that answer, refuse, lie, flood and drip."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.unit.act.act_world import KEY, ActWorld, end, running_pid, until, until_gone

from homeostat.act.http import HttpActuator
from homeostat.act.job_files import Begun
from homeostat.act.run_request import Exchange, run_request
from homeostat.model.commands import Done, InDoubt, Running, StartAction
from homeostat.model.policy import ActionSpec, Scalar
from homeostat.model.reasons import OutcomeStatus

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Answers as it is told, and keeps the requests."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.torn_down = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/act?x=1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is part of the test."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        self.server.answer(self)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        pass


def replies(status: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def says_nothing(handler: BaseHTTPRequestHandler) -> None:
    assert isinstance(handler, Handler)
    handler.server.torn_down.wait()


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Server]]:
    running: list[tuple[Server, threading.Thread]] = []

    def start(answer: Answer) -> Server:
        server = Server(answer)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.torn_down.set()
        server.shutdown()
        thread.join()
        server.server_close()


Serve = Callable[[Answer], Server]


def request(
    url: str, arguments: Mapping[str, Scalar] | None = None, timeout_s: float = 20.0, **parameters: object
) -> StartAction:
    action = ActionSpec("call", "http", {"method": "POST", "url": url, **parameters})
    return StartAction(KEY, action, "deploy/pay", arguments or {}, timeout_s)


def call(world: ActWorld, url: str, **more: Any) -> Done:
    agent = HttpActuator(world.context())
    agent.start(request(url, **more))

    def look() -> Done | None:
        report = agent.lookup(KEY)
        assert isinstance(report, Running | Done), report
        return report if isinstance(report, Done) else None

    done: Done = until(look, "the answer")
    return done


def test_the_request_carries_the_key_and_what_was_filled_in(world: ActWorld, serve: Serve) -> None:
    server = serve(replies(200, b"done"))
    content = {"replicas": {"with": "n"}, "who": {"target": "name"}, "list": [{"with": "n", "prefix": "n="}, None]}
    done = call(world, server.url, json=content, headers={"X-Kind": {"target": "kind"}}, arguments={"n": 6})
    assert (done.status, done.detail, done.output) == (OutcomeStatus.OK, "HTTP 200 OK", "done")
    method, path, headers, body = server.requests[0]
    assert (method, path) == ("POST", "/act?x=1")
    assert headers["Idempotency-Key"] == KEY
    assert headers["X-Kind"] == "deploy"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {"replicas": 6, "who": "pay", "list": ["n=6", None]}


def test_a_text_body_and_another_method(world: ActWorld, serve: Serve) -> None:
    server = serve(replies(204))
    assert call(world, server.url, method="PUT", body="grün").status is OutcomeStatus.OK
    assert server.requests[0][0] == "PUT"
    assert server.requests[0][3] == "grün".encode()


def test_secrets_go_into_the_header_and_nowhere_else(world: ActWorld, serve: Serve) -> None:
    def echo(handler: BaseHTTPRequestHandler) -> None:
        replies(403, f"you sent {handler.headers['Authorization']}".encode())(handler)

    world.environment["PAGER"] = "Bearer s3cr3t-token"
    server = serve(echo)
    done = call(world, server.url, headers={"Authorization": {"secret": "env:PAGER"}})
    assert server.requests[0][2]["Authorization"] == "Bearer s3cr3t-token"
    assert done.output == "you sent [secret]"
    for path in world.state.rglob("*"):
        assert not path.is_file() or b"s3cr3t" not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("expect", "status", "outcome"),
    [
        (None, 200, "ok"),
        (None, 299, "ok"),
        (None, 404, "error"),
        ([409], 409, "ok"),
        ([409], 200, "error"),
        (202, 202, "ok"),
    ],
)
def test_only_an_expected_status_is_success(
    world: ActWorld, serve: Serve, expect: object, status: int, outcome: str
) -> None:
    done = call(world, serve(replies(status)).url, expect_status=expect)
    assert done.status == outcome
    assert f"HTTP {status}" in done.detail


def test_redirects_are_not_followed(world: ActWorld, serve: Serve) -> None:
    elsewhere = serve(replies(200))
    server = serve(replies(307, Location=elsewhere.url))
    done = call(world, server.url)
    assert done.status is OutcomeStatus.ERROR
    assert f"redirects are not followed (to {elsewhere.url})" in done.detail
    assert not elsewhere.requests


def test_a_flood_is_cut_at_the_cap(world: ActWorld, serve: Serve) -> None:
    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"<html>" * 10_000)

    world.output_bytes_max = 5000
    done = call(world, serve(flood).url)
    assert done.status is OutcomeStatus.OK
    assert world.files().output.stat().st_size == 5000


def test_a_dripping_answer_ends_at_the_time_out(world: ActWorld, serve: Serve) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b".")
            time.sleep(0.02)

    done = call(world, serve(drip).url, timeout_s=0.4)
    assert done.status is OutcomeStatus.TIMEOUT
    assert "HTTP 200 came, but not all of it within 0.4 s" in done.detail
    assert done.output.startswith(".")


def test_dripping_headers_end_at_the_time_out(world: ActWorld, serve: Serve) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        while True:
            handler.wfile.write(b"H")
            time.sleep(0.02)

    done = call(world, serve(drip).url, timeout_s=0.4)
    assert done.status is OutcomeStatus.TIMEOUT
    assert "the request was sent, and the target may have acted on it" in done.detail


def test_a_server_that_accepts_and_says_nothing_ends_at_the_time_out(world: ActWorld, serve: Serve) -> None:
    server = serve(says_nothing)
    done = call(world, server.url, timeout_s=0.4)
    assert done.status is OutcomeStatus.TIMEOUT
    assert done.detail.startswith("no answer within 0.4 s")


def test_a_refused_connection_sent_nothing(world: ActWorld) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = call(world, f"http://127.0.0.1:{port}/")
    assert (done.status, done.detail) == (OutcomeStatus.ERROR, "nothing was sent: Connection refused")


def test_a_host_that_does_not_exist_sent_nothing(world: ActWorld) -> None:
    done = call(world, "http://no-such-host.invalid/")
    assert done.status is OutcomeStatus.ERROR
    assert done.detail.startswith("nothing was sent: ")


def raw_server(content: bytes) -> tuple[socket.socket, threading.Thread]:
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(content)

    thread = threading.Thread(target=answer)
    thread.start()
    return listener, thread


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no usable answer came: not an HTTP answer (BadStatusLine"),
        (b"", "no usable answer came"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "HTTP 200 OK, but its body broke off: 5 of 100 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP 200 OK, but its body broke off"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n", "no usable answer came: not an HTTP answer"),
    ],
)
def test_what_is_no_proper_answer_is_an_error(world: ActWorld, content: bytes, says: str) -> None:
    listener, thread = raw_server(content)
    with listener:
        done = call(world, f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join()
    assert done.status is OutcomeStatus.ERROR
    assert says in done.detail


def test_a_server_that_keeps_the_connection_open_is_not_waited_for(world: ActWorld) -> None:
    release = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\ndone")
            release.wait()

    thread = threading.Thread(target=answer)
    thread.start()
    with listener:
        done = call(world, f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout_s=20.0)
        release.set()
        thread.join()
    assert (done.status, done.output) == (OutcomeStatus.OK, "done")


def test_an_untrusted_certificate_sends_nothing(world: ActWorld, tmp_path: Path, serve: Serve) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("openssl cannot make a certificate here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = serve(replies(200))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://localhost:{server.server_port}/"
    done = call(world, url)
    assert done.status is OutcomeStatus.ERROR
    assert done.detail.startswith("nothing was sent: the server's certificate is not trusted")
    assert not server.requests
    world.environment["SSL_CERT_FILE"] = str(certificate)
    world.state = tmp_path / "other"
    assert call(world, url).status is OutcomeStatus.OK


def test_a_runner_killed_after_sending_leaves_doubt(world: ActWorld, serve: Serve) -> None:
    server = serve(says_nothing)
    agent = HttpActuator(world.context())
    agent.start(request(server.url))
    until(lambda: server.requests or None, "the request")
    runner = running_pid(agent.lookup(KEY))
    end(runner, 9)
    until_gone(runner)
    doubt = until(lambda: found if isinstance(found := agent.lookup(KEY), InDoubt) else None, "doubt")
    assert doubt.detail == "its runner was killed after the request was sent"
    agent.start(request(server.url))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"url": "ftp://host/"}, "not an http or https URL"),
        ({"url": "http://user:pw@host/"}, "user name or password"),
        ({"url": "http://host:99999/"}, "is not a URL"),
        ({"url": "http:///path"}, "names no host"),
        ({"url": "http://host/a b"}, "percent-encode"),
        ({"url": "http://host/\r\nX: y"}, "percent-encode"),
        ({"url": None}, "text is wanted"),
        ({"method": "get"}, "method must be"),
        ({"headers": {"Idempotency-Key": "mine"}}, "set by the agent itself"),
        ({"headers": {"X": "a\r\nY: b"}}, "line break"),
        ({"headers": {"X": {"with": "evil"}}}, "line break"),
        ({"headers": {"X y": "a"}}, "not a header's name"),
        ({"headers": {"X": {"secret": "PAGER"}}}, "must read env:NAME"),
        ({"json": {"a": {"with": "missing"}}}, "gives no argument 'missing'"),
        ({"json": {"a": {"target": "nme"}}}, "stands for nothing"),
        ({"json": 1, "body": "x"}, "not both"),
        ({"json": {"a": float("nan")}}, "JSON"),
        ({"expect_status": []}, "expect_status"),
        ({"expect_status": [True]}, "expect_status"),
        ({"headers": ["a"]}, "headers are a mapping"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_a_reason(
    world: ActWorld, parameters: dict[str, object], says: str
) -> None:
    agent = HttpActuator(world.context())
    action = ActionSpec("call", "http", {"method": "POST", "url": "http://127.0.0.1:1/", **parameters})
    agent.start(StartAction(KEY, action, "deploy/pay", {"evil": "a\r\nY: b"}, 5.0))
    done = agent.lookup(KEY)
    assert isinstance(done, Done)
    assert done.status is OutcomeStatus.ERROR
    assert says in done.detail


def test_what_nobody_waits_for_any_more_is_not_sent(serve: Serve) -> None:
    server = serve(replies(200))
    begun: list[bool] = []
    job = {"url": server.url, "method": "POST", "body": None, "timeout_s": 5.0, "output_bytes_max": 100}
    exchange = Exchange(job, {}, lambda: begun.append(True))
    exchange.abandon()
    exchange.run(lambda: None)
    assert (exchange.over, exchange.sent, begun, server.requests) == (True, False, [], [])


class LateBell:
    """Its waiter is woken long after the connection's own time-out."""

    stop_signal = None

    def ring(self) -> None:
        pass

    def wait(self, timeout_s: float) -> None:
        time.sleep(timeout_s + 0.5)


class Kept:
    """What a runner writes, where nobody reads it."""

    def write_begun(self, begun: Begun) -> None:
        pass

    def feed(self, chunk: bytes) -> None:
        pass


def begins_an_answer(handler: BaseHTTPRequestHandler) -> None:
    assert isinstance(handler, Handler)
    handler.send_response(200)
    handler.send_header("Content-Length", "9")
    handler.end_headers()
    handler.wfile.write(b"half")
    handler.server.torn_down.wait()


@pytest.mark.parametrize("answer", [says_nothing, begins_an_answer])
def test_a_runner_that_wakes_after_the_connections_own_time_out_says_that_time_was_up(
    serve: Serve, answer: Answer
) -> None:
    job = {"url": serve(answer).url, "method": "POST", "body": None, "timeout_s": 0.3, "output_bytes_max": 100}
    kept: Any = Kept()
    ending = run_request(kept, {**job, "expect_status": None}, {}, kept, LateBell())  # type: ignore[arg-type]  # late
    assert ending.status == OutcomeStatus.TIMEOUT
    assert "within 0.3 s" in ending.detail
