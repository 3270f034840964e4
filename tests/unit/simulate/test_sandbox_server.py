from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import requests

from homeostat.simulate.sandbox import server as server_module
from homeostat.simulate.sandbox.api import PrometheusApi
from homeostat.simulate.sandbox.server import BODY_BYTES_MAX, CONNECTIONS_MAX, SandboxServer
from homeostat.simulate.sandbox.store import SampleStore

TOKEN = "a-token"
NOW = 1_700_000_000.0


class FixedClock:
    def now(self) -> float:
        return NOW

    def wait(self, seconds: float) -> bool:
        raise AssertionError("the server does not wait")


@pytest.fixture
def store() -> SampleStore:
    store = SampleStore()
    store.append("up", {"job": "api"}, NOW, 1)
    return store


@pytest.fixture
def server(store: SampleStore) -> Iterator[SandboxServer]:
    with SandboxServer(store, FixedClock(), TOKEN) as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        yield session


def test_get_and_post_answer_alike(server: SandboxServer, session: requests.Session) -> None:
    got = session.get(f"{server.url}/api/v1/query", params={"query": "up"}, timeout=5)
    posted = session.post(f"{server.url}/api/v1/query", data={"query": "up"}, timeout=5)
    assert got.status_code == posted.status_code == 200
    assert got.json() == posted.json()
    assert got.json()["data"]["result"] == [{"metric": {"__name__": "up", "job": "api"}, "value": [NOW, "1"]}]


def test_a_posted_form_and_the_query_string_add_up(server: SandboxServer, session: requests.Session) -> None:
    url = f"{server.url}/api/v1/query?time={NOW - 1}&query=vector(2)"
    posted = session.post(url, data={"query": "vector(1)"}, timeout=5).json()
    assert posted["data"]["result"][0]["value"] == [NOW - 1, "1"]


def test_it_listens_on_loopback_only(server: SandboxServer) -> None:
    assert server.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("path", ["/api/v1/query?query=up", "/-/ready", "/", "/nothing"])
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", "Bearer a-toke", "Bearer \xe9"]
)
def test_nothing_is_said_without_the_token(server: SandboxServer, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    response = requests.get(server.url + path, headers=headers, timeout=5)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.text == "Unauthorized\n"


@pytest.mark.parametrize("token", ["", "  ", "schlüssel"])
def test_a_token_must_be_usable(store: SampleStore, token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        SandboxServer(store, FixedClock(), token)


def test_one_connection_serves_many_requests(server: SandboxServer, session: requests.Session) -> None:
    for status, path in ((200, "/-/ready"), (404, "/x"), (400, "/api/v1/query"), (200, "/-/healthy")):
        assert session.get(server.url + path, timeout=5).status_code == status
        assert len(server._listener._connections) == 1


def test_bodies_are_bounded(server: SandboxServer, session: requests.Session) -> None:
    response = session.post(f"{server.url}/api/v1/query", data=b"x" * (BODY_BYTES_MAX + 1), timeout=5)
    assert response.status_code == 413
    assert session.get(f"{server.url}/-/ready", timeout=5).status_code == 200


def test_a_body_of_unknown_length_is_refused(server: SandboxServer, session: requests.Session) -> None:
    response = session.post(f"{server.url}/api/v1/query", data=iter([b"query=up"]), timeout=5)
    assert response.status_code == 411


def test_the_number_of_fields_is_bounded(server: SandboxServer, session: requests.Session) -> None:
    response = session.post(f"{server.url}/api/v1/query", data="a=1&" * 1001, headers=FORM, timeout=5)
    assert response.status_code == 400
    assert response.json()["errorType"] == "bad_data"


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_a_body_that_is_no_form_is_not_read_as_one(server: SandboxServer, session: requests.Session) -> None:
    response = session.post(f"{server.url}/api/v1/query", json={"query": "up"}, timeout=5)
    assert response.status_code == 400


def test_too_many_connections_are_hung_up_on(server: SandboxServer) -> None:
    port = int(server.url.rpartition(":")[2])
    held = []
    try:
        for _ in range(CONNECTIONS_MAX):
            connection = socket.create_connection(("127.0.0.1", port), timeout=5)
            connection.sendall(b"GET /-/ready HTTP/1.1\r\n\r\n")
            assert connection.recv(64).startswith(b"HTTP/1.1 401")
            held.append(connection)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as one_more:
            assert one_more.recv(64) == b""
    finally:
        for connection in held:
            connection.close()


def test_a_bug_answers_500_and_the_server_lives_on(
    server: SandboxServer, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    with monkeypatch.context() as patched:
        patched.setattr(PrometheusApi, "answer", broken)
        response = session.get(f"{server.url}/-/ready", timeout=5)
    assert (response.status_code, response.json()["errorType"]) == (500, "internal")
    assert session.get(f"{server.url}/-/ready", timeout=5).status_code == 200


def test_garbage_on_the_wire_hurts_nobody(server: SandboxServer, session: requests.Session) -> None:
    port = int(server.url.rpartition(":")[2])
    for garbage in (b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b""):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(garbage)
    assert session.get(f"{server.url}/-/ready", timeout=5).status_code == 200


def test_samples_may_come_in_while_queries_run(server: SandboxServer, store: SampleStore) -> None:
    stop = threading.Event()

    def write() -> None:
        at = NOW
        while not stop.is_set():
            at += 1
            for job in "abcd":
                store.append("ticks", {"job": job}, at, at - NOW)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {TOKEN}"
            for _ in range(50):
                query = {
                    "query": "max(last_over_time(ticks[10y])) - min(last_over_time(ticks[10y])) or vector(0)",
                    "time": str(NOW + 1e8),
                }
                response = session.post(f"{server.url}/api/v1/query", data=query, timeout=10).json()
                assert response["status"] == "success", response
                # Both selectors see the same moment, at which the series are at most one sample apart.
                assert float(response["data"]["result"][0]["value"][1]) <= 1
    finally:
        stop.set()
        writer.join()


def test_close_hangs_up_and_may_be_repeated(store: SampleStore) -> None:
    server = SandboxServer(store, FixedClock(), TOKEN)
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET /-/ready HTTP/1.1\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 401")
        server.close()
        server.close()
        while rest := connection.recv(4096):
            assert rest
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert not [thread for thread in threading.enumerate() if thread.name == "sandbox-prometheus"]


def test_answers_are_not_delayed_by_nagle() -> None:
    assert server_module._Handler.disable_nagle_algorithm
