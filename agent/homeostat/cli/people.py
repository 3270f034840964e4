"""`pending`, `approve`, `deny`, `request`, `acknowledge`, `done`, `failed`, `take-over`, `pause`, `resume`."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from homeostat.cli.output import Row
from homeostat.cli.workspace import Workspace

if TYPE_CHECKING:
    from homeostat.model.answers import Answer
    from homeostat.model.entries import Entry

COLUMNS = ("incident", "step", "kind", "who", "until", "what")
REFUSED = 4
OUT_OF_REACH = 3

_Command = Callable[..., None]


def by_option(command: _Command) -> _Command:
    """Add --as."""
    return click.option("--as", "by", default=getpass.getuser, show_default="who is logged in", help="Your name.")(
        command
    )


def _note(command: _Command) -> _Command:
    return click.option("--note", default="", help="Why; it goes into the journal.")(command)


def wait_option(command: _Command) -> _Command:
    """Add --wait."""
    text = "How many seconds to wait for the agent to take it in."
    return click.option("--wait", "wait_s", type=click.FloatRange(0, 3600), default=40.0, show_default=True, help=text)(
        command
    )


@click.command()
@click.pass_context
def pending(ctx: click.Context) -> None:
    """Show what waits for people: approvals, suggested steps, manual steps."""
    from homeostat.app.people import pending as find_pending

    workspace = ctx.ensure_object(Workspace)
    rows: list[Row] = [
        {
            "incident": waiting.incident or None,
            "step": waiting.node,
            "kind": waiting.kind,
            "who": waiting.who,
            "until": None
            if waiting.until is None
            else datetime.fromtimestamp(waiting.until, UTC).isoformat("T", "seconds"),
            "what": waiting.what,
        }
        for waiting in find_pending(workspace.settings)
    ]
    workspace.output.rows(rows, COLUMNS)


def _answering(name: str, text: str) -> click.Command:
    """A command that answers a question about a step."""

    @click.command(name, help=text)
    @click.argument("incident")
    @click.argument("step")
    @by_option
    @_note
    @wait_option
    @click.pass_context
    def answer(ctx: click.Context, incident: str, step: str, by: str, note: str, wait_s: float) -> None:
        from homeostat.app.clock import SystemClock
        from homeostat.app.people import say
        from homeostat.model.answers import AnswerKind

        workspace = ctx.ensure_object(Workspace)
        said = say(workspace.settings, SystemClock(), AnswerKind(name), by, incident, step, note)
        _tell(ctx, said, wait_s)

    return answer


approve = _answering("approve", "Agree that STEP of INCIDENT starts. Who asked for it cannot agree to it.")
deny = _answering("deny", "Refuse that STEP of INCIDENT starts; the plan goes on as after a failure.")
request = _answering("request", "Have the agent start STEP of INCIDENT, which it has only suggested.")


def _saying(name: str, text: str) -> click.Command:
    """A command that says something of an incident as a whole."""

    @click.command(name, help=text)
    @click.argument("incident")
    @by_option
    @_note
    @wait_option
    @click.pass_context
    def say(ctx: click.Context, incident: str, by: str, note: str, wait_s: float) -> None:
        from homeostat.app.clock import SystemClock
        from homeostat.app.people import say_of_incident
        from homeostat.model.answers import AnswerKind

        workspace = ctx.ensure_object(Workspace)
        kind = AnswerKind(name.replace("-", "_"))
        _tell(ctx, say_of_incident(workspace.settings, SystemClock(), kind, by, incident, note), wait_s)

    return say


acknowledge = _saying(
    "acknowledge", "Say that you are on INCIDENT: nobody else is called for it. It changes nothing that the agent does."
)
take_over = _saying(
    "take-over",
    "Take INCIDENT over: the agent starts nothing more in it, undos neither. What runs goes on to its end.",
)


def _reporting(name: str, status: str, text: str) -> click.Command:
    """A command that reports a manual step."""

    @click.command(name, help=text)
    @click.argument("incident")
    @click.argument("step")
    @by_option
    @_note
    @click.pass_context
    def report(ctx: click.Context, incident: str, step: str, by: str, note: str) -> None:
        from homeostat.app.clock import SystemClock
        from homeostat.app.people import report_manual
        from homeostat.model.reasons import OutcomeStatus

        workspace = ctx.ensure_object(Workspace)
        key = report_manual(workspace.settings, SystemClock(), incident, step, OutcomeStatus(status), by, note)
        workspace.output.say(f"reported {key} as {name}; the agent takes it in at its next turn")

    return report


done = _reporting("done", "ok", "Report the manual STEP of INCIDENT as done, after its check.")
failed = _reporting("failed", "error", "Report that the manual STEP of INCIDENT could not be done.")


def _switching(name: str, text: str) -> click.Command:
    """A command that moves the kill switch."""

    @click.command(name, help=text)
    @click.option("--policy", help="Only this policy [default: all].")
    @by_option
    @_note
    @wait_option
    @click.pass_context
    def switch(ctx: click.Context, policy: str | None, by: str, note: str, wait_s: float) -> None:
        from homeostat.app.clock import SystemClock
        from homeostat.app.people import switch as put_in
        from homeostat.model.answers import AnswerKind

        workspace = ctx.ensure_object(Workspace)
        said = put_in(workspace.settings, SystemClock(), AnswerKind(name), by, policy, note)
        _tell(ctx, said, wait_s)

    return switch


pause = _switching("pause", "The kill switch: nothing is started until `resume`, over restarts too. Undos still run.")
resume = _switching("resume", "Lift the kill switch.")


def _tell(ctx: click.Context, said: Answer, wait_s: float) -> None:
    """Wait for the agent's word, and say it; exit code 4 when it refused, 3 when nobody took it in."""
    from homeostat.app.clock import SystemClock
    from homeostat.app.people import WHY_REFUSED, outcome_of
    from homeostat.model import entries as e

    workspace: Any = ctx.ensure_object(Workspace)
    outcome: Entry | None = outcome_of(workspace.settings, SystemClock(), said, wait_s)
    if isinstance(outcome, e.AnswerRefused):
        click.echo(f"refused: {WHY_REFUSED[outcome.reason.value].format(by=said.by)} ({outcome.reason})", err=True)
        ctx.exit(REFUSED)
    if outcome is None:
        click.echo("no agent has taken it in yet; it lies in the inbox and holds as soon as one runs", err=True)
        ctx.exit(OUT_OF_REACH)
    workspace.output.rows(
        [{"answer": said.id, "by": said.by, "journalled": outcome.TYPE}], ("answer", "by", "journalled")
    )
