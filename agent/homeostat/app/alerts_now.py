"""What is going on by what other systems have said: the alerts' stream, folded for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from homeostat.loop.told import LOOK_BACK_S
from homeostat.model import entries as e
from homeostat.model.alerts import AlertState
from homeostat.model.ports import Journal
from homeostat.policy.load import load_journalled

_GOING_ON = frozenset({AlertState.FIRING, AlertState.ACKNOWLEDGED})


@dataclass(frozen=True, slots=True)
class AlertsNow:
    """By what was said last.

    Attributes:
        alerts: the last word on each, those first that go on for longest; not what was last heard of a week ago.
        left_out, truncated: how many deliveries of alerts of the last hour are not in the journal.
    """

    alerts: list[e.AlertReceived] = field(default_factory=list)
    left_out: int = 0
    truncated: int = 0

    @property
    def going_on(self) -> list[e.AlertReceived]:
        """Those that fire, acknowledged or not."""
        return [alert for alert in self.alerts if alert.state in _GOING_ON]

    def about(self, policy: str) -> list[e.AlertReceived]:
        """What goes on that is connected with a policy."""
        return [alert for alert in self.going_on if policy in alert.policies]


_LEFT_OUT_S = 3600.0


def alerts_now(journal: Journal, now: float) -> AlertsNow:
    """Read it from the journal. Raises JournalError."""
    types = {e.AlertReceived.TYPE, e.AlertsLeftOut.TYPE}
    return fold_alerts((record.entry for record in journal.since(max(0.0, now - LOOK_BACK_S), types)), now)


def fold_alerts(entries: Iterable[e.Entry], now: float) -> AlertsNow:
    """The last word on each alert, since when it holds, and how much is missing."""
    last: dict[tuple[str, str], e.AlertReceived] = {}
    left_out = truncated = 0
    for entry in entries:
        if isinstance(entry, e.AlertReceived):
            last[entry.source, entry.fingerprint] = entry
        elif isinstance(entry, e.AlertsLeftOut) and entry.at >= now - _LEFT_OUT_S:
            left_out += sum(entry.left_out.values())
            truncated += sum(entry.truncated.values())
    return AlertsNow(sorted(last.values(), key=since), left_out, truncated)


def since(alert: e.AlertReceived) -> float:
    """Since when it goes on, as its source says it, else as we were told; Unix seconds."""
    return alert.at if alert.starts_at is None else alert.starts_at


def about_policy(policy: str, policy_entries: Sequence[e.Entry], now: AlertsNow) -> list[str]:
    """Say which alerts go on about a policy, where nothing is being done under it.

    Args:
        policy: its name.
        policy_entries: its own stream, which says what its trigger is.
        now: what goes on.
    """
    about = now.about(policy)
    loaded = [entry.policy_hash for entry in policy_entries if isinstance(entry, e.PolicyLoaded)]
    if not about or not loaded:
        return []
    trigger = load_journalled(policy_entries, loaded[-1]).trigger.condition.text
    told = []
    for alert in about:
        when = datetime.fromtimestamp(since(alert), UTC).isoformat(" ", "seconds").removesuffix("+00:00")
        verb = "fires" if alert.state is AlertState.FIRING else "is acknowledged, and goes on"
        told.append(
            f"alert '{alert.name}' of {alert.source} {verb} since {when} UTC, and no incident is open:"
            f" its trigger is `{trigger}`, and only signals decide"
        )
    return told
