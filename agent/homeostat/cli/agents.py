"""`agents`: who shares the journal."""

from __future__ import annotations

import click

from homeostat.cli.output import Row
from homeostat.cli.workspace import Workspace, pass_workspace

COLUMNS = ("agent", "state", "incidents", "policies", "silent_s", "version", "spool")


@click.command()
@pass_workspace
def agents(workspace: Workspace) -> None:
    """Show the agents that share the journal: who is there, who is silent, who has how much."""
    from homeostat.app.store import agents_of

    ttl_s = workspace.settings.store.lease_ttl_s
    rows: list[Row] = [
        {
            "agent": seen.agent,
            "state": "silent" if seen.silent_s > ttl_s else "blind" if seen.blind else "well",
            "incidents": seen.incidents,
            "policies": seen.policies,
            "silent_s": round(seen.silent_s, 1),
            "version": seen.version,
            "spool": seen.spool,
        }
        for seen in agents_of(workspace.settings)
    ]
    workspace.output.rows(rows, COLUMNS)
