"""`retrain`: train rankings now, and let the gate judge them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.workers import worker_options
from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from homeostat.app.settings import Settings
    from homeostat.learn.retrain import Retrained
    from homeostat.model.policy import Policy
    from homeostat.model.ports import Journal
    from homeostat.parallel import Workers


@click.command()
@click.argument("policies", nargs=-1)
@click.option("--incidents", "folder", type=click.Path(path_type=Path), help="Train on recordings, and only show.")
@click.option("--dry-run", is_flag=True, help="Train and judge, and journal nothing.")
@click.option("--promote/--no-promote", default=None, help="Whether the gate may let it rule [default: the settings'].")
@worker_options
@pass_workspace
def retrain(
    workspace: Workspace,
    policies: tuple[str, ...],
    folder: Path | None,
    dry_run: bool,
    promote: bool | None,
    jobs: int | None,
    dask: str | None,
) -> None:
    """Train rankings now. POLICIES are names or files [default: all of the workspace].

    While an agent runs, it is asked to retrain: the journal has one writer.
    """
    from homeostat.app.listener import ask_agent_to_retrain
    from homeostat.app.policies import all_policies, policy_named
    from homeostat.app.recordings import journal_of_recordings
    from homeostat.app.store import journal_to_read, journal_to_write
    from homeostat.learn.retrain import apply_retrained
    from homeostat.parallel import workers

    settings = workspace.settings
    named = [policy_named(settings, name) for name in policies] or all_policies(settings)
    if folder is not None:
        with workers(jobs, dask) as running:
            for policy in named:
                _tell(workspace, policy, _retrained(settings, journal_of_recordings(folder), policy, promote, running))
    elif dry_run:
        with journal_to_read(settings) as journal, workers(jobs, dask) as running:
            for policy in named:
                _tell(workspace, policy, _retrained(settings, journal, policy, promote, running))
    elif ask_agent_to_retrain(settings.agent.listen, settings.state):
        if policies or promote is not None or jobs is not None or dask is not None:
            click.echo("the running agent retrains all its policies by its own settings; stop it to choose", err=True)
        workspace.output.say("the running agent retrains now; `homeostat rankings history` will show what came of it")
    else:
        with journal_to_write(settings) as journal, workers(jobs, dask) as running:
            for policy in named:
                retrained = _retrained(settings, journal, policy, promote, running)
                apply_retrained(journal, retrained)
                _tell(workspace, policy, retrained, journalled=True)


def _retrained(
    settings: Settings, journal: Journal, policy: Policy, promote: bool | None, workers: Workers
) -> Retrained:
    import getpass

    from homeostat.app.clock import SystemClock
    from homeostat.app.retraining import may_promote
    from homeostat.learn.retrain import retrain as train

    allowed = settings.learning.promote == "auto"
    may_rule = may_promote(policy, settings_allow=allowed) if promote is None else promote
    return train(
        journal,
        policy,
        SystemClock().now(),
        getpass.getuser(),
        promote=may_rule,
        recurrence_s=settings.learning.recurrence_s,
        workers=workers,
    )


def _tell(workspace: Workspace, policy: Policy, retrained: Retrained, *, journalled: bool = False) -> None:
    workspace.output.say(f"{policy.name}: {retrained.verdict.text}")
    rules = "rules from here on" if retrained.promoted else "does not rule"
    if not journalled:
        rules = "would rule" if retrained.promoted else "would not rule"
    workspace.output.say(f"{policy.name}: ranking {retrained.ranking.version[:12]} {rules}")
    if not workspace.output.is_for_people:
        workspace.output.rows(
            [
                {
                    "policy": policy.name,
                    "version": retrained.ranking.version,
                    "promoted": retrained.promoted,
                    "incidents": retrained.ranking.incidents,
                    "attempts": retrained.ranking.attempts,
                    "gate": retrained.verdict.text,
                }
            ],
            ("policy", "version", "promoted", "incidents", "attempts", "gate"),
        )
