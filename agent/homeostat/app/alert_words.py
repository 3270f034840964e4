"""Entries about alerts in words, for `explain`."""

from __future__ import annotations

from homeostat.model import entries as e


def alert_said(entry: e.AlertReceived) -> tuple[str, list[str]]:
    """What one source has said."""
    details = [entry.summary] if entry.summary else []
    if entry.labels:
        details.append(", ".join(f"{label}={value}" for label, value in entry.labels.items()))
    if entry.policies:
        details.append(f"about {', '.join(entry.policies)}")
    return f"{entry.source} said that alert '{entry.name}' is {entry.state}", details


def alerts_missing(entry: e.AlertsLeftOut) -> tuple[str, list[str]]:
    """How much of what was said is not in the journal."""
    details = [f"{source}: {number} more than are journalled in a minute" for source, number in entry.left_out.items()]
    details += [f"{source}: {number} left out by itself" for source, number in entry.truncated.items()]
    return f"alerts of {entry.at - entry.since:.0f} s are not all here", details
