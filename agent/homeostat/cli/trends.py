"""`trends`: whether recovery gets better, per policy."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Row, write_file
from homeostat.cli.ranking_history import history_option, journal_of
from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("policy", required=False)
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), help="Only incidents that opened on this day (UTC) or later."
)
@click.option("--window", type=click.IntRange(1), metavar="N", help="By N incidents of a policy [default: by month].")
@click.option("--steps", is_flag=True, help="Show the time per step instead.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a web page with charts too.")
@history_option
@pass_workspace
def trends(
    workspace: Workspace,
    policy: str | None,
    since: datetime | None,
    window: int | None,
    steps: bool,
    html: Path | None,
    place: str | None,
) -> None:
    """Show whether recovery gets better: of POLICY, or of all.

    Time to recovery, steps that were right at once, incidents that came back or were handed to people, and what the
    team said, each with its 95% interval; drills stand apart. docs/after-an-incident.md tells what counts.
    """
    from homeostat.app import trends_page
    from homeostat.app.clock import SystemClock
    from homeostat.app.trends import trends_of

    if html is not None:
        importlib.import_module("homeostat.plot")  # says what is missing before anything is calculated
    with journal_of(workspace.settings, place) as journal:
        found = trends_of(
            journal,
            recurrence_s=workspace.settings.learning.recurrence_s,
            as_of=SystemClock().now(),
            policy=policy,
            since=None if since is None else since.replace(tzinfo=UTC).timestamp(),
            window=window,
        )
    if workspace.output.is_for_people:
        if steps:
            workspace.output.rows(trends_page.step_lines(found), trends_page.STEP_HEADS)
        else:
            workspace.output.rows(trends_page.incident_lines(found), trends_page.INCIDENT_HEADS)
        if found.empty:
            workspace.output.say("there is no confirmed and closed incident to count")
    else:
        chosen = found[found["step"].notna() == steps]
        workspace.output.rows(_rows(chosen), list(found.columns))
    if html is not None:
        write_file(html, trends_page.trends_html(found, f"Trends of {policy or 'all policies'}"))
        workspace.output.say(f"wrote {html}")


def _rows(found: pd.DataFrame) -> list[Row]:
    """Rows for programs: unknown is null."""
    at = found["began_at"].dt.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    table = found.assign(began_at=at).astype("object")
    rows = table.where(table.notna(), None).to_dict("records")
    return [{str(name): row[name] for name in row} for row in rows]
