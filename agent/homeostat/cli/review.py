"""`review`: the report after an incident."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from homeostat.cli.output import write_file
from homeostat.cli.ranking_history import history_option, journal_of
from homeostat.cli.workspace import Workspace, pass_workspace


@click.command()
@click.argument("incident")
@click.option("--format", "form", type=click.Choice(("md", "html")), default="md", show_default=True)
@click.option("--to", "path", type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@history_option
@pass_workspace
def review(workspace: Workspace, incident: str, form: str, path: Path | None, place: str | None) -> None:
    """Write the report on INCIDENT (its id or the beginning of it): what was done, decided, learnt and left open."""
    from homeostat.app.clock import SystemClock
    from homeostat.app.policies import policy_named
    from homeostat.app.review.facts import facts_of
    from homeostat.app.review.html import as_html
    from homeostat.app.review.markdown import as_markdown
    from homeostat.app.review.writing import review as written
    from homeostat.cli.incidents import found_incident

    settings = workspace.settings
    with journal_of(settings, place) as journal:
        found, window_s = found_incident(journal, incident), settings.learning.recurrence_s
        report = written(facts_of(journal, found, window_s, SystemClock().now(), partial(policy_named, settings)))
    text = as_html(report) if form == "html" else as_markdown(report)
    if path is None:
        click.echo(text, nl=False)
    else:
        write_file(path, text)
        workspace.output.say(f"wrote {path}")
