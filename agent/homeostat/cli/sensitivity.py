"""`sensitivity`: which step does the time to recovery hang on, and what if it took longer?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Row, write_file
from homeostat.cli.workers import worker_options
from homeostat.cli.workspace import Workspace
from homeostat.cli.worlds import COUNT_DEFAULT, world_for

if TYPE_CHECKING:
    from homeostat.simulate.bench.sensitivity import Effect, Factor, Sensitivity

COUNT_MAX = 100_000


@click.command()
@click.argument("policy")
@click.option("--world", "path", type=click.Path(path_type=Path), required=True, help="The simulated world.")
@click.option(
    "--what-if", "changed", multiple=True, metavar="STEP=DURATION|ACTION.cures=SHARE", help="Change this; all together."
)
@click.option(
    "--incidents", "count", type=click.IntRange(1, COUNT_MAX), default=COUNT_DEFAULT, show_default=True, metavar="N"
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same incidents.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write table and plot as a web page too.")
@worker_options
@click.pass_context
def sensitivity(
    ctx: click.Context,
    policy: str,
    path: Path,
    changed: tuple[str, ...],
    count: int,
    seed: int,
    html: Path | None,
    jobs: int | None,
    dask: str | None,
) -> None:
    """Play the same simulated incidents again with each duration and each chance to cure 20% smaller and greater.

    POLICY is a name in the workspace, or a file. With `--what-if` also with what is given there, before and after.
    """
    from homeostat.app.policies import policy_named
    from homeostat.parallel import workers
    from homeostat.simulate.bench.sensitivity import Sensitivity, read_changes

    workspace = ctx.ensure_object(Workspace)
    loaded = policy_named(workspace.settings, policy)
    changes = read_changes(changed, loaded)
    world = world_for(path, [loaded])
    with workers(jobs, dask) as running:
        played = Sensitivity(loaded, world, count, seed, running)
        factors = played.factors()
        effect = played.effect(changes) if changes else None
    title = f"Simulated: {loaded.name} in {count} incidents of the world '{world.name}', seed {seed}"
    sentences = [] if effect is None else list(_what_if(", ".join(changed), effect))
    rows = [_shown(factor) for factor in factors]
    if workspace.output.is_for_people:
        click.echo(f"{title}: {_recovery(played)}\n")
        workspace.output.rows(rows, tuple(rows[0]) if rows else ("what",))
        if sentences:
            click.echo("\n" + "\n".join(sentences))
    else:
        flat = [_flat(factor) for factor in factors] + ([] if effect is None else [_flat_effect(changed, effect)])
        workspace.output.rows(flat, tuple(dict.fromkeys(key for row in flat for key in row)))
    if html is not None:
        from homeostat.simulate.bench.tornado_html import tornado_html

        write_file(html, tornado_html(title, factors, rows, sentences))


def _recovery(played: Sensitivity) -> str:
    times = [trial.recovered_s for trial in played.trials if trial.recovered_s is not None]
    return f"{len(times)} recovered, in {_seconds(sum(times) / len(times) if times else None)} on average"


def _seconds(value: float | None) -> str:
    from homeostat.policy.units import format_seconds

    return "-" if value is None else f"{'-' if value < 0 else ''}{format_seconds(round(abs(value)))}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _shown(factor: Factor) -> dict[str, str]:
    low, high = factor.elasticity_low, factor.elasticity_high
    within = "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
    return {
        "what": f"{factor.name}, {factor.kind}",
        "elasticity": "-" if factor.elasticity is None else f"{factor.elasticity:.2f}{within}",
        "MTTR at -20%": f"{_seconds(factor.less.after_s)}{_interval(factor.less)}",
        "MTTR at +20%": f"{_seconds(factor.more.after_s)}{_interval(factor.more)}",
        "recovered at -20%": _share(factor.less.recovered_after),
        "at +20%": _share(factor.more.recovered_after),
        "incidents": str(max(factor.less.incidents, factor.more.incidents)),
    }


def _interval(effect: Effect) -> str:
    return "" if not effect.difference_s else f" ({_seconds(effect.low_s)} to {_seconds(effect.high_s)})"


def _what_if(said: str, effect: Effect) -> list[str]:
    interval = (
        f" (95%: {_seconds(effect.low_s)} to {_seconds(effect.high_s)})" if effect.difference_s is not None else ""
    )
    times = f"MTTR {_seconds(effect.before_s)} before, {_seconds(effect.after_s)} after"
    times += f"; difference {_seconds(effect.difference_s)}{interval}, over {effect.pairs} incidents recovered in both."
    shares = f"Recovered: {_share(effect.recovered_before)} before, {_share(effect.recovered_after)} after."
    rto = f"Within the RTO: {_share(effect.rto_before)} before, {_share(effect.rto_after)} after."
    return [f"What if {said}: {times}", f"{shares} {rto}"]


def _flat(factor: Factor) -> Row:
    row: dict[str, str | int | float | None] = {"what": factor.name, "kind": factor.kind}
    row |= {"elasticity": factor.elasticity, "elasticity_low": factor.elasticity_low}
    row |= {"elasticity_high": factor.elasticity_high}
    for end, effect in (("less", factor.less), ("more", factor.more)):
        row |= {f"{end}_{key}": value for key, value in asdict(effect).items()}
    return row


def _flat_effect(changed: tuple[str, ...], effect: Effect) -> Row:
    return {"what": ", ".join(changed), "kind": "what_if"} | asdict(effect)
