"""`compare`: which of these policies is the better one, measured on the same simulated incidents."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Row, write_file
from homeostat.cli.workers import worker_options
from homeostat.cli.workspace import Workspace
from homeostat.cli.worlds import COUNT_DEFAULT, COUNT_MAX, trials_of, world_for

if TYPE_CHECKING:
    from homeostat.simulate.bench.measures import Measures

COLUMNS = ("policy", "measure", "value", "source")


@click.command()
@click.argument("policies", nargs=-1, required=True)
@click.option("--world", "path", type=click.Path(path_type=Path), required=True, help="The simulated world.")
@click.option(
    "--incidents", "count", type=click.IntRange(1, COUNT_MAX), default=COUNT_DEFAULT, show_default=True, metavar="N"
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same incidents.")
@click.option("--rto", help="Hold all policies to this instead of their own RTO, as in 1h.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the matrix as a web page too.")
@worker_options
@click.pass_context
def compare(
    ctx: click.Context,
    policies: tuple[str, ...],
    path: Path,
    count: int,
    seed: int,
    rto: str | None,
    html: Path | None,
    jobs: int | None,
    dask: str | None,
) -> None:
    """Run policies through the same simulated incidents, and print the decision matrix.

    POLICIES are names in the workspace, or files. docs/worlds.md tells how to write a world, and what the measures
    mean.
    """
    from homeostat.app.policies import policy_named
    from homeostat.parallel import workers
    from homeostat.simulate.bench.measures import lines_of, measure

    workspace = ctx.ensure_object(Workspace)
    loaded = [policy_named(workspace.settings, name) for name in policies]
    for name, times in Counter(policy.name for policy in loaded).items():
        if times > 1:
            raise click.BadParameter(f"'{name}' is there {times} times; policies are told apart by their names")
    world = world_for(path, loaded)
    rto_s = _seconds(rto)
    with workers(jobs, dask) as running:
        measured = [measure(policy, trials_of(policy, world, count, seed, running), rto_s) for policy in loaded]
    title = f"Simulated: {count} incidents of the world '{world.name}', seed {seed}"
    if workspace.output.is_for_people:
        click.echo(f"{title}\n")
        rows: list[Row] = [
            {"measure": line.label, "source": line.source} | {of.policy: line.say(line.value(of)) for of in measured}
            for line in lines_of(measured)
        ]
        workspace.output.rows(rows, ("measure", "source", *(of.policy for of in measured)))
    else:
        workspace.output.rows(_tidy(measured), COLUMNS)
    if html is not None:
        from homeostat.simulate.bench.matrix_html import matrix_html

        write_file(html, matrix_html(title, measured))


def _tidy(measured: list[Measures]) -> list[Row]:
    from homeostat.simulate.bench.measures import LINES

    return [
        {"policy": of.policy, "measure": line.key, "value": line.value(of), "source": line.source}
        for of in measured
        for line in LINES
    ]


def _seconds(text: str | None) -> float | None:
    from homeostat.policy.units import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--rto") from None
