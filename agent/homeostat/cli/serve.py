"""`serve` and `access`: the console, and who may use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from homeostat.cli.output import Row

ROLES = ("viewer", "operator", "approver", "admin")


@click.command()
@click.option("--listen", help="HOST:PORT on loopback; port 0 takes any free one [default: the settings'].")
@pass_workspace
def serve(workspace: Workspace, listen: str | None) -> None:
    """Serve the console: incidents live, approvals, the kill switch, and the JSON API.

    It runs beside the agent, in a process of its own. `homeostat access grant NAME --role ROLE` lets somebody in.
    """
    from homeostat.app.access import AccessList
    from homeostat.app.table import loopback_address
    from homeostat.console.server import serve_console
    from homeostat.model.errors import UsageError

    settings = workspace.settings
    try:
        address = loopback_address(listen or settings.console.listen)
    except ValueError as error:
        raise UsageError(f"--listen {listen}: {error}") from error
    if not AccessList(settings.state).people() and settings.console.proxy_user_header is None:
        raise UsageError("nobody has access yet; `homeostat access grant NAME --role approver` makes a token")
    serve_console(settings, address, lambda url: workspace.output.say(f"the console is at {url}; Ctrl-C ends it"))


@click.group()
def access() -> None:
    """Who may use the console, in which role."""


@access.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="Each may all that the one before it may.")
@pass_workspace
def grant(workspace: Workspace, name: str, role: str) -> None:
    """Give NAME a role and a new token, which is shown this once. An older token of theirs ends."""
    from homeostat.app.access import AccessList, role_named

    token = AccessList(workspace.settings.state).grant(name, role_named(role))
    workspace.output.rows([{"name": name, "role": role, "token": token}], ("name", "role", "token"))


@access.command()
@click.argument("name")
@pass_workspace
def revoke(workspace: Workspace, name: str) -> None:
    """Take NAME's access away, at once: open sessions end too."""
    from homeostat.app.access import AccessList

    AccessList(workspace.settings.state).revoke(name)
    workspace.output.say(f"{name} has no access any more")


@access.command("list")
@pass_workspace
def list_people(workspace: Workspace) -> None:
    """Who has access. Tokens are kept nowhere."""
    from homeostat.app.access import AccessList

    people = AccessList(workspace.settings.state).people()
    rows: list[Row] = [{"name": person.name, "role": person.role.word} for person in people]
    workspace.output.rows(rows, ("name", "role"))
