"""Mappings for what some providers send as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from homeostat.sense.alerts.generic import IGNORED, AlertMapping
from homeostat.sense.alerts.places import Place

_FIRING, _ACKNOWLEDGED, _RESOLVED = "firing", "acknowledged", "resolved"


def _at(*places: str) -> Sequence[Place]:
    return tuple(Place.parse(f"alert.{place}") for place in places)


def _labels(**places: str) -> Mapping[str, Place]:
    return {label: Place.parse(f"alert.{place}") for label, place in places.items()}


_AXIOM = AlertMapping(
    name=_at("event.title"),
    state=_at("action"),
    states={"Open": _FIRING, "Closed": _RESOLVED},
    fingerprint=_at("event.monitorID"),
    summary=_at("event.description", "event.body"),
    starts_at=_at("event.timestamp"),
    labels=_labels(monitor="event.monitorID"),
)
_CHECKMK = AlertMapping(
    name=_at("summary"),
    state=_at("notification_type"),
    states={
        "PROBLEM": _FIRING,
        "RECOVERY": _RESOLVED,
        "ACKNOWLEDGEMENT": _ACKNOWLEDGED,
        **dict.fromkeys(
            ("FLAPPINGSTART", "FLAPPINGSTOP", "FLAPPINGDISABLED", "DOWNTIMESTART", "DOWNTIMEEND", "DOWNTIMECANCELLED"),
            IGNORED,
        ),
        "CUSTOM": IGNORED,
    },
    fingerprint=_at("site", "host", "what", "service", "check_command"),
    severity=_at("severity"),
    summary=_at("output"),
    url=_at("url"),
    labels=_labels(host="host", site="site", address="address", what="what", status="status"),
)
_CORALOGIX = AlertMapping(
    name=_at("name"),
    state=_at("alert_action"),
    states={"trigger": _FIRING, "resolve": _RESOLVED},
    fingerprint=_at("fields[key=alertUniqueIdentifier].value", "alert_id"),
    severity=_at("fields[key=severityLowercase].value", "fields[key=severity].value"),
    summary=_at("description"),
    starts_at=_at("fields[key=timestampMs].value", "fields[key=timestampISO].value"),
    url=_at("alert_url"),
    labels=_labels(
        team="fields[key=team].value",
        application="fields[key=application].value",
        subsystem="fields[key=subsystem].value",
        priority="fields[key=priority].value",
    ),
    tags=_at("fields[key=metaLabelsList].value"),
)
_DATADOG = AlertMapping(
    name=_at("title"),
    state=_at("alert_transition"),
    states={
        **dict.fromkeys(("Triggered", "Re-Triggered", "Warn", "Re-Warn", "No Data", "Re-No Data", "Renotify"), _FIRING),
        **dict.fromkeys(("Recovered", "Warn Recovered", "No Data Recovered"), _RESOLVED),
    },
    # Datadog sends what its user has written into the webhook's payload, and many leave the transition out.
    state_if_absent=_FIRING,
    fingerprint=_at("monitor_id", "scopes"),
    severity=_at("priority"),
    summary=_at("message", "description"),
    starts_at=_at("date"),
    url=_at("link", "url"),
    labels=_labels(monitor="monitor_id", scopes="scopes"),
    tags=_at("tags"),
)
_LIBRE_NMS = AlertMapping(
    name=_at("name", "title"),
    state=_at("state"),
    states={"0": _RESOLVED, "1": _FIRING, "2": _ACKNOWLEDGED, "3": _FIRING, "4": _FIRING, "5": _FIRING},
    fingerprint=_at("device_id", "rule_id"),
    severity=_at("severity"),
    summary=_at("title"),
    labels=_labels(hostname="hostname", system="sysName", ip="ip", location="location", rule="rule_id"),
)
_PROMETHEUS = AlertMapping(
    alerts=Place.parse("payload"),
    name=_at("labels.alertname", "summary"),
    state=_at("status"),
    states={"firing": _FIRING, "resolved": _RESOLVED},
    # Prometheus itself sends no state: what it sends is firing, until the time it says.
    state_if_absent=_FIRING,
    severity=_at("labels.severity"),
    summary=_at("annotations.summary", "annotations.description", "summary"),
    starts_at=_at("startsAt"),
    ends_at=_at("endsAt"),
    url=_at("generatorURL"),
    tags=_at("labels"),
)
_SIGNALFX = AlertMapping(
    name=_at("rule", "detector", "inputs.rule"),
    state=_at("statusExtended", "status"),
    states={
        "anomalous": _FIRING,
        **dict.fromkeys(("ok", "manually resolved", "stopped", "auto-resolved"), _RESOLVED),
    },
    fingerprint=_at("incidentId"),
    severity=_at("severity"),
    summary=_at("description", "messageTitle", "inputs.description"),
    starts_at=_at("timestamp"),
    url=_at("detectorUrl"),
    labels=_labels(metric="originatingMetric", condition="detectOnCondition", detector="detector"),
    tags=_at("dimensions"),
)
_WAZUH = AlertMapping(
    name=_at("message"),
    # Wazuh reports events; nobody ever says that one is over.
    state_if_absent=_FIRING,
    fingerprint=_at("message"),
    severity=_at("severity"),
    summary=_at("description"),
    starts_at=_at("created_at"),
)

READY_MADE: Mapping[str, AlertMapping] = {
    "axiom": _AXIOM,
    "checkmk": _CHECKMK,
    "coralogix": _CORALOGIX,
    "datadog": _DATADOG,
    "libre_nms": _LIBRE_NMS,
    "prometheus": _PROMETHEUS,
    "signalfx": _SIGNALFX,
    "wazuh": _WAZUH,
}
"""Provider -> mapping."""
