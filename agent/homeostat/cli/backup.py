"""`backup`, `restore` and `archive`: copies of the journal."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.cli.output import Row
from homeostat.cli.workspace import Workspace, pass_workspace

COLUMNS = ("archive", "records", "incidents", "artifacts")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_workspace
def backup(workspace: Workspace, file: Path) -> None:
    """Copy the journal to a new FILE, and verify the copy. May run beside the agent."""
    from homeostat.app.audit import export_check, require_file
    from homeostat.record.sqlite_backup import back_up

    settings = workspace.settings
    require_file(settings)
    position = back_up(settings.journal, file, export_check(settings))
    workspace.output.say(f"wrote {file}: {position} records, verified")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pass_workspace
def restore(workspace: Workspace, file: Path) -> None:
    """Put the backup FILE in the place of a journal that is gone. No agent may run.

    What was done after the backup is in none of it: see docs/operations/journal.md before an agent starts on it.
    """
    from homeostat.app.audit import export_check, require_file, require_there
    from homeostat.app.store import state_folder
    from homeostat.record.sqlite_backup import restore as restore_journal

    settings = workspace.settings
    require_file(settings)
    require_there(file)
    state_folder(settings)
    check = export_check(settings)
    anchored = max([anchor.position for anchor in check.exported], default=0)
    position = restore_journal(file, settings.journal, check)
    workspace.output.say(f"restored {settings.journal}: {position} records, verified")
    if anchored > position:
        workspace.output.say(f"at least {anchored - position} records were written after this backup and are lost")
    workspace.output.say("what was done after this backup is not in it: `homeostat pause` before an agent may act")


@click.group()
def archive() -> None:
    """Closed incidents in Parquet files, for keeping and for analysis."""


@archive.command()
@pass_workspace
def write(workspace: Workspace) -> None:
    """Archive incidents that were closed retention.archive_after_s ago. May run beside the agent."""
    from homeostat.app.archives import archive_due
    from homeostat.app.clock import SystemClock
    from homeostat.app.store import journal_to_read

    with journal_to_read(workspace.settings) as journal:
        written = archive_due(workspace.settings, journal, SystemClock().now())
    if written is None:
        workspace.output.say("no incident is due for the archive")
        return
    folder, manifest = written
    workspace.output.say(
        f"wrote {folder}: {len(manifest.streams)} incidents, {manifest.records} records, read back and verified"
    )


@archive.command()
@pass_workspace
def verify(workspace: Workspace) -> None:
    """Read every archive back and compute every hash in it anew."""
    from homeostat.app.archives import archives
    from homeostat.record.archive import verify_archive

    rows: list[Row] = []
    for folder in archives(workspace.settings):
        manifest = verify_archive(folder)
        counts = {"incidents": len(manifest.streams), "artifacts": len(manifest.artifacts)}
        rows.append({"archive": folder.name, "records": manifest.records, **counts})
    workspace.output.rows(rows, COLUMNS)


@archive.command()
@pass_workspace
def prune(workspace: Workspace) -> None:
    """Remove outputs of actions that are safe in an archive from the journal. Records stay. No agent may run."""
    from homeostat.app.archives import prune as prune_journal
    from homeostat.app.clock import SystemClock
    from homeostat.app.store import journal_to_write

    with journal_to_write(workspace.settings) as journal:
        count = prune_journal(workspace.settings, journal, SystemClock().now())
    workspace.output.say(f"removed {count} outputs from the journal; they are in the archive")
