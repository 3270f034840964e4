"""`demo`: a failing service is healed before your eyes, and healed faster once the agent has learnt."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import click


@click.command()
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where to keep the demo's workspace [default: a new one]."
)
@click.option("--rounds", type=click.IntRange(2, 20), default=3, show_default=True, help="Rounds of incidents.")
@click.option(
    "--each", type=click.IntRange(1, 50), default=4, show_default=True, help="Incidents of each fault a round."
)
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed, another world.")
@click.pass_context
def demo(ctx: click.Context, folder: Path | None, rounds: int, each: int, seed: int) -> None:
    """Break and heal the embedded payments service, and show what was learnt. Exit code 1 if it was not faster."""
    from homeostat.app.demo import Scope, run_demo
    from homeostat.app.scaffold import make_workspace
    from homeostat.app.settings import load_settings
    from homeostat.app.settings_file import FILE_NAME

    root = folder or Path(tempfile.mkdtemp(prefix="homeostat-demo-")) / "workspace"
    make_workspace(root)
    results = run_demo(load_settings(root / FILE_NAME), click.echo, Scope(rounds, each, seed))
    config = root / FILE_NAME
    program = os.path.relpath(sys.argv[0]) if sys.argv[0].startswith("/") else sys.argv[0]
    click.echo(f"\nlook around:  {program} -c {config} incidents")
    click.echo(f"              {program} -c {config} explain INCIDENT")
    click.echo(f"              {program} -c {config} rankings show")
    if results[-1].minutes >= results[0].minutes:
        ctx.exit(1)
