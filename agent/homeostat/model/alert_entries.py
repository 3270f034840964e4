"""Entries about alerts, in a stream of their own. Read them as `entries`, with all the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec import field

from homeostat.model.alerts import AlertState
from homeostat.model.entry import Entry, entry_type


@entry_type
class AlertReceived(Entry, frozen=True, kw_only=True):
    """A source said that an alert is in another state than the journal had it, or said it anew after a day.

    Nothing follows from it but an early look. For the attributes see `alerts.Alert`.

    Attributes:
        summary: what its annotations say of it, or "".
        policies: names of the policies that its labels or the settings connect it with.
    """

    TYPE: ClassVar[str] = "alert.received"
    source: str
    fingerprint: str
    name: str
    state: AlertState
    severity: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""
    starts_at: float | None = None
    ends_at: float | None = None
    said_at: float | None = None
    url: str = ""
    policies: tuple[str, ...] = ()


@entry_type
class AlertsLeftOut(Entry, frozen=True, kw_only=True):
    """Alerts that came in from `since` (Unix seconds) until now and are not in the journal.

    Attributes:
        left_out: by source, how many were more than are journalled in a minute.
        truncated: by source, how many it said it had left out of its own deliveries.
    """

    TYPE: ClassVar[str] = "alerts.left_out"
    since: float
    left_out: Mapping[str, int] = field(default_factory=dict)
    truncated: Mapping[str, int] = field(default_factory=dict)
