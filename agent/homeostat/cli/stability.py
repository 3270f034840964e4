"""`stability`: does a policy oscillate, leave its bounds, make things worse, or act on missing data?"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Row
from homeostat.cli.workers import worker_options
from homeostat.cli.workspace import Workspace
from homeostat.cli.worlds import COUNT_DEFAULT, COUNT_MAX, world_for

if TYPE_CHECKING:
    from homeostat.model.policy import Policy
    from homeostat.simulate.bench.stability import Verdict
    from homeostat.simulate.bench.world import World

COLUMNS = ("policy", "danger", "verdict", "found", "incidents", "incident", "seed", "share_max", "evidence", "command")


@click.command()
@click.argument("policies", nargs=-1, required=True)
@click.option("--world", "path", type=click.Path(path_type=Path), required=True, help="The simulated world.")
@click.option(
    "--incidents", "count", type=click.IntRange(1, COUNT_MAX), default=COUNT_DEFAULT, show_default=True, metavar="N"
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same incidents.")
@click.option("--show", type=click.IntRange(1, COUNT_MAX), metavar="NUMBER", help="Only tell what happens in this one.")
@worker_options
@click.pass_context
def stability(
    ctx: click.Context,
    policies: tuple[str, ...],
    path: Path,
    count: int,
    seed: int,
    show: int | None,
    jobs: int | None,
    dask: str | None,
) -> None:
    """Look for four dangers of policies in simulated incidents, and say what their plans rule out.

    POLICIES are names in the workspace, or files. Each danger is PROVED by an incident that shows it, REFUTED BY BOUND
    where the plan cannot do it, or NOT FOUND, with what share it may still have. Exit code 1 when one is proved.
    """
    from homeostat.app.policies import policy_named
    from homeostat.parallel import workers
    from homeostat.simulate.bench.stability import Judgement, judge, sights_of

    workspace = ctx.ensure_object(Workspace)
    loaded = [policy_named(workspace.settings, name) for name in policies]
    world = world_for(path, loaded)
    if show is not None:
        _show(loaded, world, show, seed)
        return
    verdicts: list[Verdict] = []
    with workers(jobs, dask) as running:
        for policy in loaded:
            verdicts += judge(policy, world, sights_of(policy, world, count, seed, running))
    called = {policy.name: name for policy, name in zip(loaded, policies, strict=True)}
    rows = [_row(verdict, _command(called[verdict.policy], path, seed, verdict), seed) for verdict in verdicts]
    if workspace.output.is_for_people:
        _tell(verdicts, rows, f"Simulated: {count} incidents of the world '{world.name}', seed {seed}")
    else:
        workspace.output.rows(rows, COLUMNS)
    if any(verdict.judgement is Judgement.PROVED for verdict in verdicts):
        ctx.exit(1)


def _row(verdict: Verdict, command: str | None, seed: int) -> Row:
    return {
        "policy": verdict.policy,
        "danger": verdict.danger.value,
        "verdict": verdict.judgement.value,
        "found": verdict.found,
        "incidents": verdict.incidents,
        "incident": verdict.incident,
        "seed": seed,
        "share_max": verdict.share_max,
        "evidence": verdict.evidence,
        "command": command,
    }


def _command(policy: str, path: Path, seed: int, verdict: Verdict) -> str | None:
    if verdict.incident is None:
        return None
    words = ["homeostat", "stability", policy, "--world", str(path), "--seed", str(seed), "--show"]
    return shlex.join([*words, str(verdict.incident)])


def _tell(verdicts: list[Verdict], rows: list[Row], title: str) -> None:
    click.echo(title)
    policy = None
    for verdict, row in zip(verdicts, rows, strict=True):
        if verdict.policy != policy:
            policy = verdict.policy
            click.echo(f"\n{policy}")
        click.echo(f"  {verdict.danger.value:<22}{verdict.judgement.value:<18}{_seen(verdict)}{verdict.evidence}")
        if row["command"] is not None:
            click.echo(f"  {'':<22}see: {row['command']}")


def _seen(verdict: Verdict) -> str:
    return f"incident {verdict.incident}, {verdict.found} of {verdict.incidents}: " if verdict.found else ""


def _show(policies: list[Policy], world: World, number: int, seed: int) -> None:
    from homeostat.simulate.bench.timeline import timeline
    from homeostat.simulate.bench.trial import measured, play

    for policy in policies:
        simulated, course = play(policy, world, number, seed)
        trial = measured(policy, number, simulated, course)
        click.echo(f"{policy.name}, incident {number}, seed {seed}: {trial.cause}, {trial.fate} ({trial.why})")
        for line in timeline(course):
            click.echo(line)
