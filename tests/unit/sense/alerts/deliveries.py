"""Deliveries as their senders' documentation shows them."""

from __future__ import annotations

import json
from typing import Any

from homeostat.sense.alerts import Delivery, Format, Refusal, parse


def alertmanager(*alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{alertname="PaymentsDown"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "homeostat",
        "groupLabels": {"alertname": "PaymentsDown"},
        "commonLabels": {"alertname": "PaymentsDown"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": list(alerts or [alert()]),
        **more,
    }


def alert(status: str = "firing", fingerprint: str | None = "c6eadffa33fcdf37", **labels: str) -> dict[str, Any]:
    one = {
        "status": status,
        "labels": {"alertname": "PaymentsDown", "instance": "pay-1", "severity": "critical", **labels},
        "annotations": {"summary": "payments do not answer"},
        "startsAt": "2026-03-01T12:03:00.5Z",
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-03-01T12:10:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=up+%3D%3D+0",
    }
    return one if fingerprint is None else {**one, "fingerprint": fingerprint}


def grafana(**more: Any) -> dict[str, Any]:
    one = {
        **alert(),
        "silenceURL": "http://grafana/silence",
        "panelURL": "http://grafana/d/1?viewPanel=2",
        "values": {"A": 1},
    }
    return {**alertmanager(one), "version": "1", "orgId": 1, "title": "[FIRING:1]", "state": "alerting", **more}


def pagerduty(status: str = "triggered", kind: str = "incident.triggered", **data: Any) -> dict[str, Any]:
    return {
        "event": {
            "id": "01BZ4ZJHQ3JV6AH8V7E5J1PPQ3",
            "event_type": kind,
            "resource_type": "incident",
            "occurred_at": "2026-03-01T12:04:00Z",
            "data": {
                "id": "PGR0VU2",
                "type": "incident",
                "html_url": "https://acme.pagerduty.com/incidents/PGR0VU2",
                "number": 2,
                "status": status,
                "incident_key": "d3640fbd41094207a1c11e58e46b1662",
                "created_at": "2026-03-01T12:03:00Z",
                "title": "payments do not answer",
                "service": {"id": "PF9KMXH", "type": "service_reference", "summary": "payments"},
                "priority": None,
                "urgency": "high",
                **data,
            },
        }
    }


def opsgenie(action: str = "Create", **details: Any) -> dict[str, Any]:
    return {
        "action": action,
        "integrationName": "Webhook",
        "integrationType": "Webhook",
        "source": {"name": "web", "type": "web"},
        "alert": {
            "alertId": "052652ac-5d1c-464a-812a-7dd18bbfba8c",
            "message": "payments do not answer",
            "tags": ["tag1"],
            "tinyId": "23",
            "entity": "pay-1",
            "alias": "payments",
            "createdAt": 1_772_366_580_000,
            "updatedAt": 1_772_366_640_000_000_000,
            "username": "dana",
            "description": "since noon",
            "priority": "P1",
            "details": {"region": "eu"},
            **details,
        },
    }


def read(form: Format, payload: Any) -> Delivery | Refusal:
    return parse("here", form, payload if isinstance(payload, bytes) else json.dumps(payload).encode())


def taken(form: Format, payload: Any) -> Delivery:
    delivery = read(form, payload)
    assert isinstance(delivery, Delivery), delivery
    return delivery


def refused(form: Format, payload: Any) -> Refusal:
    refusal = read(form, payload)
    assert isinstance(refusal, Refusal), refusal
    assert len(str(refusal)) < 700
    return refusal
