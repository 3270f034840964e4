"""`drill`: break a system on purpose, and see whether the agent recovers it."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.drill_due import due, list_drills
from homeostat.cli.drill_tabletop import tabletop
from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from homeostat.app.settings import Settings
    from homeostat.cli.output import Row
    from homeostat.rig.verdict import DrillResult

COLUMNS = ("fault", "tier", "passed", "visible_s", "clean_s", "actions", "needless", "lost", "why", "policies")
WAIT_HELP = "Seconds to wait until a running agent has journalled it."


@click.group()
def drill() -> None:
    """Practise: break a plant, processes or real servers on purpose, or walk people through a policy in words."""


for _command in (tabletop, due, list_drills):
    drill.add_command(_command)


@drill.group()
def rig() -> None:
    """The servers that drills break, in a folder of their own."""


@rig.command()
@click.argument("folder", type=click.Path(path_type=Path))
@pass_workspace
def up(workspace: Workspace, folder: Path) -> None:
    """Start a new rig in FOLDER, which must be empty or not there."""
    from homeostat.rig import rig as rigs
    from homeostat.rig.asked_to_end import ends_in_order

    with ends_in_order():
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
    """The faults there are, how each is tried, and which cannot be on this machine, and why."""
    from homeostat.app.drills import FAULTS, why_not

    rows: list[Row] = [
        {"fault": name, "run": f"--{place}", "tier": fault.tier, "not here": why_not(fault.tier), "about": fault.about}
        for place, read in FAULTS.items()
        for name, fault in read().items()
    ]
    workspace.output.rows(rows, ("fault", "run", "tier", "not here", "about"))


@drill.command()
@click.argument("fault")
@click.option("--sandbox", is_flag=True, help="On the embedded payments plant, in virtual time.")
@click.option("--local", is_flag=True, help="On real processes of this machine's Python, started for this drill.")
@click.option("--rig", "folder", type=click.Path(path_type=Path), help="On the rig of real servers that is up there.")
@click.option(
    "--policies",
    type=click.Path(path_type=Path),
    help="The policies that are tried [default: the workspace's if it has them, else the shipped ones].",
)
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Of the sandbox's chances.")
@click.option("--keep", type=click.Path(path_type=Path), help="New folder for what --sandbox or --local leave.")
@click.option("--as", "by", default=getpass.getuser, show_default="who is logged in", help="Your name.")
@click.option("--wait", "wait_s", type=click.FloatRange(0, 3600), default=20.0, show_default=True, help=WAIT_HELP)
@pass_workspace
@click.pass_context
def run(
    ctx: click.Context,
    workspace: Workspace,
    fault: str,
    sandbox: bool,
    local: bool,
    folder: Path | None,
    policies: Path | None,
    seed: int,
    keep: Path | None,
    by: str,
    wait_s: float,
) -> None:
    """Break a system by FAULT, let the agent recover it, and put it back. Exit code 1 if the drill did not pass.

    The drilled agent acts by itself, with a journal of its own. In a workspace the journal there is told of the drill.
    """
    from homeostat.app import drills
    from homeostat.model.errors import UsageError
    from homeostat.record.inbox import check_name
    from homeostat.rig.layout import Layout

    if sandbox + local + (folder is not None) != 1:
        raise UsageError("say what to break: one of --sandbox, --local and --rig FOLDER")
    if folder is not None and keep is not None:
        raise UsageError("--keep is for --sandbox and --local; a rig keeps what drills leave until it is taken down")
    check_name(by)
    settings = workspace.settings if workspace.is_there else None
    place: drills.Place = "sandbox" if sandbox else "local" if local else "rig"
    tried = drills.fault_of(place, fault)
    with_policies = policies or drills.policies_for(place, tried, settings)
    if place != "sandbox":
        workspace.output.say(f"{fault} --{place}: half a minute, more where users stay broken")
    if folder is not None:
        result = drills.drill(Layout.load(folder), tried, with_policies)
    elif local:
        result = drills.drill_local(tried, with_policies, keep)
    else:
        result = drills.drill_sandbox(tried, with_policies, keep, seed)
    workspace.output.rows([drill_row(result)], COLUMNS)
    if settings is not None:
        _tell(workspace, settings, by, result, wait_s)
    if not result.passed:
        ctx.exit(1)


def _tell(workspace: Workspace, settings: Settings, by: str, result: DrillResult, wait_s: float) -> None:
    from homeostat.app.clock import SystemClock
    from homeostat.app.drill_entries import tell_workspace

    if tell_workspace(settings, SystemClock(), by, result, wait_s):
        workspace.output.say(f"the journal of {settings.root} tells of it")
    else:
        workspace.output.say("no agent has taken it in yet; it lies in the inbox until one does")


def drill_row(result: DrillResult) -> Row:
    """A result as a row."""
    return {
        "fault": result.fault,
        "tier": result.tier,
        "passed": result.passed,
        "visible_s": result.visible_after_s,
        "clean_s": result.clean_after_s,
        "actions": " ".join(result.actions) or None,
        "needless": " ".join(result.needless) or None,
        "lost": result.payments_lost,
        "why": result.why or None,
        "policies": " ".join(f"{name}@{version[:12]}" for name, version in result.policies.items()) or None,
    }
