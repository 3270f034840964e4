"""`drill`: break a rig of real servers on purpose, and see whether the agent recovers it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from homeostat.cli.output import Row
    from homeostat.rig.drill import DrillResult

COLUMNS = ("fault", "passed", "visible_s", "clean_s", "actions", "needless", "lost", "why")


@click.group()
def drill() -> None:
    """Break real servers on this machine's loopback, and judge the agent by what users saw."""


@drill.group()
def rig() -> None:
    """The servers that drills break, in a folder of their own."""


@rig.command()
@click.argument("folder", type=click.Path(path_type=Path))
@pass_workspace
def up(workspace: Workspace, folder: Path) -> None:
    """Start a new rig in FOLDER, which must be empty or not there."""
    from homeostat.rig import rig as rigs

    layout = rigs.up(folder)
    workspace.output.say(f"a rig is up in {folder}; Prometheus: {layout.url('prometheus')}")


@rig.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--keep", is_flag=True, help="Keep the folder, with its logs and what users saw.")
@pass_workspace
def down(workspace: Workspace, folder: Path, keep: bool) -> None:
    """End every process of the rig in FOLDER, and remove the folder."""
    from homeostat.rig import rig as rigs

    ended = rigs.down(folder, keep=keep)
    workspace.output.say(f"{len(ended)} processes ended")


@rig.command()
@click.argument("folder", type=click.Path(path_type=Path))
@pass_workspace
@click.pass_context
def status(ctx: click.Context, workspace: Workspace, folder: Path) -> None:
    """Which processes of the rig run. Exit code 1 if one does not."""
    from homeostat.rig import rig as rigs
    from homeostat.rig.layout import Layout

    rows: list[Row] = [{"process": name, "running": running} for name, running in rigs.status(Layout.load(folder))]
    workspace.output.rows(rows, ("process", "running"))
    if not all(row["running"] for row in rows):
        ctx.exit(1)


@drill.command()
@pass_workspace
def faults(workspace: Workspace) -> None:
    """The faults there are, and which can be tried on this machine."""
    from homeostat.rig.faults import all_faults, why_not

    rows: list[Row] = [
        {"fault": name, "tier": fault.tier, "not here": why_not(fault.tier), "about": fault.about}
        for name, fault in all_faults().items()
    ]
    workspace.output.rows(rows, ("fault", "tier", "not here", "about"))


@drill.command()
@click.argument("fault")
@click.option("--rig", "folder", type=click.Path(path_type=Path), required=True, help="The folder of a rig that is up.")
@click.option(
    "--policies", type=click.Path(path_type=Path), help="The policies that are tried [default: the shipped ones]."
)
@pass_workspace
@click.pass_context
def run(ctx: click.Context, workspace: Workspace, fault: str, folder: Path, policies: Path | None) -> None:
    """Break the rig by FAULT, let the agent recover it, and put it back. Exit code 1 if the drill did not pass.

    The agent runs in mode auto, with a workspace and a journal of its own inside the rig's folder.
    """
    from homeostat.app.drills import drill as try_fault
    from homeostat.app.scaffold import shipped
    from homeostat.rig.faults import fault_named
    from homeostat.rig.layout import Layout

    result = try_fault(Layout.load(folder), fault_named(fault), policies or shipped("policies") / "rig")
    workspace.output.rows([drill_row(result)], COLUMNS)
    if not result.passed:
        ctx.exit(1)


def drill_row(result: DrillResult) -> Row:
    """A result as a row."""
    return {
        "fault": result.fault,
        "passed": result.passed,
        "visible_s": result.visible_after_s,
        "clean_s": result.clean_after_s,
        "actions": " ".join(result.actions) or None,
        "needless": " ".join(result.needless) or None,
        "lost": result.payments_lost,
        "why": result.why or None,
    }
