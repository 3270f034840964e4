"""Alerts: what another system says is wrong. They wake the loop and are told to people; they are never a signal."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field


class AlertState(StrEnum):
    """What was said of an alert last."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Alert(Struct, frozen=True, kw_only=True):
    """One alert as a source has told it. All texts are printable and cut to bounds.

    Attributes:
        source: the name that the settings give it.
        fingerprint: what it is told from others of its source by; the same in every delivery.
        severity: in the source's own words; "" where it says none.
        starts_at, ends_at: Unix seconds; None where the source does not say, or says it without a time zone.
        said_at: when the source said this, Unix seconds; None where its deliveries do not tell.
        url: http or https, without user and password; "" where there is none.
    """

    source: str
    fingerprint: str
    name: str
    state: AlertState
    severity: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    starts_at: float | None = None
    ends_at: float | None = None
    said_at: float | None = None
    url: str = ""
