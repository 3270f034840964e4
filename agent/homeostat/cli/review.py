"""`review`: the report after an incident."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.cli.ranking_history import history_option, journal_of
from homeostat.cli.workspace import Workspace, pass_workspace


@click.command()
@click.argument("incident")
@click.option("--format", "form", type=click.Choice(("md", "html")), default="md", show_default=True)
@click.option(
    "--to", "path", type=click.Path(path_type=Path, dir_okay=False), help="Write it there, not on the screen."
)
@history_option
@pass_workspace
def review(workspace: Workspace, incident: str, form: str, path: Path | None, place: Path | None) -> None:
    """Write the report on INCIDENT (its id or the beginning of it): what was done, decided, learnt and left open."""
    from homeostat.app.review import review as reviewed
    from homeostat.app.review_facts import facts_of
    from homeostat.app.review_pages import as_html, as_markdown
    from homeostat.cli.incidents import found_incident
    from homeostat.model.errors import UsageError

    settings = workspace.settings
    with journal_of(settings, place) as journal:
        report = reviewed(facts_of(journal, found_incident(journal, incident), settings.learning.recurrence_s))
    text = as_html(report) if form == "html" else as_markdown(report)
    if path is None:
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    workspace.output.say(f"wrote {path}")
