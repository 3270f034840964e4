"""`alerts`: what other systems say is wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from homeostat.cli.output import Row
from homeostat.cli.workspace import Workspace, pass_workspace

COLUMNS = ("source", "alert", "state", "severity", "since", "told", "policies", "labels", "summary")


@click.command()
@click.option("--all", "with_resolved", is_flag=True, help="Resolved ones of the last week too.")
@pass_workspace
def alerts(workspace: Workspace, *, with_resolved: bool) -> None:
    """Show what fires by what other systems have told, and which policies it is about; nothing is started by it."""
    from homeostat.app.alerts_now import AlertsNow, alerts_now, since
    from homeostat.app.clock import SystemClock
    from homeostat.app.store import has_journal, journal_to_read

    settings = workspace.settings
    found = AlertsNow()
    if has_journal(settings):
        with journal_to_read(settings) as journal:
            found = alerts_now(journal, SystemClock().now())
    rows: list[Row] = [
        {
            "source": alert.source,
            "alert": alert.name,
            "state": alert.state.value,
            "severity": alert.severity or None,
            "since": _when(since(alert)),
            "told": _when(alert.at),
            "policies": ", ".join(alert.policies) or None,
            "labels": ", ".join(f"{key}={value}" for key, value in alert.labels.items()) or None,
            "summary": alert.summary or None,
        }
        for alert in (found.alerts if with_resolved else found.going_on)
    ]
    workspace.output.rows(rows, COLUMNS)
    if found.left_out or found.truncated:
        workspace.output.say(
            f"not all are here: in the last hour {found.left_out} were more than are journalled in a minute, and"
            f" {found.truncated} were left out by their sources"
        )
    if not settings.alerts.sources:
        workspace.output.say("no source is declared: see [alerts.sources.NAME] of homeostat.toml")


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat("T", "seconds")
