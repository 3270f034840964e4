"""The one way in: a payload's bytes to what was taken from it, or to why nothing was."""

from __future__ import annotations

from enum import StrEnum

from homeostat.sense.alerts.alertmanager import alertmanager, grafana
from homeostat.sense.alerts.generic import AlertMapping, generic
from homeostat.sense.alerts.paging import opsgenie, pagerduty
from homeostat.sense.alerts.payload import decode, refuse_templates
from homeostat.sense.alerts.refusal import Delivery, Refusal, Refused


class Format(StrEnum):
    """What a source speaks."""

    ALERTMANAGER = "alertmanager"
    GRAFANA = "grafana"
    PAGERDUTY = "pagerduty"
    OPSGENIE = "opsgenie"
    GENERIC = "generic"


_READERS = {
    Format.ALERTMANAGER: alertmanager,
    Format.GRAFANA: grafana,
    Format.PAGERDUTY: pagerduty,
    Format.OPSGENIE: opsgenie,
}


def parse(source: str, form: Format, body: bytes, mapping: AlertMapping | None = None) -> Delivery | Refusal:
    """Read a delivery; the same bytes always come to the same, in time linear in their number.

    Args:
        source: the name that the settings give it.
        form: what it speaks.
        body: as it came.
        mapping: for `generic`, and only for it.
    """
    try:
        payload = decode(body)
        refuse_templates(payload)
        if mapping is not None:
            return generic(source, payload, mapping)
        return _READERS[form](source, payload)
    except Refused as refused:
        return refused.refusal
