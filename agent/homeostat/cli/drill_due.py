"""`drill due` and `drill list`: what was drilled, when, and what is to be drilled again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from homeostat.app.drill_schedule import DrillDue
    from homeostat.cli.output import Cell, Row
    from homeostat.model.drill_entries import DrillRan

DUE_COLUMNS = ("policy", "state", "due", "every", "kinds", "last", "kind", "passed", "last_passed", "plan")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--within", default="14d", show_default=True, metavar="DAYS", help="Tell apart what is due so soon.")
@pass_workspace
@click.pass_context
def due(ctx: click.Context, workspace: Workspace, paths: tuple[Path, ...], within: str) -> None:
    """Say of every policy when it was last drilled, and when it is to be again. Exit code 1 if one is overdue.

    PATHS are files or folders [default: the workspace's policies]. A drill that was not passed does not count; a policy
    that was never drilled is due at once.
    """
    from homeostat.app.clock import SystemClock
    from homeostat.app.drill_schedule import DrillState, drills_due
    from homeostat.cli.policies import policy_files
    from homeostat.model.drill_schedule import DAY_S
    from homeostat.model.errors import UsageError

    days = within.removesuffix("d")
    if not (within.endswith("d") and days.isascii() and days.isdigit() and len(days) < 5):
        raise UsageError(f"--within: '{within}' is no number of days; write it like 14d")
    files = policy_files(paths or (workspace.policies,))
    found = drills_due(workspace.settings, files, SystemClock().now(), int(days) * DAY_S)
    workspace.output.rows([_due_row(one) for one in found], DUE_COLUMNS)
    if any(one.state is DrillState.OVERDUE for one in found):
        ctx.exit(1)


def _due_row(one: DrillDue) -> Row:
    from homeostat.app.drill_schedule import DrillState
    from homeostat.model.drill_schedule import kind_of

    at_once = "now" if one.state is DrillState.OVERDUE else None
    last = one.last
    return {
        "policy": one.policy,
        "state": one.state.value,
        "due": at_once if one.due_at is None else _day(one.due_at),
        "every": f"{one.schedule.every_days}d" if one.schedule else None,
        "kinds": " ".join(sorted(one.schedule.kinds)) if one.schedule else None,
        "last": _day(last.at) if last else None,
        "kind": kind_of(last.tier) if last else None,
        "passed": last.passed if last else None,
        "last_passed": _day(one.counted.at) if one.counted else None,
        "plan": None if one.is_same is None else "same" if one.is_same else "changed",
    }


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


LIST_COLUMNS = ("at", "kind", "drill", "policies", "passed", "why")


@click.command("list")
@click.option("--policy", help="Only drills of this policy.")
@click.option("--details", is_flag=True, help="With every answer and comment of a tabletop.")
@pass_workspace
def list_drills(workspace: Workspace, policy: str | None, details: bool) -> None:
    """List the drills that the workspace's journal tells of, oldest first."""
    from homeostat.app.drill_schedule import drills_in
    from homeostat.app.store import journal_to_read

    with journal_to_read(workspace.settings) as journal:
        drills = [ran for ran in drills_in(journal) if policy is None or policy in ran.policies]
    rows = [_list_row(ran, details=details) for ran in drills]
    if details and workspace.output.is_for_people:
        for row in rows:
            click.echo("\n            ".join((f"{row['at']}  {row['details']}").splitlines()))
    else:
        workspace.output.rows(rows, (*LIST_COLUMNS, "details") if details else LIST_COLUMNS)


def _list_row(ran: DrillRan, *, details: bool) -> Row:
    from homeostat.app.explain import explain
    from homeostat.model.drill_schedule import kind_of

    (line,) = explain([ran])
    row: dict[str, Cell] = {
        "at": datetime.fromtimestamp(ran.at, UTC).isoformat(timespec="seconds"),
        "kind": kind_of(ran.tier),
        "drill": ran.fault,
        "policies": " ".join(ran.policies) or None,
        "passed": ran.passed,
        "why": ran.why or None,
    }
    return {**row, "details": "\n".join((line.headline, *line.details))} if details else row
