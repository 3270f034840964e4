"""`incidents` and `explain`: what happened, and why, or why nothing did."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Row
from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.model.entries import Entry
    from homeostat.model.incident import Incident
    from homeostat.model.ports import Journal

COLUMNS = ("incident", "policy", "phase", "result", "opened", "duration_s", "attempts", "drill")


@click.group(invoke_without_command=True)
@click.pass_context
def incidents(ctx: click.Context) -> None:
    """Past and present incidents."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_incidents, only_open=False, policy=None, limit=50)


@incidents.command("list")
@click.option("--open", "only_open", is_flag=True, help="Only those that are not closed.")
@click.option("--policy", help="Only of this policy.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The newest so many.")
@pass_workspace
def list_incidents(workspace: Workspace, only_open: bool, policy: str | None, limit: int) -> None:
    """List incidents, oldest first."""
    from homeostat.app.store import journal_to_read
    from homeostat.decide.projection import fold
    from homeostat.learn.drills import Drills

    with journal_to_read(workspace.settings) as journal:
        drills = Drills.of(journal)
        streams = journal.open_incidents() if only_open else journal.incidents()
        newest_first = (fold(record.entry for record in journal.read(stream)) for stream in reversed(streams))
        wanted = (incident for incident in newest_first if policy in (None, incident.policy))
        found = list(islice(wanted, limit))
        is_cut = next(wanted, None) is not None
    rows = [_row(incident, drill=drills.hold(incident.opened_at)) for incident in reversed(found)]
    workspace.output.rows(rows, COLUMNS)
    if is_cut:
        workspace.output.say("older ones are not shown; `incidents list --limit` shows more")


def _row(incident: Incident, *, drill: bool) -> Row:
    ended_at = incident.closed_at
    return {
        "incident": incident.id,
        "policy": incident.policy,
        "phase": incident.phase.value,
        "result": incident.result.value if incident.result else None,
        "opened": datetime.fromtimestamp(incident.opened_at, UTC).isoformat(timespec="seconds"),
        "duration_s": None if ended_at is None else round(ended_at - incident.opened_at, 3),
        "attempts": sum(1 for _ in incident.every_attempt()),
        "drill": drill,
    }


@incidents.command()
@click.argument("incident")
@pass_workspace
def show(workspace: Workspace, incident: str) -> None:
    """Show one incident's whole journal. INCIDENT is its id or an unambiguous beginning of it."""
    _explain_incident(workspace, incident)


@incidents.command()
@click.argument("incident")
@click.argument("file", type=click.Path(path_type=Path))
@pass_workspace
def record(workspace: Workspace, incident: str, file: Path) -> None:
    """Write one incident into FILE (.jsonl), for `simulate` and for sharing."""
    from homeostat.app.recordings import record_incident
    from homeostat.app.store import journal_to_read

    with journal_to_read(workspace.settings) as journal:
        record_incident(journal, found_incident(journal, incident), file)
    workspace.output.say(f"wrote {file}")


@incidents.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--labels", type=click.Path(path_type=Path), help="CSV file that says when which fault was there.")
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("history"),
    show_default=True,
    help="Folder to write to.",
)
@click.option(
    "--format",
    "written_as",
    type=click.Choice(["csv", "openmetrics"]),
    default="csv",
    show_default=True,
    help="openmetrics is what `promtool tsdb create-blocks-from openmetrics` takes.",
)
@pass_workspace
def import_file(workspace: Workspace, file: Path, labels: Path | None, to: Path, written_as: str) -> None:
    """Check a telemetry recording, and write it in its normal form: raw samples of any number of series.

    FILE is CSV (plain or .gz) or Parquet with `timestamp` as its first column and a series in every other, or
    OpenMetrics text (.om). Times are Unix seconds. What is wrong is told by file, line and column.
    """
    from homeostat.app.recordings import import_telemetry

    found = import_telemetry(file, labels, to, openmetrics=written_as == "openmetrics")
    telemetry = found.telemetry
    row: Row = {
        "file": str(found.path),
        "series": len(telemetry.series),
        "samples": telemetry.samples,
        "from": datetime.fromtimestamp(telemetry.start_s, UTC).isoformat(timespec="seconds"),
        "to": datetime.fromtimestamp(telemetry.end_s, UTC).isoformat(timespec="seconds"),
        "interval_s": telemetry.interval_s(),
        "faults": len(found.labels),
    }
    workspace.output.rows([row], tuple(row))
    if found.labels_path is not None:
        workspace.output.say(f"labels: {found.labels_path}")


@click.command()
@click.argument("incident", required=False)
@click.option("--policy", help="Why nothing happens under this policy.")
@pass_workspace
def explain(workspace: Workspace, incident: str | None, policy: str | None) -> None:
    """Say why: every decision of INCIDENT, or, without one, why nothing is being done now."""
    if incident is not None:
        _explain_incident(workspace, incident)
    else:
        _explain_quiet(workspace, policy)


def _explain_incident(workspace: Workspace, incident: str) -> None:
    from homeostat.app.explain import explain as explain_entries
    from homeostat.app.explain import render
    from homeostat.app.store import journal_to_read

    with journal_to_read(workspace.settings) as journal:
        lines = explain_entries(entries_of(journal, found_incident(journal, incident)))
    if workspace.output.is_for_people:
        click.echo(render(lines))
    else:
        rows: list[Row] = [
            {"after_s": line.after_s, "headline": line.headline, "details": "\n".join(line.details)} for line in lines
        ]
        workspace.output.rows(rows, ("after_s", "headline", "details"))


def _explain_quiet(workspace: Workspace, policy: str | None) -> None:
    from homeostat.app.alerts_now import about_policy, alerts_now
    from homeostat.app.clock import SystemClock
    from homeostat.app.listener import agent_health
    from homeostat.app.store import journal_to_read
    from homeostat.app.why_nothing import why_nothing, why_paused
    from homeostat.decide.projection import fold
    from homeostat.model.errors import UsageError
    from homeostat.model.streams import AGENT_STREAM, POLICY_STREAMS, policy_stream

    settings = workspace.settings
    now = SystemClock().now()
    trouble = agent_health(settings.agent.listen, settings.state)
    with journal_to_read(settings) as journal:
        known = sorted(stream.removeprefix(POLICY_STREAMS) for stream in journal.streams(POLICY_STREAMS))
        if policy is not None and policy not in known:
            raise UsageError(f"no agent has ever loaded a policy '{policy}'; known: {', '.join(known) or 'none'}")
        still_open = [fold(entries_of(journal, stream)) for stream in journal.open_incidents()]
        told = alerts_now(journal, now)
        rows: list[Row] = []
        for name in [policy] if policy else known:
            busy = [incident.id for incident in still_open if incident.policy == name]
            of_agent = entries_of(journal, AGENT_STREAM)
            of_policy = entries_of(journal, policy_stream(name))
            said = why_nothing(of_policy, of_agent, now, trouble)
            reasons = [f"incident {incident} is open: homeostat explain {incident}" for incident in busy] or said
            if busy and trouble is not None:
                reasons.append(trouble)
            reasons = why_paused(name, of_agent, now) + reasons
            reasons += [] if busy else about_policy(name, of_policy, told)
            rows += [{"policy": name, "why": reason} for reason in reasons]
    workspace.output.rows(rows, ("policy", "why"))
    if not known:
        workspace.output.say("no agent has loaded a policy here yet; `homeostat run` starts one")


def entries_of(journal: Journal, stream: str) -> Sequence[Entry]:
    """Every entry of a stream."""
    return [record.entry for record in journal.read(stream)]


def found_incident(journal: Journal, beginning: str) -> str:
    """Find an incident by its id or the beginning of it."""
    from homeostat.model.errors import UsageError
    from homeostat.model.nearest import did_you_mean

    matches = [stream for stream in journal.incidents() if stream.startswith(beginning)] if beginning else []
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(f"'{beginning}' begins {len(matches)} incidents, {matches[0]} and {matches[1]} among them")
    known = journal.incidents()
    newest = f"; the newest is {known[-1]}" if known else "; the journal holds none"
    hint = did_you_mean(beginning, known) or newest
    raise UsageError(f"no incident '{beginning}'{hint}")
