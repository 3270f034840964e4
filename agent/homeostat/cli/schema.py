"""`schema`: what editors need to complete and check policies while they are written."""

from __future__ import annotations

import json

import click

from homeostat.cli.workspace import pass_workspace

KINDS = ("policy", "actions", "signals", "guards")


@click.command()
@click.argument("kind", type=click.Choice(KINDS), default="policy")
@pass_workspace
def schema(_workspace: object, kind: str) -> None:
    """Print the JSON Schema (draft 7) of a policy file, or of a file of actions, signals or guards."""
    from homeostat.policy.json_schema import schema_of

    click.echo(json.dumps(schema_of(kind), indent=2))
