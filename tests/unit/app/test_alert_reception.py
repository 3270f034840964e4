"""`POST /alerts/NAME`: who is let in, what is answered, and that nothing but alerts opens by a source's secret."""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import socket
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.unit.sense.alerts.deliveries import alert, alertmanager, opsgenie, pagerduty

from homeostat.app.alert_intake import AlertIntake
from homeostat.app.alert_reception import CALLERS_MAX, AlertReception
from homeostat.app.listener import Listener
from homeostat.app.settings import Settings, load_settings
from homeostat.model import entries as e
from homeostat.model.errors import UsageError
from homeostat.sense.alerts.payload import BYTES_MAX

SETTINGS = """\
[alerts.sources.am]
kind = "alertmanager"
policies = {PaymentsDown = "payments"}
[alerts.sources.own]
kind = "alertmanager"
token = "env:AM_TOKEN"
policy_label = "service"
policies = {shop = "shop-policy"}
[alerts.sources.pager]
kind = "pagerduty"
signing_secrets = ["env:PAGER_OLD", "env:PAGER_NEW"]
[alerts.sources.genie]
kind = "opsgenie"
user = "genie"
password = "env:GENIE"
[alerts.sources.dog]
kind = "generic"
ready_made = "datadog"
"""
SECRETS = {"AM_TOKEN": "am-token", "PAGER_OLD": "old", "PAGER_NEW": "new", "GENIE": "lamp"}


def settings_in(folder: Path, text: str = SETTINGS) -> Settings:
    (folder / "homeostat.toml").write_text(text)
    return load_settings(folder / "homeostat.toml")


class Served:
    def __init__(self, folder: Path, waiting_max: int = 1000) -> None:
        self.intake = AlertIntake(waiting_max=waiting_max)
        registry = CollectorRegistry()
        reception = AlertReception(settings_in(folder), "agent-token", self.intake, registry)
        self.listener = Listener("127.0.0.1:0", "agent-token", registry, lambda: None, lambda: None, alerts=reception)

    def send(
        self, name: str, payload: Any, headers: dict[str, str] | None = None, method: str = "POST"
    ) -> tuple[int, str, http.client.HTTPMessage]:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        connection = http.client.HTTPConnection(self.listener.address, timeout=10)
        try:
            connection.request(method, f"/alerts/{name}", body, headers={} if headers is None else headers)
            response = connection.getresponse()
            return response.status, response.read().decode(), response.headers
        finally:
            connection.close()

    def journalled(self) -> list[e.AlertReceived]:
        entries = self.intake.collect(100.0)
        self.intake.settled(written=True)
        return [entry for entry in entries if isinstance(entry, e.AlertReceived)]


AGENT = {"Authorization": "Bearer agent-token"}
OWN = {"Authorization": "Bearer am-token"}
BASIC = {"Authorization": "Basic " + base64.b64encode(b"genie:lamp").decode()}


def signed(body: bytes, secret: str) -> dict[str, str]:
    return {"X-PagerDuty-Signature": "v1=" + hmac.new(secret.encode(), body, "sha256").hexdigest()}


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    served = Served(tmp_path)
    yield served
    served.listener.close()


def test_each_source_is_let_in_by_its_own_secret_and_told_what_was_taken(served: Served) -> None:
    page = json.dumps(pagerduty()).encode()
    assert served.send("am", alertmanager(), AGENT)[:2] == (
        202,
        "1 taken; the agent looks at once, and only signals decide\n",
    )
    assert served.send("own", alertmanager(alert(service="shop", homeostat_policy="named")), OWN)[0] == 202
    assert served.send("pager", page, signed(page, "old"))[0] == 202
    assert served.send("genie", opsgenie("Close"), BASIC)[0] == 202
    assert served.send("dog", {"title": "CPU", "monitor_id": 1}, AGENT)[0] == 202
    told = [(entry.source, entry.name, entry.policies) for entry in served.journalled()]
    assert told == [
        ("am", "PaymentsDown", ("payments",)),
        ("own", "PaymentsDown", ("named", "shop-policy")),
        ("pager", "payments do not answer", ()),
        ("genie", "payments do not answer", ()),
        ("dog", "CPU", ()),
    ]


def test_nothing_is_taken_or_told_without_the_secret(served: Served) -> None:
    wrong: list[dict[str, str]] = [{}, {"Authorization": "Bearer wrong"}, {"X-PagerDuty-Signature": "v1=00"}]
    wrong.append({"Authorization": "wröng"})
    names = ("am", "own", "pager", "genie", "dog", "nobody", "", "am/x", "../metrics")
    for name, method, headers in product(names, ("GET", "POST", "PUT", "DELETE", "OPTIONS"), wrong):
        status, text, _ = served.send(name, alertmanager(), headers, method)
        assert status == (405 if name == "pager" and method != "POST" else 401), (name, method, headers)
        assert "known" not in text
    assert served.journalled() == []


@pytest.mark.parametrize(("name", "headers"), [("own", AGENT), ("am", OWN), ("genie", AGENT), ("pager", AGENT)])
def test_another_sources_secret_does_not_do(served: Served, name: str, headers: dict[str, str]) -> None:
    assert served.send(name, alertmanager(), headers)[0] == 401


def test_a_sources_secret_opens_nothing_else(served: Served) -> None:
    for path in ("metrics", "healthz", "retrain", "ranking"):
        connection = http.client.HTTPConnection(served.listener.address, timeout=10)
        connection.request("POST", f"/{path}", headers=OWN)
        assert connection.getresponse().status == 401
        connection.close()


def test_a_signature_is_of_the_bytes_that_came(served: Served) -> None:
    page = json.dumps(pagerduty()).encode()
    assert served.send("pager", page + b" ", signed(page, "new"))[0] == 401
    assert served.send("pager", page, signed(page, "stolen"))[0] == 401
    both = {"X-PagerDuty-Signature": ",".join(signed(page, secret).popitem()[1] for secret in ("unknown", "new"))}
    assert served.send("pager", page, both)[0] == 202


@pytest.mark.parametrize(
    ("payload", "status", "what"),
    [
        (b"{", 400, "not_json"),
        (alertmanager(version="3"), 400, "unsupported_version"),
        (alertmanager(alerts=[], truncatedAlerts=3), 400, "truncated"),
        (b"", 400, "not_json"),
    ],
)
def test_what_never_will_be_taken_is_refused_with_its_reason(
    served: Served, payload: Any, status: int, what: str
) -> None:
    assert served.send("am", payload, AGENT)[0] == status
    assert what in served.send("am", payload, AGENT)[1]
    assert served.journalled() == []


def test_a_delivery_that_is_too_large_is_refused_before_it_is_read(served: Served) -> None:
    assert raw(served, f"Authorization: Bearer agent-token\r\nContent-Length: {BYTES_MAX + 1}\r\n").startswith("413")


def test_a_delivery_without_a_length_is_refused(served: Served) -> None:
    assert raw(served, "Authorization: Bearer agent-token\r\nTransfer-Encoding: chunked\r\n").startswith("411")


def raw(served: Served, headers: str) -> str:
    host, _, port = served.listener.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"POST /alerts/am HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode())
        return connection.recv(4096).decode().partition(" ")[2]


def test_what_needs_nothing_done_is_no_mistake(served: Served) -> None:
    assert served.send("genie", opsgenie("AddNote"), BASIC)[0] == 200
    assert served.journalled() == []


def test_when_it_is_full_the_sender_is_told_when_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    served = Served(tmp_path, waiting_max=1)
    try:
        assert served.send("am", alertmanager(), AGENT)[0] == 202
        status, _, headers = served.send("am", alertmanager(alert(fingerprint="other")), AGENT)
        assert (status, headers["Retry-After"]) == (503, "5")
        assert len(served.journalled()) == 1
        assert served.send("am", alertmanager(alert(fingerprint="other")), AGENT)[0] == 202
    finally:
        served.listener.close()


def test_slow_senders_leave_room_for_those_who_ask_how_the_agent_is(served: Served) -> None:
    host, _, port = served.listener.address.partition(":")
    slow = [socket.create_connection((host, int(port)), timeout=10) for _ in range(CALLERS_MAX)]
    try:
        for connection in slow:
            head = "Authorization: Bearer agent-token\r\nContent-Length: 1000\r\n"
            connection.sendall(f"POST /alerts/am HTTP/1.1\r\nHost: {host}\r\n{head}\r\n".encode())
        for _ in range(100):
            status, _, headers = served.send("am", alertmanager(), AGENT)
            if status == 503:
                break
        assert (status, headers["Retry-After"]) == (503, "5")
        asking = http.client.HTTPConnection(served.listener.address, timeout=10)
        asking.request("GET", "/healthz", headers=AGENT)
        assert asking.getresponse().status == 200
        asking.close()
    finally:
        for one in slow:
            one.close()


def test_an_unknown_source_is_named_to_who_may_know(served: Served) -> None:
    status, text, _ = served.send("amm", alertmanager(), AGENT)
    assert status == 404
    assert "did you mean 'am'" in text


def test_the_metrics_count_what_came(served: Served) -> None:
    served.send("am", alertmanager(alert(), alert(fingerprint="g")), AGENT)
    served.send("am", b"x", AGENT)
    connection = http.client.HTTPConnection(served.listener.address, timeout=10)
    connection.request("GET", "/metrics", headers=AGENT)
    text = connection.getresponse().read().decode()
    connection.close()
    assert 'homeostat_alerts_received_total{source="am"} 2.0' in text
    assert 'homeostat_alerts_refused_total{reason="not_json",source="am"} 1.0' in text


def test_a_secret_that_is_not_there_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AM_TOKEN", raising=False)
    with pytest.raises(UsageError, match=r"alerts\.sources\.own: the secret env:AM_TOKEN is not set"):
        AlertReception(settings_in(tmp_path), "agent-token", AlertIntake(), CollectorRegistry())
