"""`notify`: try a channel, and see who is told."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from homeostat.cli.output import Row
from homeostat.cli.people import OUT_OF_REACH, by_option
from homeostat.cli.workspace import Workspace

COLUMNS = ("name", "step", "to", "wait", "last", "at")


@click.group()
def notify() -> None:
    """Try a channel, and see who is told what."""


@notify.command("test")
@click.argument("channel")
@by_option
@click.pass_context
def test_(ctx: click.Context, channel: str, by: str) -> None:
    """Send a message through CHANNEL that says that it is a test."""
    from homeostat.app.notify_check import send_test
    from homeostat.notify.channel import NotSentError

    workspace = ctx.ensure_object(Workspace)
    try:
        send_test(workspace.settings, channel, by)
    except NotSentError as error:
        click.echo(f"channel '{channel}': {error}", err=True)
        ctx.exit(OUT_OF_REACH)
    workspace.output.say(f"channel '{channel}' took a test message")


@notify.command("list")
@click.pass_context
def list_(ctx: click.Context) -> None:
    """Show the chains with the channels on them, every channel, and what became of its last message."""
    from homeostat.app.notify_check import listed

    workspace = ctx.ensure_object(Workspace)
    rows: list[Row] = [
        {
            "name": one.name,
            "step": one.step,
            "to": one.to,
            "wait": one.wait or None,
            "last": one.last,
            "at": None if one.last_at is None else datetime.fromtimestamp(one.last_at, UTC).isoformat("T", "seconds"),
        }
        for one in listed(workspace.settings)
    ]
    workspace.output.rows(rows, COLUMNS)
