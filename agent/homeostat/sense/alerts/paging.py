"""Webhooks of paging services: PagerDuty's, version 3, and Opsgenie's.

https://developer.pagerduty.com/docs/webhooks-overview
https://support.atlassian.com/opsgenie/docs/opsgenie-edge-connector-alert-action-data/
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Any

from homeostat.model.alerts import Alert, AlertState
from homeostat.sense.alerts.payload import (
    NAME_CHARACTERS_MAX,
    fingerprint_of,
    labels_of,
    shown,
    text_of,
    texts_of,
    time_of,
    url_of,
)
from homeostat.sense.alerts.refusal import AlertRefusal, Delivery, Refused

_INCIDENT_STATES = {
    "triggered": AlertState.FIRING,
    "acknowledged": AlertState.ACKNOWLEDGED,
    "resolved": AlertState.RESOLVED,
}
_ACTIONS = {
    "Create": AlertState.FIRING,
    "UnAcknowledge": AlertState.FIRING,
    "Acknowledge": AlertState.ACKNOWLEDGED,
    "Close": AlertState.RESOLVED,
    "Delete": AlertState.RESOLVED,
}
_SIGNATURES_MAX = 16


def is_signed(body: bytes, header: str, secrets: Iterable[str]) -> bool:
    """Whether PagerDuty's header `X-PagerDuty-Signature` holds a signature of these bytes by one of the secrets.

    It reads `v1=HEX,v1=HEX`, HMAC-SHA256 of the body: several while a secret is changed. Other versions do not count.
    https://developer.pagerduty.com/docs/verifying-webhook-signatures
    """
    offered = [part.strip().encode("utf-8", "replace") for part in header.split(",", _SIGNATURES_MAX)]
    expected = [b"v1=" + hmac.new(secret.encode(), body, "sha256").hexdigest().encode() for secret in secrets]
    return any(hmac.compare_digest(one, other) for one in offered[:_SIGNATURES_MAX] for other in expected)


def pagerduty(source: str, payload: Any) -> Delivery:
    """Read a delivery of PagerDuty: one event of an incident. Raises Refused."""
    if isinstance(payload, dict) and "messages" in payload:
        raise Refused(AlertRefusal.UNSUPPORTED_VERSION, "a webhook of version 2, and only version 3 is known")
    event = _part(payload, "event")
    kind = event.get("event_type")
    if not isinstance(kind, str):
        raise Refused(AlertRefusal.UNKNOWN_SHAPE, f"event.event_type is {shown(kind)}")
    data = event.get("data")
    if not kind.startswith("incident.") or not isinstance(data, dict) or data.get("type") != "incident":
        return Delivery(ignored=f"{shown(kind)} says nothing of an incident's state")
    identity, name = text_of(data.get("id")), text_of(data.get("title"), NAME_CHARACTERS_MAX)
    if not identity:
        raise Refused(AlertRefusal.NO_FINGERPRINT, "event.data.id is missing")
    if not name:
        raise Refused(AlertRefusal.NO_NAME, "event.data.title is missing")
    status = data.get("status")
    if not isinstance(status, str) or status not in _INCIDENT_STATES:
        raise Refused(AlertRefusal.NO_STATE, f"event.data.status is {shown(status)}")
    state, said_at = _INCIDENT_STATES[status], time_of(event.get("occurred_at"))
    pairs = [("service", _summary(data, "service")), ("priority", _summary(data, "priority"))]
    pairs += [(key, text_of(data.get(key))) for key in ("urgency", "incident_key", "number")]
    alert = Alert(
        source=source,
        fingerprint=fingerprint_of(identity),
        name=name,
        state=state,
        severity=text_of(data.get("urgency")),
        labels=labels_of(pairs),
        starts_at=time_of(data.get("created_at")),
        ends_at=said_at if state is AlertState.RESOLVED else None,
        said_at=said_at,
        url=url_of(data.get("html_url")),
    )
    return Delivery((alert,))


def opsgenie(source: str, payload: Any) -> Delivery:
    """Read a delivery of Opsgenie: one action on an alert. Raises Refused."""
    alert = _part(payload, "alert")
    action = payload.get("action")
    if not isinstance(action, str):
        raise Refused(AlertRefusal.UNKNOWN_SHAPE, f"'action' is {shown(action)}")
    if action not in _ACTIONS:
        return Delivery(ignored=f"the action {shown(action)} changes no state")
    identity, name = text_of(alert.get("alertId")), text_of(alert.get("message"), NAME_CHARACTERS_MAX)
    if not identity:
        raise Refused(AlertRefusal.NO_FINGERPRINT, "alert.alertId is missing")
    if not name:
        raise Refused(AlertRefusal.NO_NAME, "alert.message is missing")
    pairs = [(key, text_of(alert.get(key))) for key in ("alias", "entity", "source", "team", "tinyId")]
    state, said_at = _ACTIONS[action], time_of(alert.get("updatedAt"))
    description = text_of(alert.get("description"))
    found = Alert(
        source=source,
        fingerprint=fingerprint_of(identity),
        name=name,
        state=state,
        severity=text_of(alert.get("priority")),
        labels=labels_of([*texts_of(alert.get("details")).items(), *pairs]),
        annotations={"description": description} if description else {},
        starts_at=time_of(alert.get("createdAt")),
        ends_at=said_at if state is AlertState.RESOLVED else None,
        said_at=said_at,
    )
    return Delivery((found,))


def _part(payload: Any, key: str) -> Mapping[str, Any]:
    found = payload.get(key) if isinstance(payload, dict) else None
    if not isinstance(found, dict):
        raise Refused(AlertRefusal.UNKNOWN_SHAPE, f"a delivery is an object with the object '{key}'")
    return found


def _summary(data: Mapping[str, Any], key: str) -> str:
    found = data.get(key)
    return text_of(found.get("summary")) if isinstance(found, dict) else ""
