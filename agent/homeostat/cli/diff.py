"""`diff`: what would now happen otherwise, in words."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.cli.output import FORMATS, Row
from homeostat.cli.workspace import Workspace

COLUMNS = ("step", "change", "environments")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--rev", help="Compare one FILE with what it was in this git revision.")
@click.option("--env", "environment", help="Look at this environment alone [default: at all of them].")
@click.option("--exit-code", is_flag=True, help="Exit code 1 if anything would happen otherwise.")
@click.option("-o", "--output", "form", type=click.Choice(FORMATS), help="[default: as given before the command].")
@click.pass_context
def diff(
    ctx: click.Context,
    files: tuple[Path, ...],
    rev: str | None,
    environment: str | None,
    exit_code: bool,
    form: str | None,
) -> None:
    """Say what would now happen otherwise: `diff OLD NEW`, or `diff --rev REV FILE`. Layout does not count."""
    from homeostat.app.revisions import compare_policies, version

    workspace = ctx.ensure_object(Workspace)
    if len(files) != (2 if rev is None else 1):
        raise click.UsageError("two files are compared, OLD and NEW; or one FILE with --rev REV")
    old, new = (version(files[0]), version(files[1])) if rev is None else (version(files[0], rev), version(files[0]))
    found = compare_policies(old, new, environment)
    output = workspace.output.in_format(form or workspace.output.format)
    if output.is_for_people:
        for change in found:
            click.echo(str(change))
        if not found:
            click.echo("nothing would happen otherwise")
    else:
        rows: list[Row] = [
            {"step": change.step or None, "change": change.told, "environments": ", ".join(change.environments) or None}
            for change in found
        ]
        output.rows(rows, COLUMNS)
    if exit_code and found:
        ctx.exit(1)
