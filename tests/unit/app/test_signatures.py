import base64
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.unit.act.act_world import ActWorld, until

from homeostat.act.http import HttpActuator
from homeostat.act.signing import message_id, signed_headers
from homeostat.app.signatures import SignatureRefused, WebhookVerifier
from homeostat.model.commands import Done, StartAction
from homeostat.model.errors import UsageError
from homeostat.model.policy import ActionSpec
from homeostat.model.reasons import OutcomeStatus

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = b'{"answer": "yes"}'


class Time:
    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def now() -> Time:
    return Time()


def test_the_specifications_own_example() -> None:
    signed = signed_headers(OLD, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signed_message_is_heard_once(now: Time) -> None:
    verifier = WebhookVerifier([OLD], now)
    headers = signed_headers(OLD, "msg_1", now.at, BODY)
    assert verifier.verify(headers, BODY) == "msg_1"
    with pytest.raises(SignatureRefused, match="heard already"):
        verifier.verify(headers, BODY)
    now.at += 299
    with pytest.raises(SignatureRefused, match="heard already"):
        verifier.verify(headers, BODY)
    now.at += 2
    with pytest.raises(SignatureRefused, match="old"):
        verifier.verify(headers, BODY)


@pytest.mark.parametrize("off_s", [-301, 301])
def test_a_message_of_another_time_is_refused(now: Time, off_s: float) -> None:
    verifier = WebhookVerifier([OLD], now)
    now.at += 400
    with pytest.raises(SignatureRefused, match="old"):
        verifier.verify(signed_headers(OLD, "m", now.at + off_s, BODY), BODY)


def test_what_was_sent_before_the_start_may_have_been_heard_then(now: Time) -> None:
    with pytest.raises(SignatureRefused, match="before this agent began"):
        WebhookVerifier([OLD], now).verify(signed_headers(OLD, "m", now.at - 1, BODY), BODY)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", "msg_2"),
        ("webhook-id", "msg.1"),
        ("webhook-id", ""),
        ("webhook-id", "m\r\nx"),
        ("webhook-timestamp", "1800000001"),
        ("webhook-timestamp", "1.8e9"),
        ("webhook-timestamp", "9" * 5000),
        ("webhook-timestamp", "\u0661" * 10),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1,\ud800"),
        ("webhook-signature", ""),
        ("webhook-signature", "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ("webhook-signature", " ".join(["v1,x"] * 100_000)),
    ],
)
def test_anything_changed_is_refused(now: Time, name: str, value: str) -> None:
    verifier = WebhookVerifier([OLD], now)
    headers = signed_headers(OLD, "msg_1", now.at, BODY)
    with pytest.raises(SignatureRefused):
        verifier.verify({**headers, name: value}, BODY)
    with pytest.raises(SignatureRefused):
        verifier.verify({key: text for key, text in headers.items() if key != name}, BODY)
    with pytest.raises(SignatureRefused):
        verifier.verify(headers, BODY + b" ")
    assert verifier.verify({key.title(): text for key, text in headers.items()}, BODY) == "msg_1"


def test_a_forged_message_does_not_use_an_id_up(now: Time) -> None:
    verifier = WebhookVerifier([OLD], now)
    with pytest.raises(SignatureRefused, match="by one of our secrets"):
        verifier.verify(signed_headers(NEW, "msg_1", now.at, BODY), BODY)
    assert verifier.verify(signed_headers(OLD, "msg_1", now.at, BODY), BODY) == "msg_1"


def test_secrets_are_changed_without_a_gap(now: Time) -> None:
    verifier = WebhookVerifier([OLD, NEW], now)
    assert verifier.verify(signed_headers(OLD, "a", now.at, BODY), BODY) == "a"
    assert verifier.verify(signed_headers(NEW, "b", now.at, BODY), BODY) == "b"
    both = signed_headers(OLD, "c", now.at, BODY)
    both["webhook-signature"] += " v1a,AAAA " + signed_headers(NEW, "c", now.at, BODY)["webhook-signature"]
    assert WebhookVerifier([NEW], now).verify(both, BODY) == "c"


def test_memory_is_bounded_and_what_is_full_refuses_rather_than_forgets(now: Time) -> None:
    verifier = WebhookVerifier([OLD], now, ids_max=3)
    for identity in "abc":
        verifier.verify(signed_headers(OLD, identity, now.at, BODY), BODY)
    with pytest.raises(SignatureRefused, match="send it later"):
        verifier.verify(signed_headers(OLD, "d", now.at, BODY), BODY)
    with pytest.raises(SignatureRefused, match="heard already"):
        verifier.verify(signed_headers(OLD, "a", now.at, BODY), BODY)
    now.at += 302
    assert verifier.verify(signed_headers(OLD, "d", now.at, BODY), BODY) == "d"


@pytest.mark.parametrize("secret", ["", "whsec_", "hunter2hunter2", "whsec_c2hvcnQ=", "whsec_" + "A" * 100, "wh\ud800"])
def test_a_secret_that_is_none_is_refused_and_not_shown(now: Time, secret: str) -> None:
    with pytest.raises(UsageError) as caught:
        WebhookVerifier([secret], now)
    assert not secret or secret not in str(caught.value)
    with pytest.raises(UsageError, match="signing secrets"):
        WebhookVerifier([], now)


class Receiver(ThreadingHTTPServer):
    """Takes what is signed, once."""

    daemon_threads = True

    def __init__(self, verifier: WebhookVerifier) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.verifier = verifier
        self.heard: list[tuple[str, bytes]] = []


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            identity = self.server.verifier.verify(dict(self.headers), body)
        except SignatureRefused:
            self.send_error(401)
            return
        self.server.heard.append((identity, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(WebhookVerifier([NEW], lambda: time.time() - 1)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> ActWorld:
    return ActWorld(tmp_path_factory.mktemp("state"))


def post(world: ActWorld, receiver: Receiver, key: str, **more: object) -> Done:
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    action = ActionSpec("call", "http", {"method": "POST", "url": url, **more})
    agent = HttpActuator(world.context())
    agent.start(StartAction(key, action, "deploy/pay", {}, 20.0))
    done: Done = until(lambda: report if isinstance(report := agent.lookup(key), Done) else None, "the answer")
    return done


@pytest.mark.parametrize("content", [{"json": {"who": {"target": "full"}}}, {"body": "ünïcode"}, {}])
def test_a_signed_request_is_believed(world: ActWorld, receiver: Receiver, content: dict[str, object]) -> None:
    world.environment["SIGNING"] = NEW
    done = post(world, receiver, "i1/tell.people/1", sign={"secret": "env:SIGNING"}, **content)
    assert (done.status, done.detail) == (OutcomeStatus.OK, "HTTP 204 No Content")
    (heard,) = receiver.heard
    assert heard[0] == message_id("i1/tell.people/1")
    for path in world.state.rglob("*"):
        assert not path.is_file() or NEW.encode() not in path.read_bytes(), path


def test_one_that_is_not_signed_or_with_another_secret_is_not(world: ActWorld, receiver: Receiver) -> None:
    world.environment["SIGNING"] = OLD
    assert post(world, receiver, "i1/a/1").detail.startswith("HTTP 401")
    assert post(world, receiver, "i1/b/1", sign={"secret": "env:SIGNING"}).detail.startswith("HTTP 401")
    assert receiver.heard == []


@pytest.mark.parametrize(
    ("sign", "says"),
    [
        ({"secret": "env:MISSING"}, "is not set"),
        ({"secret": "env:SHORT"}, "signs nothing"),
        ({"secret": NEW}, "sign reads"),
        ("env:SIGNING", "sign reads"),
        ({"secret": "env:SIGNING", "more": 1}, "sign reads"),
    ],
)
def test_without_a_secret_nothing_is_sent(world: ActWorld, receiver: Receiver, sign: object, says: str) -> None:
    world.environment |= {"SIGNING": NEW, "SHORT": "hunter2"}
    done = post(world, receiver, "i1/c/1", sign=sign)
    assert done.status is OutcomeStatus.ERROR
    assert done.detail.startswith("nothing was run")
    assert says in done.detail
    assert "hunter2" not in done.detail
    assert receiver.heard == []


def test_the_three_headers_are_the_agents_own_where_it_signs(world: ActWorld, receiver: Receiver) -> None:
    world.environment["SIGNING"] = NEW
    forged = {"Webhook-Id": "msg_mine"}
    done = post(world, receiver, "i1/d/1", sign={"secret": "env:SIGNING"}, headers=forged)
    assert "webhook-id is set by the agent itself" in done.detail
    assert post(world, receiver, "i1/e/1", headers=forged).detail.startswith("HTTP 401")
