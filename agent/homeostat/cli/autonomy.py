"""`autonomy`: how far the agent may go by itself with each step that earns its mode."""

from __future__ import annotations

import click

from homeostat.cli.output import Row
from homeostat.cli.workspace import Workspace, pass_workspace

COLUMNS = ("policy", "step", "mode", "earned", "tried", "succeeded", "sure", "missing", "fell_for")


@click.command()
@click.argument("policies", nargs=-1)
@pass_workspace
def autonomy(workspace: Workspace, policies: tuple[str, ...]) -> None:
    """Show what steps with an earned mode may do by themselves, and what is missing for more.

    POLICIES are names or files [default: all of the workspace]. `sure` is the share of successes that is 90% sure.
    """
    from homeostat.app.autonomy import earning_steps, track_records_of
    from homeostat.app.policies import all_policies, policy_named
    from homeostat.app.store import has_journal, journal_to_read
    from homeostat.model.incident import Ledger

    settings = workspace.settings
    named = [policy_named(settings, name) for name in policies] or all_policies(settings)
    ledger = Ledger()
    if has_journal(settings):
        with journal_to_read(settings) as journal:
            ledger = track_records_of(journal)
    rows: list[Row] = [
        {
            "policy": step.policy,
            "step": step.step,
            "mode": str(step.mode),
            "earned": str(step.earned),
            "tried": step.attempts,
            "succeeded": step.successes,
            "sure": f"{step.success_share_low:.0%}" if workspace.output.is_for_people else step.success_share_low,
            "missing": step.missing,
            "fell_for": step.fell_for,
        }
        for step in earning_steps(named, ledger)
    ]
    if not rows and workspace.output.is_for_people:
        workspace.output.say("no step earns its mode; `mode: {start: suggest}` in a step lets it")
        return
    workspace.output.rows(rows, COLUMNS)
