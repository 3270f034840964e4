"""The built-in channels against servers on this host: a signed-webhook receiver, PagerDuty's rules, SMTP, apprise."""

from __future__ import annotations

import base64
import json
import logging
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from tests.http_place import PAGERDUTY_KEY, Answer, HttpPlace, pagerduty

from homeostat.act.signing import HEADERS, signature, signed_headers, signing_key
from homeostat.model.errors import UsageError
from homeostat.notify.channel import Channel, ChannelContext, NotSentError, RefusedMessageError
from homeostat.notify.conformance import INCIDENT, TIMEOUT_S, ChannelContract, Place, message
from homeostat.notify.kinds import make_channel
from homeostat.notify.message import Topic
from homeostat.notify.post import AFTER_S_MAX, after_s
from homeostat.notify.wording import digest

NOW = 1_700_000_100.0
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
SECRETS = {"env:HOOK": SECRET, "env:PD": PAGERDUTY_KEY, "env:MAIL": "correct horse"}


def channel_of(kind: str, secrets: Mapping[str, str] = SECRETS, **options: object) -> Channel:
    def secret(reference: str) -> str:
        if reference not in secrets:
            raise RefusedMessageError(f"the secret {reference} is not set")
        return secrets[reference]

    return make_channel(kind, ChannelContext("c", options, TIMEOUT_S, lambda: NOW, secret, signed_headers))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


class HttpSide:
    """An HTTP server as a `Place`."""

    def __init__(self, server: HttpPlace, channel: Channel) -> None:
        self.server = server
        self.channel = channel
        self.hang = server.hang
        self.close = server.close

    def received(self) -> list[str]:
        return [body.decode() for body in self.server.taken]


def check_signature(headers: Mapping[str, str], body: bytes) -> Answer:
    """What a receiver does by the specification of Standard Webhooks."""
    identity, timestamp, signed = (headers.get(name, "") for name in HEADERS)
    good = signature(signing_key(SECRET), identity, timestamp, body) == signed
    return (204, {}, b"") if good else (401, {}, b"bad signature")


class TestWebhook(ChannelContract):
    @pytest.fixture
    def place(self) -> Iterator[Place]:
        server = HttpPlace(check_signature)
        yield HttpSide(server, channel_of("webhook", url=f"{server.url}/hook", secret="env:HOOK"))
        server.close()

    def test_its_body_is_as_documented_and_its_id_stays_the_same(self, place: HttpSide) -> None:
        for _ in range(2):
            place.channel.send(message(), "")
        first, second = place.server.headers
        assert first["webhook-id"] == second["webhook-id"]
        body = json.loads(place.received()[0])
        assert sorted(body) == sorted(
            ["schema", "id", "topic", "at", "severity", "title", "lines", "incident", "policy", "question", "links"]
        )
        assert body["links"] == [{"label": "console", "url": "https://console.example.org/incidents/1"}]

    @pytest.mark.parametrize(
        ("status", "kind", "after"),
        [(503, NotSentError, 7.0), (429, NotSentError, 7.0), (404, RefusedMessageError, None)],
    )
    def test_an_error_says_whether_to_try_again_and_when(
        self, place: HttpSide, status: int, kind: type[NotSentError], after: float | None
    ) -> None:
        place.server.respond = lambda _headers, _body: (status, {"Retry-After": "7"}, b"no\x1b[31m")
        with pytest.raises(NotSentError, match=f"HTTP {status}: no") as raised:
            place.channel.send(message(), "")
        assert (type(raised.value), raised.value.after_s) == (kind, after)
        assert "\x1b" not in str(raised.value)

    def test_a_redirect_is_not_followed(self, place: HttpSide) -> None:
        place.server.respond = lambda _headers, _body: (307, {"Location": place.server.url}, b"")
        with pytest.raises(RefusedMessageError, match="redirects are not followed"):
            place.channel.send(message(), "")
        assert place.server.requests == 1

    def test_an_answer_without_end_is_not_read_to_its_end(self, place: HttpSide) -> None:
        place.server.respond = lambda _headers, _body: (200, {}, b"x" * 5_000_000)
        place.channel.send(message(), "")

    def test_a_proxy_of_the_environment_is_not_used(self, place: HttpSide, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        place.channel.send(message(), "")
        assert len(place.received()) == 1

    def test_a_certificate_that_nobody_vouches_for_is_refused(self, pair: tuple[Path, Path]) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        with context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as secured:

            def take() -> None:
                try:
                    secured.accept()
                except OSError:
                    return

            threading.Thread(target=take, daemon=True).start()
            url = f"https://127.0.0.1:{secured.getsockname()[1]}"
            with pytest.raises(NotSentError, match="certificate is not trusted"):
                channel_of("webhook", url=url, secret="env:HOOK").send(message(), "")


class TestPagerDuty(ChannelContract):
    @pytest.fixture
    def place(self) -> Iterator[Place]:
        server = HttpPlace(pagerduty)
        yield HttpSide(server, channel_of("pagerduty", url=f"{server.url}/v2/enqueue", routing_key="env:PD"))
        server.close()

    def test_an_incident_is_triggered_acknowledged_and_resolved_under_one_key(self, place: HttpSide) -> None:
        conversation = ""
        for topic in (Topic.ESCALATED, Topic.ACKNOWLEDGED, Topic.CLOSED):
            conversation = place.channel.send(message(topic), conversation).conversation
        events = [json.loads(text) for text in place.received()]
        assert [event["event_action"] for event in events] == ["trigger", "acknowledge", "resolve"]
        assert {event["dedup_key"] for event in events} == {INCIDENT}
        assert events[0]["links"] == [{"href": "https://console.example.org/incidents/1", "text": "console"}]

    def test_news_without_an_alert_opens_none_joined_or_not_and_what_wants_somebody_always_does(
        self, place: HttpSide
    ) -> None:
        for topic in (Topic.OPENED, Topic.CLOSED, Topic.PAUSED):
            place.channel.send(message(topic), "")
        news = [message(Topic.RECOVERED, id=f"{number}/4") for number in range(5)]
        place.channel.send(digest(news, [one.id for one in news], 0.0), "")
        assert place.received() == []
        mild = [message(id=f"{number}/3", severity="info") for number in range(5)]
        place.channel.send(digest([*news, *mild], [one.id for one in mild], 0.0), "")
        place.channel.send(digest(mild, [one.id for one in mild], 0.0), "")
        assert [json.loads(text)["event_action"] for text in place.received()] == ["trigger", "trigger"]

    @pytest.mark.parametrize(("said", "sent"), [("warning", "warning"), ("page", "critical"), ("info", "info")])
    def test_a_severity_it_does_not_know_is_as_grave_as_it_gets(self, place: HttpSide, said: str, sent: str) -> None:
        place.channel.send(message(severity=said), "")
        assert json.loads(place.received()[0])["payload"]["severity"] == sent

    def test_a_key_that_is_refused_is_final_and_not_told(self, place: HttpSide) -> None:
        wrong = {**SECRETS, "env:PD": "not-the-key"}
        channel = channel_of("pagerduty", wrong, url=f"{place.server.url}/v2/enqueue", routing_key="env:PD")
        with pytest.raises(RefusedMessageError, match=r"HTTP 400.*invalid event") as raised:
            channel.send(message(), "")
        assert "not-the-key" not in str(raised.value)


class Mailbox:
    """Takes mail, from whoever gives the password after STARTTLS; `answer` is its reply to the next ones."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        assert session.ssl is not None
        assert session.authenticated
        if self.answer.startswith("250"):
            self.mails.append(envelope.content)
        return self.answer


class MailSide:
    """An SMTP server with STARTTLS and AUTH as a `Place`."""

    def __init__(self, cert: Path, key: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.box = Mailbox()
        self._controller = Controller(
            self.box,
            hostname="127.0.0.1",
            port=free_port(),
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=self._authenticate,
        )
        self._controller.start()
        self._is_open = True
        self._silent: socket.socket | None = None
        self.options: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self._controller.port,
            "user": "homeostat",
            "password": "env:MAIL",
            "sender": "Homeostat <homeostat@example.org>",
            "to": ["oncall@example.org", "team@example.org"],
            "ca_file": str(cert),
        }
        self.channel = channel_of("email", **self.options)

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and data.password == b"correct horse"
        return AuthResult(success=good, handled=False)

    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(content, policy=modern) for content in self.box.mails]

    def received(self) -> list[str]:
        return [f"{mail['Subject']}\n{mail.get_content()}" for mail in self.mails()]

    def hang(self) -> None:
        self.close()
        self._silent = socket.create_server(("127.0.0.1", 0))
        self.channel = channel_of("email", **{**self.options, "port": self._silent.getsockname()[1]})

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._controller.stop()
        if self._silent is not None:
            self._silent.close()


class TestEmail(ChannelContract):
    @pytest.fixture
    def place(self, pair: tuple[Path, Path]) -> Iterator[Place]:
        side = MailSide(*pair)
        yield side
        side.close()

    def test_an_incident_is_one_thread(self, place: MailSide) -> None:
        first = place.channel.send(message(), "")
        place.channel.send(message(Topic.CLOSED), first.conversation)
        began, went_on = place.mails()
        assert began["Message-ID"] == first.conversation == went_on["References"] == went_on["In-Reply-To"]
        assert went_on["Message-ID"] != began["Message-ID"]
        assert began["To"] == "oncall@example.org, team@example.org"
        assert "Zürich “naïve” 漢字" in began.get_content()

    def test_a_title_cannot_write_a_header(self, place: MailSide) -> None:
        place.channel.send(message(title="x\r\nBcc: mallory@example.org"), "")
        (mail,) = place.mails()
        assert mail["Bcc"] is None
        assert mail["Subject"] == "[homeostat] x  Bcc: mallory@example.org"

    def test_a_wrong_password_is_final_and_not_told(self, place: MailSide) -> None:
        channel = channel_of("email", {"env:MAIL": "battery staple"}, **place.options)
        with pytest.raises(RefusedMessageError, match="refused the user or password") as raised:
            channel.send(message(), "")
        assert "staple" not in str(raised.value)

    @pytest.mark.parametrize(("answer", "kind"), [("451 later", NotSentError), ("554 never", RefusedMessageError)])
    def test_what_the_server_answers_says_whether_to_try_again(
        self, place: MailSide, answer: str, kind: type[NotSentError]
    ) -> None:
        place.box.answer = answer
        with pytest.raises(NotSentError) as raised:
            place.channel.send(message(), "")
        assert type(raised.value) is kind

    def test_a_certificate_that_nobody_vouches_for_gets_no_password(self, place: MailSide) -> None:
        options = {name: value for name, value in place.options.items() if name != "ca_file"}
        with pytest.raises(NotSentError, match="is not trusted"):
            channel_of("email", **options).send(message(), "")


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
class TestApprise(ChannelContract):
    @pytest.fixture
    def place(self) -> Iterator[Place]:
        server = HttpPlace(lambda _headers, _body: (200, {}, b"ok"))
        url = server.url.replace("http://", "json://")
        yield HttpSide(server, channel_of("apprise", {"env:APPRISE": url}, url="env:APPRISE"))
        server.close()

    def test_its_url_stands_nowhere(self, place: HttpSide, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        place.server.respond = lambda _headers, _body: (500, {}, b"")
        token = "token-of-somebody"
        url = f"{place.server.url.replace('http://', 'json://user:' + token + '@')}"
        with pytest.raises(NotSentError) as raised:
            channel_of("apprise", {"env:APPRISE": url}, url="env:APPRISE").send(message(), "")
        assert place.server.requests == 1
        assert token not in str(raised.value)
        assert not [record for record in caplog.records if token in record.getMessage()]
        with pytest.raises(RefusedMessageError, match="env:APPRISE stands for no URL"):
            channel_of("apprise", {"env:APPRISE": "nonsense"}, url="env:APPRISE").send(message(), "")


def test_what_a_channel_is_told_wrongly_is_an_error_that_names_it() -> None:
    good_mail = {"host": "mail.example.org", "sender": "a@b.c", "to": ["d@e.f"]}
    for kind, options, why in (
        ("webhok", {}, "did you mean 'webhook'"),
        ("webhook", {"url": "https://x.example", "secret": "env:A", "sekret": "b"}, "did you mean 'secret'"),
        ("webhook", {"url": "http://x.example", "secret": "env:A"}, "must begin with https://"),
        ("webhook", {"url": "https://u:p@x.example", "secret": "env:A"}, "must hold no user"),
        ("webhook", {"url": "https://x.example", "secret": "whsec_abc"}, "must be a reference"),
        ("pagerduty", {"routing_key": PAGERDUTY_KEY}, "must be a reference"),
        ("pagerduty", {}, "'routing_key' field required"),
        ("email", {**good_mail, "tls": "none"}, "tls = 'none' is for a server on this host"),
        ("email", {**good_mail, "user": "u"}, "user and password go together"),
        ("email", {**good_mail, "to": ["nobody"]}, "is no mail address"),
        ("email", {**good_mail, "to": []}, "'to'"),
        ("apprise", {"url": "json://host"}, "must be a reference"),
        ("log", {"colour": "red"}, "has no option 'colour'"),
    ):
        with pytest.raises(UsageError) as raised:
            channel_of(kind, **options)
        assert why in str(raised.value), (kind, options)
        assert PAGERDUTY_KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, None), ("12", 12.0), ("999999", AFTER_S_MAX), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(header: str | None, expected: float | None) -> None:
    assert after_s(header) == expected


def test_the_log_takes_everything() -> None:
    assert channel_of("log").send(message(), "").conversation == ""


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of its own authority for 127.0.0.1, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return cert, key


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
