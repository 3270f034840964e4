"""`run`: the long-running agent."""

from __future__ import annotations

import signal
import sys

import click

from homeostat.cli.workspace import Workspace, pass_workspace


@click.command()
@click.option(
    "--mode",
    type=click.Choice(["observe", "suggest", "approve", "auto"]),
    help="How far it goes: `observe` starts nothing, `suggest` what a person requests, `approve` what one agrees to.",
)
@click.option("--dry-run", is_flag=True, help="The same as --mode observe.")
@click.option("--store", metavar="URL", help="Share the journal with other agents: postgresql://USER@HOST/DATABASE.")
@click.option("--ticks", type=click.IntRange(1), help="Stop after this many turns of the loop.")
@click.option("--log-format", type=click.Choice(["json", "text"]), help="[default: text on a terminal, else json]")
@pass_workspace
def run(
    workspace: Workspace, mode: str | None, dry_run: bool, store: str | None, ticks: int | None, log_format: str | None
) -> None:
    """Run the agent until SIGTERM or Ctrl-C. SIGHUP reads the policies again.

    Running actions are left running when the agent stops, and are taken up again when it starts.
    """
    from homeostat.app import compose
    from homeostat.app.logs import log_to_stderr
    from homeostat.model.policy import Mode

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the agent listens to it: a reload must not end a start
    log_to_stderr(log_format or ("text" if sys.stderr.isatty() else "json"))
    wanted = Mode.OBSERVE if dry_run else Mode(mode) if mode else None
    settings = workspace.settings if store is None else workspace.settings.with_store(store)
    with compose.agent(settings, wanted) as agent:
        agent.run(ticks)
