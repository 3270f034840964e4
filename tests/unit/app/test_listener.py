import contextlib
import errno
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from homeostat.act import files
from homeostat.app.listener import Listener, agent_health, agent_token, ask_agent_to_retrain
from homeostat.app.ruling import Ruling, ruling_in
from homeostat.model.entries import RankingPromoted
from homeostat.model.errors import UsageError
from homeostat.record.codec import CODEC


class Served:
    def __init__(self, state: Path, request_timeout_s: float = 10.0) -> None:
        self.reason: str | None = None
        self.stall: str | None = None
        self.asked = threading.Event()
        self.said: list[tuple[str, Ruling]] = []
        self.holds = False
        registry = CollectorRegistry()
        Counter("things", "Things.", registry=registry).inc(3)
        self.token = agent_token(state)
        self.listener = Listener(
            "127.0.0.1:0",
            self.token,
            registry,
            lambda: self.reason,
            self.asked.set,
            rule=self.take,
            stalled=lambda: self.stall,
            request_timeout_s=request_timeout_s,
        )

    def take(self, body: bytes) -> bool:
        self.said.append(ruling_in(body))
        return self.holds

    def get(self, path: str, token: str | None, method: str = "GET") -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.listener.address, timeout=5)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, body


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.listener.close()


@pytest.mark.parametrize("token", [None, "", "wrong", "wröng"])
@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/retrain", "/"])
def test_nothing_is_told_without_the_token(served: Served, path: str, token: str | None) -> None:
    status, body = served.get(path, token, "POST" if path == "/retrain" else "GET")
    assert status == 401
    assert "things" not in body
    assert not served.asked.is_set()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"])
def test_no_method_gets_round_the_token(served: Served, method: str) -> None:
    for path in ("/metrics", "/healthz", "/retrain", "//metrics", "/metrics?token=x", "/%6detrics", "*"):
        assert served.get(path, None, method)[0] == 401
    assert not served.asked.is_set()


def test_only_a_post_retrains(served: Served) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert served.get("/retrain", served.token, method)[0] == 404
    assert not served.asked.is_set()


def test_metrics_and_health(served: Served) -> None:
    assert "things_total 3.0" in served.get("/metrics", served.token)[1]
    assert served.get("/healthz", served.token) == (200, '{"healthy": true, "reason": null}')
    served.reason = "no tick yet"
    assert served.get("/healthz", served.token) == (503, '{"healthy": false, "reason": "no tick yet"}')
    assert served.get("/livez", served.token) == (200, '{"healthy": true, "reason": null}')
    served.stall = "the last tick ended 99 s ago"
    assert served.get("/livez", served.token)[0] == 503
    assert served.get("/else", served.token)[0] == 404


def test_the_token_is_kept_and_private(tmp_path: Path) -> None:
    token = agent_token(tmp_path)
    assert agent_token(tmp_path) == token
    assert len(token) > 30
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0


def test_an_empty_token_is_no_token(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    with pytest.raises(UsageError, match="token: it is empty; remove the file"):
        agent_token(tmp_path)


def test_a_full_disk_leaves_no_empty_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(files, "write_all", full)
        with pytest.raises(UsageError, match="cannot be kept here: No space left"):
            agent_token(tmp_path)
    assert len(agent_token(tmp_path)) > 30


def test_a_running_agent_is_asked_to_retrain(served: Served, tmp_path: Path) -> None:
    assert ask_agent_to_retrain(served.listener.address, tmp_path)
    assert served.asked.is_set()


def test_the_agents_health_is_told_in_words(served: Served, tmp_path: Path) -> None:
    assert agent_health(served.listener.address, tmp_path) is None
    served.reason = "no tick yet"
    assert agent_health(served.listener.address, tmp_path) == "the agent is not well: no tick yet"
    assert "no agent answers" in str(agent_health(served.listener.address, tmp_path / "nowhere"))


def test_no_agent_no_token_or_another_agent(served: Served, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert not ask_agent_to_retrain(served.listener.address, other)
    agent_token(other)
    with pytest.raises(UsageError, match="another workspace"):
        ask_agent_to_retrain(served.listener.address, other)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert not ask_agent_to_retrain(address, other)


def test_callers_that_say_nothing_keep_nobody_else_out_for_good(served: Served) -> None:
    host, _, port = served.listener.address.rpartition(":")
    silent = [socket.create_connection((host, int(port)), timeout=5) for _ in range(40)]
    try:
        hung_up_on = [connection for connection in silent if _is_closed(connection)]
        assert len(hung_up_on) >= 40 - 16
    finally:
        for connection in silent:
            connection.close()
    deadline = time.monotonic() + 10
    while not _answers(served):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_caller_that_drips_is_hung_up_on(tmp_path: Path) -> None:
    served = Served(tmp_path, request_timeout_s=0.3)
    try:
        connection = _connected(served)
        until = time.monotonic() + 30
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"GET /healthz HTTP/1.1\r\n")
            while not _is_closed(connection):
                assert time.monotonic() < until, "a byte now and then keeps a place for ever"
                connection.sendall(b"x")
        assert served.get("/healthz", served.token)[0] == 200
    finally:
        served.listener.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 200 + b"\r\n",
        b"POST /retrain HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /retrain HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"fffffff\r\n" + b"a" * 70_000,
        b"GET / HTTP/9.9.9\r\n\r\n",
        b"\0" * 1000 + b"\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_what_is_oversized_or_no_request_gets_nothing_and_harms_nobody(served: Served, raw: bytes) -> None:
    with _connected(served) as connection:
        connection.settimeout(30)
        answer = b""
        with contextlib.suppress(OSError):  # it may hang up at any moment
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                answer += piece
    assert b" 200 " not in answer
    assert b" 202 " not in answer
    assert b"things" not in answer
    assert not served.asked.is_set()
    assert served.get("/healthz", served.token)[0] == 200


class TestAWordOnARanking:
    PROMOTED = RankingPromoted(at=1.0, version="v", actor="ann")
    BODY = json.dumps({"policy": "p", "type": "ranking.promoted", "v": 2, "body": CODEC.encode(PROMOTED).body.decode()})

    def test_it_is_taken_as_it_was_said(self, served: Served) -> None:
        assert _said(served, self.BODY.encode(), str(len(self.BODY))) == 202
        assert served.said == [("p", self.PROMOTED)]

    def test_that_it_holds_is_said_once_it_does(self, served: Served) -> None:
        served.holds = True
        assert _said(served, self.BODY.encode(), str(len(self.BODY))) == 200

    @pytest.mark.parametrize(
        ("body", "length", "status"),
        [
            (BODY, "-1", 413),
            (BODY, "70000", 413),
            (BODY, "9" * 5000, 413),
            (BODY, "², ", 413),
            (BODY.replace("ann", ""), "", 400),
            (BODY.replace("ann", "schedule"), "", 400),
            (BODY.replace("ann", "Agent "), "", 400),
            (BODY.replace('why\\":\\"', 'why\\":\\"x\\\\nann promoted it'), "", 400),
            (BODY, "20", 400),
            (BODY.replace("ranking.promoted", "ranking.trained"), "", 400),
            (BODY.replace('"p"', "[" * 20_000), "30000", 400),
            (BODY.replace('"v": 2', '"v": 99'), "200", 400),
        ],
    )
    def test_anything_else_is_refused(self, served: Served, body: str, length: str, status: int) -> None:
        assert _said(served, body.encode(), length or str(len(body))) == status
        assert served.said == []
        assert served.get("/healthz", served.token)[0] == 200

    @pytest.mark.parametrize("token", [None, "wrong"])
    def test_only_who_has_the_token_says_it(self, served: Served, token: str | None) -> None:
        assert served.get("/ranking", token, "POST")[0] == 401
        assert served.get("/ranking", served.token)[0] == 404


def _said(served: Served, body: bytes, length: str) -> int:
    """POST it to `/ranking` as so many bytes, and give the status."""
    head = f"POST /ranking HTTP/1.1\r\nAuthorization: Bearer {served.token}\r\nContent-Length: {length}\r\n\r\n"
    with _connected(served) as connection:
        connection.sendall(head.encode("utf-8") + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):  # what it did not read is thrown away
            while piece := connection.recv(65_536):
                answer += piece
    return int(answer.split()[1])


def _connected(served: Served) -> socket.socket:
    host, _, port = served.listener.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=5)


def _answers(served: Served) -> bool:
    try:
        return served.get("/healthz", served.token)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.05)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_a_taken_port_is_named(served: Served) -> None:
    with pytest.raises(UsageError, match=r"agent\.listen"):
        Listener(served.listener.address, "t", CollectorRegistry(), lambda: None, lambda: None)
