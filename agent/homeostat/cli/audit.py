"""`audit`: whether the journal is what was written, and proof of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Row
from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from homeostat.record.stored import StoredJournal

COLUMNS = ("kind", "message")

_file = click.Path(path_type=Path, dir_okay=False)


@click.group()
def audit() -> None:
    """Whether the journal is what was written, and proof of it."""


@audit.command()
@pass_workspace
def keygen(workspace: Workspace) -> None:
    """Make the key that anchors are signed with, in the state folder, and print its public half.

    Keep the public key where nobody who can write to the journal can: `audit verify --public-key` asks for it.
    """
    from homeostat.app.audit import make_keys

    click.echo(make_keys(workspace.settings), nl=False)


@audit.command()
@pass_workspace
def anchor(workspace: Workspace) -> None:
    """Sign the journal as it is now, and export the anchor. A running agent does so by itself."""
    from homeostat.app.anchoring import anchor_now
    from homeostat.app.clock import SystemClock
    from homeostat.app.store import journal_to_write

    with journal_to_write(workspace.settings) as journal:
        made = anchor_now(workspace.settings, journal, SystemClock().now())
    workspace.output.say(f"anchored {made.position} records" if made else "nothing was written since the last anchor")


@audit.command()
@click.option("--journal", type=_file, help="Another journal than the workspace's, such as a backup.")
@click.option("--store", metavar="URL", help="A journal on PostgreSQL, instead of store.url of the settings.")
@click.option("--anchors", type=_file, help="Exported anchors [default: the file audit.export_file names].")
@click.option("--public-key", "keys", type=_file, multiple=True, help="Public key of anchors; may be repeated.")
@click.pass_context
def verify(
    ctx: click.Context, journal: Path | None, store: str | None, anchors: Path | None, keys: tuple[Path, ...]
) -> None:
    """Check the journal whole: structure, chains, incidents, outputs, anchors. Exit code 1 on any fault.

    Says what it could not check, too. May run beside the agent.
    """
    from homeostat.app.audit import verify as verify_journal

    workspace = ctx.ensure_object(Workspace)
    if journal is not None and store is not None:
        raise click.UsageError("--journal and --store name two journals; give one of them", ctx)
    settings = workspace.settings if store is None else workspace.settings.with_store(store)
    verdict = verify_journal(settings, journal=journal, anchors=anchors, keys=keys)
    rows: list[Row] = [{"kind": "fault", "message": fault} for fault in verdict.faults]
    rows += [{"kind": "unchecked", "message": what} for what in verdict.unchecked]
    if not verdict.faults:
        counted = f"{verdict.records} records, {verdict.incidents} incidents, {verdict.anchors} anchors: no fault found"
        rows.insert(0, {"kind": "ok", "message": counted})
    workspace.output.rows(rows, COLUMNS)
    if verdict.faults:
        ctx.exit(1)


@audit.command()
@click.argument("streams", nargs=-1)
@pass_workspace
def export(workspace: Workspace, streams: tuple[str, ...]) -> None:
    """Print records as they are stored, one JSON object a line. STREAMS are names [default: all].

    An incident's stream is its id; the others are `agent` and `policy/<name>`. Each line holds all that its hash is
    computed from.
    """
    from homeostat.app.store import journal_to_read
    from homeostat.record.export import export_stream

    with journal_to_read(workspace.settings) as journal:
        for stream in streams or journal.streams():
            _require(journal, stream)
            for line in export_stream(journal, stream):
                sys.stdout.write(line + "\n")


def _require(journal: StoredJournal, stream: str) -> None:
    from homeostat.model.errors import UsageError
    from homeostat.model.nearest import did_you_mean

    if not journal.head_seq(stream):
        raise UsageError(f"no stream '{stream}'{did_you_mean(stream, journal.streams())}")
