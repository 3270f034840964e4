"""`simulate`: what would this policy have done in the incidents we recorded, or in those of a simulated world?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.detections import tell_detections
from homeostat.cli.output import Row
from homeostat.cli.workers import worker_options
from homeostat.cli.workspace import Workspace
from homeostat.cli.worlds import COUNT_DEFAULT, COUNT_MAX, trials_of, world_for

if TYPE_CHECKING:
    from homeostat.model.policy import Policy
    from homeostat.parallel import Workers
    from homeostat.simulate.bench.trial import Trial

WORLD_COLUMNS = ("policy", "incident", "source", "cause", "fate", "recovered_s", "actions", "starts", "why")


@click.command()
@click.argument("policies", nargs=-1, required=True)
@click.option(
    "--incidents",
    help="The folder of recorded incidents [default: history]; with --world how many are simulated [default: 100].",
)
@click.option("--world", type=click.Path(path_type=Path), help="Simulate the incidents of this world instead.")
@click.option("--seed", type=int, default=1, show_default=True, help="With --world: origin of all luck.")
@click.option("--telemetry", type=click.Path(path_type=Path), help="Look for incidents in these raw samples instead.")
@click.option("--labels", type=click.Path(path_type=Path), help="With --telemetry: CSV file of the faults in it.")
@click.option("--faults", default="*", show_default=True, help="With --labels: the fault types the policies are for.")
@click.option("--every", type=float, help="With --telemetry: seconds between ticks [default: as recorded].")
@click.option("--summary", is_flag=True, help="With --telemetry: one row a policy, not one an incident.")
@click.option(
    "--ranking",
    type=click.Choice(["recorded", "none"]),
    default="recorded",
    show_default=True,
    help="The order at `choose`: the ranking that ruled then, or the written one.",
)
@click.option("--baseline", metavar="REV", help="Hold the policies against what they were in this git revision.")
@click.option("--estimate", is_flag=True, help="Also estimate off policy what UNKNOWN leaves open.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a report as a web page too.")
@worker_options
@click.pass_context
def simulate(
    ctx: click.Context,
    policies: tuple[str, ...],
    incidents: str | None,
    world: Path | None,
    seed: int,
    telemetry: Path | None,
    labels: Path | None,
    faults: str,
    every: float | None,
    summary: bool,
    ranking: str,
    baseline: str | None,
    estimate: bool,
    html: Path | None,
    jobs: int | None,
    dask: str | None,
) -> None:
    """Replay recorded incidents through the same decisions that run live, or simulate those of a world.

    POLICIES are names in the workspace, or files. Answers RECOVERED, ESCALATED, or UNKNOWN where the policy would do
    what nobody recorded: an outcome is never invented. Exit code 1 when a recording cannot be read, or when with
    --baseline an incident goes worse than before.

    With --telemetry it tells which incidents the policies would have noticed in raw samples, and when; with --labels
    also which faults they missed. Nothing is invented there either: after its first decision an incident is UNKNOWN.
    """
    from homeostat.app.policies import policy_named
    from homeostat.cli.replays import Asked, replay_recordings
    from homeostat.parallel import workers

    for_recorded = baseline is not None or estimate or html is not None
    if for_recorded and (world is not None or telemetry is not None):
        raise click.UsageError("--baseline, --estimate and --html are for recorded incidents alone")
    if telemetry is None and (labels is not None or every is not None or faults != "*" or summary):
        raise click.UsageError("--labels, --faults, --every and --summary go with --telemetry")
    if telemetry is not None and (world is not None or incidents is not None):
        raise click.UsageError("--telemetry goes without --incidents and --world")
    workspace = ctx.ensure_object(Workspace)
    loaded = [policy_named(workspace.settings, name) for name in policies]
    if telemetry is not None:
        tell_detections(workspace, loaded, telemetry, labels=labels, faults=faults, every_s=every, summary=summary)
        return
    with workers(jobs, dask) as running:
        if world is not None:
            _simulate_world(workspace, loaded, world, _count(incidents), seed, running)
        else:
            asked = Asked(Path(incidents or "history"), ranking == "recorded", baseline, estimate, html)
            given = [(policy, _file(workspace, name, policy)) for name, policy in zip(policies, loaded, strict=True)]
            replay_recordings(ctx, workspace, given, asked, running)


def _file(workspace: Workspace, name: str, policy: Policy) -> Path:
    from homeostat.app.policies import policy_file

    return Path(name) if name.endswith(".yaml") else policy_file(workspace.settings, policy)


def _count(incidents: str | None) -> int:
    if incidents is None:
        return COUNT_DEFAULT
    if not (incidents.isascii() and incidents.isdigit() and 1 <= int(incidents) <= COUNT_MAX):
        message = f"with --world it is how many incidents are simulated, 1 to {COUNT_MAX}, not '{incidents}'"
        raise click.BadParameter(message, param_hint="--incidents")
    return int(incidents)


def _simulate_world(
    workspace: Workspace, policies: list[Policy], path: Path, count: int, seed: int, workers: Workers
) -> None:
    world = world_for(path, policies)
    rows: list[Row] = []
    told: list[str] = []
    for policy in policies:
        trials = trials_of(policy, world, count, seed, workers)
        rows += [_world_row(policy.name, trial) for trial in trials]
        fates = Counter(trial.fate.value for trial in trials)
        counts = ", ".join(f"{number} {fate}" for fate, number in fates.most_common())
        told.append(f"\n{policy.name}: {counts} of {count} simulated incidents of '{world.name}', seed {seed}")
    workspace.output.rows(rows, WORLD_COLUMNS)
    for sentence in told:
        workspace.output.say(sentence)


def _world_row(policy: str, trial: Trial) -> Row:
    return {
        "policy": policy,
        "incident": trial.number,
        "source": "simulated",
        "cause": trial.cause,
        "fate": trial.fate.value,
        "recovered_s": None if trial.recovered_s is None else round(trial.recovered_s, 3),
        "actions": trial.actions,
        "starts": " > ".join(trial.starts) or None,
        "why": trial.why,
    }
