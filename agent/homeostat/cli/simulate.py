"""`simulate`: what would this policy have done in the incidents we recorded?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Row
from homeostat.cli.workspace import Workspace

if TYPE_CHECKING:
    from homeostat.simulate.replay import Replay

COLUMNS = ("policy", "incident", "verdict", "duration_s", "shift_s", "starts", "why")


@click.command()
@click.argument("policies", nargs=-1, required=True)
@click.option("--incidents", "folder", type=click.Path(path_type=Path), default=Path("history"), show_default=True)
@click.option(
    "--ranking",
    type=click.Choice(["recorded", "none"]),
    default="recorded",
    show_default=True,
    help="The order at `choose`: the ranking that ruled then, or the written one.",
)
@click.pass_context
def simulate(ctx: click.Context, policies: tuple[str, ...], folder: Path, ranking: str) -> None:
    """Replay recorded incidents through the same decisions that run live.

    POLICIES are names in the workspace, or files. Answers RECOVERED, ESCALATED, or UNKNOWN where the policy would do
    what nobody recorded: an outcome is never invented. Exit code 1 when a recording cannot be read.
    """
    from homeostat.app.compose import policy_named
    from homeostat.record.recording import read_recordings
    from homeostat.simulate.replay import Verdict, replay

    workspace = ctx.ensure_object(Workspace)
    loaded = [policy_named(workspace.settings, name) for name in policies]
    recordings, problems = read_recordings(folder)
    rows: list[Row] = []
    counts: dict[str, dict[Verdict, int]] = {}
    for policy in loaded:
        tally = counts.setdefault(policy.name, dict.fromkeys(Verdict, 0))
        for recording in recordings:
            learnt = recording.ranking if ranking == "recorded" else None
            replayed = replay(policy, recording.entries, learnt)
            tally[replayed.verdict] += 1
            rows.append(_row(policy.name, replayed))
    workspace.output.rows(rows, COLUMNS)
    for name, tally in counts.items():
        told = ", ".join(f"{count} {verdict}" for verdict, count in tally.items())
        workspace.output.say(f"\n{name}: {told} of {len(recordings)} recorded incidents")
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        ctx.exit(1)


def _row(policy: str, replayed: Replay) -> Row:
    return {
        "policy": policy,
        "incident": replayed.incident,
        "verdict": replayed.verdict.value,
        "duration_s": None if replayed.duration_s is None else round(replayed.duration_s, 3),
        "shift_s": round(replayed.shift_s, 3),
        "starts": " > ".join(start.action for start in replayed.starts) or None,
        "why": replayed.why,
    }
