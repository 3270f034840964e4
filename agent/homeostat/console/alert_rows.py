"""Alerts as pages list them."""

from __future__ import annotations

from dataclasses import dataclass

from homeostat.app.alerts_now import AlertsNow, alerts_now, since
from homeostat.app.clock import SystemClock
from homeostat.app.settings import Settings
from homeostat.console.kept import Kept
from homeostat.model import entries as e
from homeostat.model.ports import Journal
from homeostat.model.streams import ALERTS_STREAM

ALERTS_MAX = 25
SEEN_S_MAX = 60.0
"""What was left out an hour ago leaves the page so much later at the latest."""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert that goes on. `since`: Unix seconds."""

    source: str
    name: str
    state: str
    severity: str
    since: float
    policies: list[str]
    summary: str
    url: str


_seen: Kept[AlertsNow] = Kept(4, SEEN_S_MAX)


def alerts_seen(journal: Journal, settings: Settings) -> AlertsNow:
    """What goes on now by what other systems have said; read anew where something was said. Raises JournalError."""
    key = (settings.journal, settings.store.url, journal.head_seq(ALERTS_STREAM))
    return _seen.get(key, lambda: alerts_now(journal, SystemClock().now()))


def alert_rows(alerts: list[e.AlertReceived]) -> list[AlertRow]:
    """The longest of these, at most `ALERTS_MAX`."""
    return [_row(alert) for alert in alerts[:ALERTS_MAX]]


def not_listed(now: AlertsNow) -> int:
    """How many more go on, with those of the last hour that are not in the journal."""
    return max(0, len(now.going_on) - ALERTS_MAX) + now.left_out + now.truncated


def _row(alert: e.AlertReceived) -> AlertRow:
    return AlertRow(
        alert.source,
        alert.name,
        alert.state.value,
        alert.severity,
        since(alert),
        list(alert.policies),
        alert.summary,
        alert.url,
    )
