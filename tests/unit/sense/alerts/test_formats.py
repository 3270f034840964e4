"""What each sender's deliveries come to, and why one is refused."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest
from tests.unit.sense.alerts.deliveries import alert, alertmanager, grafana, opsgenie, pagerduty, read, refused, taken

from homeostat.model.alerts import AlertState
from homeostat.sense.alerts import AlertRefusal, Format
from homeostat.sense.alerts.paging import is_signed
from homeostat.sense.alerts.payload import (
    ALERTS_MAX,
    BYTES_MAX,
    DEPTH_MAX,
    LABELS_MAX,
    VALUE_CHARACTERS_MAX,
    time_of,
    url_of,
)
from homeostat.sense.alerts.refusal import ADVICE

NOON = 1_772_366_400.0


def test_alertmanager_says_all_of_an_alert() -> None:
    (found,) = taken(Format.ALERTMANAGER, alertmanager()).alerts
    assert (found.source, found.fingerprint, found.name) == ("here", "c6eadffa33fcdf37", "PaymentsDown")
    assert (found.state, found.severity) == (AlertState.FIRING, "critical")
    assert found.labels == {"alertname": "PaymentsDown", "instance": "pay-1", "severity": "critical"}
    assert found.annotations == {"summary": "payments do not answer"}
    assert (found.starts_at, found.ends_at) == (NOON + 180.5, None)
    assert found.url == "http://prometheus:9090/graph?g0.expr=up+%3D%3D+0"


def test_an_alert_that_is_over_says_since_when() -> None:
    (found,) = taken(Format.ALERTMANAGER, alertmanager(alert("resolved"))).alerts
    assert (found.state, found.ends_at) == (AlertState.RESOLVED, NOON + 600.0)


def test_what_a_group_leaves_out_is_kept() -> None:
    assert taken(Format.ALERTMANAGER, alertmanager(truncatedAlerts=7)).truncated == 7


def test_an_alert_that_comes_twice_counts_once_and_by_its_last_word() -> None:
    delivery = taken(Format.ALERTMANAGER, alertmanager(alert(), alert("resolved")))
    assert [found.state for found in delivery.alerts] == [AlertState.RESOLVED]


def test_without_a_fingerprint_the_labels_are_one() -> None:
    one, other, third = taken(
        Format.ALERTMANAGER,
        alertmanager(
            alert(fingerprint=None), alert(fingerprint=None, instance="pay-2"), alert(fingerprint=None, zone="b")
        ),
    ).alerts
    assert len({one.fingerprint, other.fingerprint, third.fingerprint}) == 3
    (again,) = taken(Format.ALERTMANAGER, alertmanager(alert("resolved", fingerprint=None))).alerts
    assert again.fingerprint == one.fingerprint


def test_grafana_links_to_its_panel() -> None:
    (found,) = taken(Format.GRAFANA, grafana(truncatedAlerts=2)).alerts
    assert (found.state, found.url) == (AlertState.FIRING, "http://grafana/d/1?viewPanel=2")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("triggered", AlertState.FIRING),
        ("acknowledged", AlertState.ACKNOWLEDGED),
        ("resolved", AlertState.RESOLVED),
    ],
)
def test_pagerduty_tells_by_an_incidents_status(status: str, state: AlertState) -> None:
    (found,) = taken(Format.PAGERDUTY, pagerduty(status)).alerts
    assert (found.fingerprint, found.name, found.state) == ("PGR0VU2", "payments do not answer", state)
    assert (found.severity, found.labels["service"]) == ("high", "payments")
    assert (found.starts_at, found.said_at) == (NOON + 180.0, NOON + 240.0)
    assert found.ends_at == (NOON + 240.0 if state is AlertState.RESOLVED else None)


@pytest.mark.parametrize(
    "payload",
    [
        {"event": {"event_type": "pagey.ping", "data": {"message": "Hello from your friend Pagey!"}}},
        pagerduty(kind="incident.annotated", type="incident_note"),
        pagerduty(kind="service.updated"),
    ],
)
def test_pagerdutys_other_events_are_no_mistake(payload: dict[str, Any]) -> None:
    delivery = taken(Format.PAGERDUTY, payload)
    assert delivery.alerts == ()
    assert delivery.ignored


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("Create", AlertState.FIRING),
        ("Acknowledge", AlertState.ACKNOWLEDGED),
        ("UnAcknowledge", AlertState.FIRING),
        ("Close", AlertState.RESOLVED),
        ("Delete", AlertState.RESOLVED),
    ],
)
def test_opsgenie_tells_by_what_was_done(action: str, state: AlertState) -> None:
    (found,) = taken(Format.OPSGENIE, opsgenie(action)).alerts
    assert (found.fingerprint, found.state) == ("052652ac-5d1c-464a-812a-7dd18bbfba8c", state)
    assert found.labels == {"region": "eu", "alias": "payments", "entity": "pay-1", "tinyId": "23"}
    assert (found.starts_at, found.said_at) == (NOON + 180.0, NOON + 240.0)


def test_opsgenies_other_actions_change_no_state() -> None:
    assert taken(Format.OPSGENIE, opsgenie("AddNote")).alerts == ()


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("form", "payload", "reason"),
    [
        (Format.ALERTMANAGER, b"", AlertRefusal.NOT_JSON),
        (Format.ALERTMANAGER, b"\xff\xfe{}", AlertRefusal.NOT_JSON),
        (Format.ALERTMANAGER, b'{"version": NaN}', AlertRefusal.NOT_JSON),
        (Format.ALERTMANAGER, b"[" + b"9" * 5000 + b"]", AlertRefusal.NOT_JSON),
        (Format.ALERTMANAGER, nested(DEPTH_MAX), AlertRefusal.UNKNOWN_SHAPE),
        (Format.ALERTMANAGER, nested(DEPTH_MAX + 1), AlertRefusal.TOO_DEEP),
        (Format.ALERTMANAGER, nested(1_000_000), AlertRefusal.TOO_DEEP),
        (Format.ALERTMANAGER, b" " * (BYTES_MAX + 1), AlertRefusal.TOO_LARGE),
        (Format.ALERTMANAGER, b'{"version": "4", "version": "4"}', AlertRefusal.DUPLICATE_KEYS),
        (Format.ALERTMANAGER, [], AlertRefusal.UNKNOWN_SHAPE),
        (Format.ALERTMANAGER, alertmanager(version="3"), AlertRefusal.UNSUPPORTED_VERSION),
        (Format.ALERTMANAGER, alertmanager(version="5"), AlertRefusal.UNSUPPORTED_VERSION),
        (Format.ALERTMANAGER, alertmanager(version=4), AlertRefusal.UNSUPPORTED_VERSION),
        (Format.ALERTMANAGER, {}, AlertRefusal.UNSUPPORTED_VERSION),
        (Format.ALERTMANAGER, grafana(), AlertRefusal.UNSUPPORTED_VERSION),
        (Format.ALERTMANAGER, alertmanager(alerts=[]), AlertRefusal.UNKNOWN_SHAPE),
        (Format.ALERTMANAGER, alertmanager(alerts=[], truncatedAlerts=9), AlertRefusal.TRUNCATED),
        (Format.ALERTMANAGER, alertmanager(truncatedAlerts=-1), AlertRefusal.UNKNOWN_SHAPE),
        (Format.ALERTMANAGER, alertmanager(truncatedAlerts=True), AlertRefusal.UNKNOWN_SHAPE),
        (Format.ALERTMANAGER, alertmanager(alerts=[{}] * (ALERTS_MAX + 1)), AlertRefusal.TOO_MANY),
        (Format.ALERTMANAGER, alertmanager(alert("suppressed")), AlertRefusal.NO_STATE),
        (Format.ALERTMANAGER, alertmanager({**alert(), "labels": {"job": "x"}}), AlertRefusal.NO_NAME),
        (Format.ALERTMANAGER, alertmanager({**alert(), "labels": {"alertname": 7}}), AlertRefusal.UNKNOWN_SHAPE),
        (Format.GRAFANA, grafana(version="4"), AlertRefusal.UNSUPPORTED_VERSION),
        (Format.GRAFANA, {"ruleId": 1, "ruleName": "x", "state": "alerting"}, AlertRefusal.UNSUPPORTED_VERSION),
        (Format.GRAFANA, {"condition": "A", "data": [], "title": "x"}, AlertRefusal.NOT_AN_EVENT),
        (Format.PAGERDUTY, {"messages": []}, AlertRefusal.UNSUPPORTED_VERSION),
        (Format.PAGERDUTY, {"event": 1}, AlertRefusal.UNKNOWN_SHAPE),
        (Format.PAGERDUTY, {"event": {}}, AlertRefusal.UNKNOWN_SHAPE),
        (Format.PAGERDUTY, pagerduty("asleep"), AlertRefusal.NO_STATE),
        (Format.PAGERDUTY, pagerduty(id=""), AlertRefusal.NO_FINGERPRINT),
        (Format.PAGERDUTY, pagerduty(title=None), AlertRefusal.NO_NAME),
        (Format.OPSGENIE, {"action": "Create"}, AlertRefusal.UNKNOWN_SHAPE),
        (Format.OPSGENIE, {**opsgenie(), "action": None}, AlertRefusal.UNKNOWN_SHAPE),
        (Format.OPSGENIE, opsgenie(alertId=None), AlertRefusal.NO_FINGERPRINT),
        (Format.OPSGENIE, opsgenie(message="\n"), AlertRefusal.NO_NAME),
    ],
)
def test_each_refusal_has_its_reason(form: Format, payload: Any, reason: AlertRefusal) -> None:
    refusal = refused(form, payload)
    assert refusal.reason is reason
    assert ADVICE[reason] in str(refusal)


def test_every_reason_says_what_to_do() -> None:
    assert set(ADVICE) == set(AlertRefusal)


def test_texts_are_printable_and_cut() -> None:
    delivery = taken(
        Format.ALERTMANAGER,
        alertmanager(alert(evil="\x1b[2J\ud800\x00", long="x" * 5000, **{f"label{n:03}": "y" for n in range(200)})),
    )
    (found,) = delivery.alerts
    assert found.labels["evil"] == "\N{REPLACEMENT CHARACTER}[2J" + "\N{REPLACEMENT CHARACTER}" * 2
    assert found.labels["long"] == "x" * (VALUE_CHARACTERS_MAX - 1) + "…"
    assert len(found.labels) == LABELS_MAX
    json.dumps(found.labels).encode()


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("2026-03-01T12:00:00Z", NOON),
        ("2026-03-01T13:00:00.25+01:00", NOON + 0.25),
        ("2026-03-01T13:00:00+01.00", NOON),
        ("2026-03-01 12:00:00 +0000 UTC", NOON),
        ("2026/03/01 12:00:00 GMT", NOON),
        ("2026-03-01 12:00:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("2026-13-01T12:00:00Z", None),
        (1_772_366_400, NOON),
        ("1772366400", NOON),
        (1_772_366_400_000, NOON),
        (1_772_366_400_000_000_000, NOON),
        (float("inf"), None),
        (-5, None),
        (True, None),
        ("yesterday", None),
        ([], None),
    ],
)
def test_times_are_read_where_their_zone_is_known(given: object, seconds: float | None) -> None:
    assert time_of(given) == seconds


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://dana:secret@host/path?x=1#y", "https://host/path?x=1#y"),
        ("javascript:alert(1)", ""),
        ("/relative", ""),
        ("http://[::1", ""),
        ("http://host/a b", ""),
        ("https://host/" + "x" * 2000, ""),
        (7, ""),
    ],
)
def test_addresses_can_be_linked_to_and_hold_no_password(given: object, shown: str) -> None:
    assert url_of(given) == shown


def test_pagerdutys_signature_may_be_of_any_of_our_secrets_and_of_no_other() -> None:
    body = json.dumps(pagerduty()).encode()

    def signature(secret: str, version: str = "v1") -> str:
        return f"{version}={hmac.new(secret.encode(), body, 'sha256').hexdigest()}"

    assert is_signed(body, signature("new"), ["old", "new"])
    assert is_signed(body, f"{signature('other')}, {signature('old')}", ["old"])
    assert not is_signed(body, signature("other"), ["old", "new"])
    assert not is_signed(body + b" ", signature("new"), ["new"])
    assert not is_signed(body, signature("new", "v2"), ["new"])
    assert not is_signed(body, "", ["new"])
    assert not is_signed(body, signature("new"), [])
    assert not is_signed(body, "," * 1000 + signature("new"), ["new"])


def test_the_same_bytes_come_to_the_same() -> None:
    assert read(Format.ALERTMANAGER, alertmanager()) == read(Format.ALERTMANAGER, alertmanager())
