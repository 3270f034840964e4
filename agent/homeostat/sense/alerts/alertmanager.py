"""Alertmanager's webhook, version 4, and Grafana's, which is made after it.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homeostat.model.alerts import Alert, AlertState
from homeostat.sense.alerts.payload import (
    ALERTS_MAX,
    NAME_CHARACTERS_MAX,
    fingerprint_of,
    fingerprint_of_labels,
    shown,
    text_of,
    texts_of,
    time_of,
    url_of,
)
from homeostat.sense.alerts.refusal import AlertRefusal, Delivery, Refused

_STATES = {"firing": AlertState.FIRING, "resolved": AlertState.RESOLVED}


def alertmanager(source: str, payload: Any) -> Delivery:
    """Read a delivery of Alertmanager. Raises Refused."""
    body = _object(payload)
    if "orgId" in body:
        raise Refused(AlertRefusal.UNSUPPORTED_VERSION, "it is Grafana's: this source's kind is 'grafana'")
    if body.get("version") != "4":
        raise Refused(AlertRefusal.UNSUPPORTED_VERSION, f"version {shown(body.get('version'))}, and only '4' is known")
    return _delivery(source, body)


def grafana(source: str, payload: Any) -> Delivery:
    """Read a delivery of Grafana's contact point `webhook`. Raises Refused."""
    body = _object(payload)
    if "alerts" not in body and {"condition", "data"} <= body.keys():
        raise Refused(AlertRefusal.NOT_AN_EVENT, f"the definition of the rule {shown(body.get('title'))}")
    if "alerts" not in body and {"ruleId", "ruleName"} & body.keys():
        raise Refused(AlertRefusal.UNSUPPORTED_VERSION, "Grafana's alerting before release 9")
    if "version" in body and body["version"] != "1":
        raise Refused(AlertRefusal.UNSUPPORTED_VERSION, f"version {shown(body['version'])}, and only '1' is known")
    return _delivery(source, body)


def _object(payload: Any) -> Mapping[str, Any]:
    if not isinstance(payload, dict):
        raise Refused(AlertRefusal.UNKNOWN_SHAPE, "a delivery is an object")
    return payload


def _delivery(source: str, body: Mapping[str, Any]) -> Delivery:
    found = body.get("alerts")
    if not isinstance(found, list):
        raise Refused(AlertRefusal.UNKNOWN_SHAPE, f"'alerts' is a list of alerts, and not {shown(found)}")
    truncated = body.get("truncatedAlerts", 0)
    if isinstance(truncated, bool) or not isinstance(truncated, int) or not 0 <= truncated < 1 << 31:
        raise Refused(AlertRefusal.UNKNOWN_SHAPE, f"'truncatedAlerts' is a number, and not {shown(truncated)}")
    if len(found) > ALERTS_MAX:
        raise Refused(AlertRefusal.TOO_MANY, f"{len(found)} alerts, of at most {ALERTS_MAX}")
    if not found and truncated:
        raise Refused(AlertRefusal.TRUNCATED, f"all {truncated} alerts were left out")
    if not found:
        raise Refused(AlertRefusal.UNKNOWN_SHAPE, "'alerts' is empty")
    alerts = [_alert(source, one, f"alerts[{place}]") for place, one in enumerate(found)]
    return Delivery(tuple({alert.fingerprint: alert for alert in alerts}.values()), truncated)


def _alert(source: str, one: Any, place: str) -> Alert:
    if not isinstance(one, dict):
        raise Refused(AlertRefusal.UNKNOWN_SHAPE, f"{place} is no object")
    labels, annotations = _texts(one, "labels", place), _texts(one, "annotations", place)
    name = text_of(labels.get("alertname"), NAME_CHARACTERS_MAX)
    if not name:
        raise Refused(AlertRefusal.NO_NAME, f"{place} has no label 'alertname'")
    status = one.get("status")
    if not isinstance(status, str) or status not in _STATES:
        raise Refused(AlertRefusal.NO_STATE, f"{place}.status is {shown(status)}, and not 'firing' or 'resolved'")
    given = one.get("fingerprint")
    fingerprint = fingerprint_of(given) if isinstance(given, str) and given else fingerprint_of_labels(name, labels)
    state = _STATES[status]
    urls = map(url_of, (one.get("panelURL"), one.get("dashboardURL"), one.get("generatorURL")))
    return Alert(
        source=source,
        fingerprint=fingerprint,
        name=name,
        state=state,
        severity=text_of(labels.get("severity")),
        labels=texts_of(labels),
        annotations=texts_of(annotations),
        starts_at=time_of(one.get("startsAt")),
        # While it fires this is when it would be forgotten.
        ends_at=time_of(one.get("endsAt")) if state is AlertState.RESOLVED else None,
        url=next(filter(None, urls), ""),
    )


def _texts(one: Mapping[str, Any], key: str, place: str) -> Mapping[Any, Any]:
    found = one.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise Refused(AlertRefusal.UNKNOWN_SHAPE, f"{place}.{key} is no object of texts")
    return found
