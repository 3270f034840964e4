"""Any JSON by a mapping: places, states, labels, fingerprints, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from homeostat.model.alerts import AlertState
from homeostat.sense.alerts import AlertRefusal, Delivery, Format, Refusal, parse
from homeostat.sense.alerts.generic import AlertMapping
from homeostat.sense.alerts.places import STEPS_MAX, Place
from homeostat.sense.alerts.ready_made import READY_MADE

MAPPING = AlertMapping(
    alerts=Place.parse("payload.items"),
    name=(Place.parse("alert.title"), Place.parse("payload.subject")),
    state=(Place.parse("alert.state"),),
    states={"BAD": "firing", "seen": "acknowledged", "good": "resolved", "talk": "ignored"},
    fingerprint=(Place.parse("alert.id"),),
    labels={"team": Place.parse("payload.fields[key=team].value"), "first": Place.parse("alert.hosts[0]")},
    tags=(Place.parse("alert.tags"),),
)
PAYLOAD: dict[str, Any] = {
    "subject": "something",
    "fields": [{"key": "zone", "value": "a"}, {"key": "team", "value": "shop"}, 7],
    "items": [
        {"id": 1, "title": "disk", "state": "bad", "hosts": ["h1", "h2"], "tags": "env:prod, noisy,:x"},
        {"id": 2, "state": "Seen", "tags": ["env:test"]},
        {"id": 3, "state": "talk"},
        {"id": 4, "title": "disk", "state": "good", "tags": {"env": "dev", "list": []}},
    ],
}


def read(payload: Any, mapping: AlertMapping = MAPPING) -> Delivery | Refusal:
    return parse("here", Format.GENERIC, json.dumps(payload).encode(), mapping)


def test_a_list_of_alerts_is_read_by_places() -> None:
    delivery = read(PAYLOAD)
    assert isinstance(delivery, Delivery)
    told = [(found.fingerprint, found.name, found.state, found.labels) for found in delivery.alerts]
    assert told == [
        ("1", "disk", AlertState.FIRING, {"env": "prod", "noisy": "true", "team": "shop", "first": "h1"}),
        ("2", "something", AlertState.ACKNOWLEDGED, {"env": "test", "team": "shop"}),
        ("4", "disk", AlertState.RESOLVED, {"env": "dev", "team": "shop"}),
    ]


@pytest.mark.parametrize(
    ("change", "mapping", "reason"),
    [
        ({"items": 7}, MAPPING, AlertRefusal.UNKNOWN_SHAPE),
        ({"items": [7]}, MAPPING, AlertRefusal.UNKNOWN_SHAPE),
        ({"items": [{"id": 1, "title": "x"}]}, MAPPING, AlertRefusal.NO_STATE),
        ({"items": [{"id": 1, "title": "x", "state": "ugly"}]}, MAPPING, AlertRefusal.NO_STATE),
        ({"items": [{"title": "x", "state": "bad"}]}, MAPPING, AlertRefusal.NO_FINGERPRINT),
        ({"items": [{"id": 1, "state": "bad"}], "subject": "$SUBJECT"}, MAPPING, AlertRefusal.NO_NAME),
        ({"items": [{"id": 1, "state": "bad", "title": "{{x}} is down"}]}, MAPPING, AlertRefusal.NOT_AN_EVENT),
        ({"items": [{}] * 10_001}, MAPPING, AlertRefusal.TOO_MANY),
    ],
)
def test_what_the_mapping_does_not_fit_is_refused(change: Any, mapping: AlertMapping, reason: AlertRefusal) -> None:
    refusal = read(PAYLOAD | change, mapping)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason


def test_one_bad_alert_refuses_the_whole_delivery() -> None:
    assert isinstance(read(PAYLOAD | {"items": [*PAYLOAD["items"], {"id": 5, "state": "ugly"}]}), Refusal)


def test_a_list_without_alerts_is_none_to_refuse() -> None:
    assert read(PAYLOAD | {"items": []}) == Delivery(ignored="it holds no alerts")


def test_without_places_of_a_fingerprint_name_and_labels_are_one() -> None:
    by_labels = replace(MAPPING, fingerprint=())
    first, again = read(PAYLOAD, by_labels), read(PAYLOAD, by_labels)
    assert isinstance(first, Delivery)
    assert first == again
    assert len({found.fingerprint for found in first.alerts}) == 3


def test_a_state_that_nobody_says_is_only_assumed_where_the_mapping_does() -> None:
    assumed = read({"items": [{"id": 1, "title": "x"}]}, replace(MAPPING, state_if_absent="firing"))
    assert isinstance(assumed, Delivery)
    assert assumed.alerts[0].state is AlertState.FIRING


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("title", "begins with"),
        ("payloads.title", "begins with"),
        ("payload..title", "cannot be read"),
        ("payload.items[x]", "cannot be read"),
        ("payload.items[0", "cannot be read"),
        ("payload" + ".a" * (STEPS_MAX + 1), "too deep"),
    ],
)
def test_a_place_that_is_none_says_why(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Place.parse(text)


def test_what_prometheus_itself_sends_is_read() -> None:
    labels = {"alertname": "Down", "job": "shop"}
    sent = [{"labels": labels, "annotations": {"summary": "s"}, "startsAt": "2026-03-01T12:00:00Z"}]
    delivery = read(sent, READY_MADE["prometheus"])
    assert isinstance(delivery, Delivery)
    assert [(found.name, found.state, found.labels) for found in delivery.alerts] == [
        ("Down", AlertState.FIRING, labels)
    ]


def test_a_monitor_of_datadog_goes_and_comes() -> None:
    event = {"title": "CPU", "monitor_id": "7", "scopes": "host:a", "tags": "env:prod", "date": 1_772_366_400_000}
    went = read(event | {"alert_transition": "Triggered"}, READY_MADE["datadog"])
    came = read(event | {"alert_transition": "Recovered"}, READY_MADE["datadog"])
    assert isinstance(went, Delivery)
    assert isinstance(came, Delivery)
    assert went.alerts[0].fingerprint == came.alerts[0].fingerprint
    assert [went.alerts[0].state, came.alerts[0].state] == [AlertState.FIRING, AlertState.RESOLVED]
