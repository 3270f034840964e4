"""`world fit`: a simulated world from the incidents there have been."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Row, write_file
from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from homeostat.app.fitted_world import Fitted

COLUMNS = ("measure", "recorded", "simulated")


@click.group()
def world() -> None:
    """Simulated worlds: where they come from."""


@world.command()
@click.argument("policy")
@click.option("--history", type=click.Path(path_type=Path), help="A folder of recordings [default: the journal].")
@click.option("--to", "path", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@click.option("--interval", default="30s", show_default=True, help="How often the agent polls in the world.")
@click.option("--seed", type=int, default=1, show_default=True, help="Origin of all luck when the world is checked.")
@pass_workspace
def fit(workspace: Workspace, policy: str, history: Path | None, path: Path, interval: str, seed: int) -> None:
    """Fit a world to the recorded incidents of POLICY, a name in the workspace or a file, and say how well it fits."""
    from homeostat.app.fitted_world import fitted_world
    from homeostat.app.policies import policy_named
    from homeostat.app.recordings import journal_of_recordings
    from homeostat.app.store import journal_to_read
    from homeostat.model.errors import UsageError
    from homeostat.policy.units import parse_duration

    try:
        interval_s = parse_duration(interval)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--interval") from None
    if not path.name.endswith(".world.yaml"):
        raise click.BadParameter(f"a world's name ends with .world.yaml, not '{path.name}'", param_hint="--to")
    if path.exists():
        raise UsageError(f"{path}: is there already; give another name, or take it away first")
    loaded = policy_named(workspace.settings, policy)
    if history is not None:
        fitted = fitted_world(journal_of_recordings(history), loaded, interval_s, seed)
    else:
        with journal_to_read(workspace.settings) as journal:
            fitted = fitted_world(journal, loaded, interval_s, seed)
    write_file(path, fitted.text)
    workspace.output.rows(_rows(fitted), COLUMNS)
    workspace.output.say(f"\n{path}: fitted to {fitted.incidents} incidents; above, half of them held out")
    for sentence in fitted.unknown:
        workspace.output.say(sentence)


def _rows(fitted: Fitted) -> list[Row]:
    recorded, simulated = fitted.recorded, fitted.simulated
    if recorded is None or simulated is None:
        return []
    return [
        {"measure": name, "recorded": getattr(recorded, name), "simulated": getattr(simulated, name)}
        for name in ("incidents", "recovered", "mttr_s", "attempts")
    ]
