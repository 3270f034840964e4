"""`advise`: which model of recovery planning fits, why, and a policy to start from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from homeostat.authoring.advice import Advice
    from homeostat.authoring.systems import Facts
    from homeostat.cli.output import Row

TEAMS = ("beginner", "intermediate", "advanced")
MODEL_COLUMNS = ("model", "score", "chosen", "sequential_s", "critical_path_s", "rto_s", "reasons")


@click.command()
@click.option("--systems", help="What has to be brought back, like web,app,db,cache.")
@click.option("--depends", default=None, help="Who needs whom: app:db,web:app where app needs db, and web needs app.")
@click.option("--takes", default=None, help="How long each takes to bring back: db=45m,cache=15m [default: 15m each].")
@click.option("--rto", help="How soon all must be back, like 30m.")
@click.option("--team", type=click.Choice(TEAMS), default=None, help="How used it is to automatic recovery.")
@click.option("--signals", default=None, help="The metrics that tell what is wrong: how many, or their names.")
@click.option("--causes-known", type=click.Choice(["yes", "no"]), default=None, help="Do the symptoms tell the cause?")
@click.option("--changes-often", is_flag=True, help="The systems change every week or more often.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for a starter policy.")
@pass_workspace
def advise(workspace: Workspace, /, out: Path | None, **given: str | bool | None) -> None:
    """Name the model that fits these systems, with its reasons, and write a policy to start from.

    Without options it asks, on a terminal. Nothing is measured here: `homeostat simulate` does that.
    """
    from homeostat.authoring.advice import advise as advise_on
    from homeostat.authoring.starter import starter_files
    from homeostat.authoring.workspace_files import put
    from homeostat.model.errors import UsageError

    if not given["systems"]:
        if any(given.values()) or not sys.stdin.isatty():
            raise UsageError("--systems is wanted: what has to be brought back, like --systems web,app,db")
        given = _asked()
    facts = _facts(given)
    advice = advise_on(facts)
    files = starter_files(facts, advice)
    paths = put(files, out) if out else []
    if workspace.output.is_for_people:
        _tell(workspace, facts, advice)
        for path in paths:
            click.echo(f"written: {path}")
    else:
        workspace.output.rows(_rows(facts, advice), MODEL_COLUMNS)


def _asked() -> dict[str, str | bool | None]:
    """Ask for everything. An empty answer leaves it open."""
    return {
        "systems": click.prompt("What has to be brought back (web,app,db)"),
        "depends": click.prompt("Who needs whom (app:db,web:app)", default="", show_default=False),
        "takes": click.prompt("How long each takes (db=45m,cache=15m)", default="", show_default=False),
        "rto": click.prompt("How soon must all be back (30m)", default="", show_default=False),
        "team": click.prompt("The team", type=click.Choice(TEAMS), default="intermediate"),
        "signals": click.prompt("How many metrics tell what is wrong", default="0"),
        "causes_known": click.prompt(
            "Do the symptoms tell the cause", type=click.Choice(["yes", "no", "unsure"]), default="unsure"
        ),
        "changes_often": click.confirm("Do the systems change every week or more often", default=False),
    }


def _facts(given: dict[str, str | bool | None]) -> Facts:
    from homeostat.authoring.systems import (
        Facts,
        Team,
        named_in,
        read_duration,
        read_needs,
        read_signals,
        read_systems,
        read_takes,
    )

    def text(option: str) -> str:
        return str(given[option] or "")

    systems = read_systems(text("systems"))
    takes_s = read_takes(text("takes"), systems)
    named = named_in(text("takes"))
    return Facts(
        takes_s,
        read_needs(text("depends"), systems),
        team=Team(text("team") or "intermediate"),
        rto_s=read_duration("--rto", text("rto")) if given["rto"] else None,
        signals=read_signals(text("signals") or "0"),
        causes_known={"yes": True, "no": False}.get(text("causes_known")),
        changes_often=bool(given["changes_often"]),
        assumed=tuple(system for system in systems if system not in named),
    )


def _tell(workspace: Workspace, facts: Facts, advice: Advice) -> None:
    from homeostat.authoring.advice import Model
    from homeostat.authoring.systems import mermaid
    from homeostat.policy.units import format_seconds

    models = [model.value for model in Model]
    rows: list[Row] = [
        {"rule": rule.name, **{model.value: rule.points.get(model, 0) for model in Model}, "why": why}
        for rule, why in advice.reasons
    ]
    rows.append({"rule": "score", **{model.value: advice.scores[model] for model in Model}, "why": ""})
    click.echo(f"Take the {advice.model} model.\n")
    workspace.output.rows(rows, ["rule", *models, "why"])
    rto = f". RTO {format_seconds(facts.rto_s)}" if facts.rto_s else ""
    sequential, path = format_seconds(facts.sequential_s), format_seconds(facts.critical_path_s)
    click.echo(f"\nOne after the other: {sequential}. At once, along the critical path: {path}{rto}.")
    for warning in advice.warnings:
        click.echo(f"note: {warning}")
    click.echo(f"\n{mermaid(facts)}")


def _rows(facts: Facts, advice: Advice) -> list[Row]:
    from homeostat.authoring.advice import Model

    return [
        {
            "model": model.value,
            "score": advice.scores[model],
            "chosen": model is advice.model,
            "sequential_s": facts.sequential_s,
            "critical_path_s": facts.critical_path_s,
            "rto_s": facts.rto_s,
            "reasons": "; ".join(why for rule, why in advice.reasons if rule.points.get(model)),
        }
        for model in Model
    ]
