"""`init`, `doctor` and `health`: a workspace to start from, whether to trust it, and whether its agent is well."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.cli.workspace import Workspace, pass_workspace

COLUMNS = ("subject", "level", "message")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--empty", is_flag=True, help="Without examples: settings, schemas, and a folder for your own policies.")
@pass_workspace
def init(workspace: Workspace, folder: Path, *, empty: bool) -> None:
    """Make a workspace in FOLDER: settings, policies, recorded incidents, notebooks. It only observes at first."""
    from homeostat.app.scaffold import make_workspace

    for path in make_workspace(folder, empty=empty):
        workspace.output.say(f"wrote {folder / path}")
    enter = "" if folder.resolve() == Path.cwd() else f"cd {folder}; "
    then = "homeostat import rules FILE --out policies" if empty else "homeostat lint; homeostat simulate payments-5xx"
    workspace.output.say(f"\nnext: {enter}{then}; homeostat doctor")


@click.command()
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check disk, journal, policies, whom the agent calls, Prometheus and each signal. Exit code 1 on an error."""
    from homeostat.app.doctor import examine
    from homeostat.sense.check import Level

    workspace = ctx.ensure_object(Workspace)
    findings = list(examine(workspace.settings))
    rows = [{"subject": f.subject, "level": f.level.value, "message": f.message} for f in findings]
    workspace.output.rows(rows, COLUMNS)
    if any(finding.level is Level.ERROR for finding in findings):
        ctx.exit(1)


@click.command()
@click.option("--alive", is_flag=True, help="Only whether the loop turns, not whether all that it needs is there.")
@pass_workspace
def health(workspace: Workspace, *, alive: bool) -> None:
    """Ask the running agent how it is, for probes. Exit code 3 when it is not well or does not answer."""
    from homeostat.app.listener import agent_health
    from homeostat.model.errors import SensorError

    settings = workspace.settings
    reason = agent_health(settings.agent.listen, settings.state, "/livez" if alive else "/healthz")
    if reason is not None:
        raise SensorError(reason)
    workspace.output.say("the loop turns" if alive else "the agent is well")
