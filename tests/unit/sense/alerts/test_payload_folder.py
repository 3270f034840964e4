"""Every payload of the providers' folder comes to exactly this."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from benchmarks.workflows import shared_folder

from homeostat.model.alerts import AlertState
from homeostat.sense.alerts import AlertRefusal, Delivery, Format, parse
from homeostat.sense.alerts.ready_made import READY_MADE

FIRING, RESOLVED = AlertState.FIRING, AlertState.RESOLVED
EXPECTED: dict[str, list[tuple[str, str, AlertState] | AlertRefusal]] = {
    "axiom": [("Triggered: New monitor", "Rxg89nIwu9WwrOsJKA", FIRING)],
    "checkmk": [("CheckMK server1 - DOWN -> UP", "", RESOLVED)],
    "coralogix": [("Keep", "", FIRING)],
    "datadog": [
        ("High CPU Usage", "", FIRING),
        ("Low Disk Space", "", FIRING),
        ("MQ Consumer Is Struggling", "", FIRING),
    ],
    "grafana": [AlertRefusal.NOT_AN_EVENT, AlertRefusal.NOT_AN_EVENT],
    "libre_nms": [("Devices up/down", "", RESOLVED)],
    "prometheus": [
        ("HighCPUUsage", "", FIRING),
        ("MQThirdFull (Message queue is over 33%)", "", FIRING),
        ("MQFull (Message queue is full)", "", FIRING),
        ("DiskSpaceLow", "", FIRING),
        ("NetworkLatencyHigh", "", FIRING),
    ],
    "signalfx": [("logs", "1234", FIRING)],
    "wazuh": [("New dpkg (Debian Package) installed.", "New dpkg (Debian Package) installed.", FIRING)],
}
"""By provider: name, fingerprint ("" where it is a digest) and state of each event, or why it is refused."""


def folder() -> Path:
    shared = shared_folder()
    found = shared and shared / "data/alert_payloads"
    if found is None or not found.is_dir():
        pytest.skip("the folder of the providers' payloads is not on this machine")
    return found


def is_templates(content: Mapping[str, Any]) -> bool:
    return all(isinstance(value, dict) and "payload" in value for value in content.values())


def events(provider: str, content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The events of a file: itself, or what its templates render to with the first of their values."""
    if not is_templates(content):
        yield content
        return
    for name, template in content.items():
        text = json.dumps(template["payload"])
        for placeholder, values in template.get("renders", {}).items():
            for written in (f"{{{{{placeholder}}}}}", f"{{{{ {placeholder} }}}}"):
                text = text.replace(written, values[0])
        event = json.loads(text)
        for place, values in template.get("parameters", {}).items():
            *parents, last = place.split(".")
            inner = event
            for parent in parents:
                inner = inner.setdefault(parent, {})
            inner[last] = values[0]
        if provider == "prometheus":  # its templates are named by the alert
            event["labels"]["alertname"] = name
        yield event


@pytest.mark.parametrize("provider", sorted(EXPECTED))
def test_every_event_is_taken_or_refused_with_a_reason(provider: str) -> None:
    content = json.loads((folder() / f"keep_{provider}.json").read_bytes())
    mapping = READY_MADE.get(provider)
    form = Format.GENERIC if mapping else Format.GRAFANA
    found: list[tuple[str, str, AlertState] | AlertRefusal] = []
    for event in events(provider, content):
        delivery = parse(provider, form, json.dumps(event).encode(), mapping)
        if not isinstance(delivery, Delivery):
            found.append(delivery.reason)
            continue
        (alert,) = delivery.alerts
        is_digest = len(alert.fingerprint) == 32 and set(alert.fingerprint) <= set("0123456789abcdef")
        assert "{{" not in json.dumps([alert.labels, alert.annotations])
        found.append((alert.name, "" if is_digest else alert.fingerprint, alert.state))
    assert found == EXPECTED[provider]


def test_templates_themselves_are_no_events() -> None:
    for path in sorted(folder().glob("*.json")):
        provider = path.stem.removeprefix("keep_")
        assert provider in EXPECTED
        mapping = READY_MADE.get(provider)
        delivery = parse(provider, Format.GENERIC if mapping else Format.GRAFANA, path.read_bytes(), mapping)
        is_refused = not isinstance(delivery, Delivery) and delivery.reason is AlertRefusal.NOT_AN_EVENT
        assert is_refused == is_templates(json.loads(path.read_bytes()))
