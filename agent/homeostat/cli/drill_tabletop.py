"""`drill tabletop`: lead people through a scenario in words."""

from __future__ import annotations

import getpass
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from homeostat.app.tabletop import Tabletop
    from homeostat.cli.output import Row
    from homeostat.model.answers import Answer
    from homeostat.simulate.tabletop import Scenario

COLUMNS = (
    "scenario", "policy", "passed", "questions", "agrees", "partly", "differs", "forbidden", "answer_mean_s",
    "answer_max_s", "whole_s", "rto_s", "why",
)  # fmt: skip
INTERRUPTED = 130


@click.command()
@click.argument("policy")
@click.option("--scenario", "test", metavar="TEST", help="A test of the policy [default: the one that asks most].")
@click.option("--incident", help="An incident of the journal, or a file of `incidents record`.")
@click.option("--world", type=click.Path(path_type=Path), help="An incident of this simulated world.")
@click.option("--number", type=click.IntRange(1), default=1, show_default=True, help="Which incident of the world.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the world's chances.")
@click.option("--answers", type=click.Path(path_type=Path), help="Take the answers from this YAML or JSON file.")
@click.option("--as", "people", multiple=True, help="Who sits at the table, once for each [default: who is logged in].")
@click.option("--wait", "wait_s", type=click.FloatRange(0, 3600), default=20.0, show_default=True,
              help="Seconds to wait until a running agent has journalled it.")  # fmt: skip
@pass_workspace
@click.pass_context
def tabletop(
    ctx: click.Context,
    workspace: Workspace,
    policy: str,
    test: str | None,
    incident: str | None,
    world: Path | None,
    number: int,
    seed: int,
    answers: Path | None,
    people: tuple[str, ...],
    wait_s: float,
) -> None:
    """Walk people through POLICY in words: what would they do next, and what would the policy do, and why?

    POLICY is a name in the workspace, or a file. Nothing is started. Exit code 1 if it was not passed. Ctrl-C ends it;
    what was answered is kept.
    """
    from homeostat.app.clock import SystemClock
    from homeostat.app.tabletop import Tabletop
    from homeostat.cli.tabletop_talk import Talk
    from homeostat.model.errors import UsageError
    from homeostat.record.inbox import PEOPLE_MAX, check_name

    if sum(given is not None for given in (test, incident, world)) > 1:
        raise UsageError("--scenario, --incident and --world are three scenarios; give one")
    people = tuple(dict.fromkeys(people or (getpass.getuser(),)))
    for name in people:
        check_name(name)
    if len(people) > PEOPLE_MAX:
        raise UsageError(f"at most {PEOPLE_MAX} people sit at a tabletop, not {len(people)}")
    scenario = _scenario(workspace, policy, test, incident, world, number, seed)
    table = Tabletop(scenario, people, SystemClock().now())
    talk = Talk(workspace, table)
    with _heard_once() as ignore:
        try:
            talk.run(answers)
            ignore()
            interrupted = False
        except (click.Abort, KeyboardInterrupt):
            interrupted = True
            talk.say(f"\ninterrupted; kept: {len(table.answers)} of {len(table.questions)} answers")
        if table.answers:
            _tell_summary(workspace, table)
        waits_for = _write_down(workspace, table)
    _tell(workspace, table, waits_for, wait_s)
    if interrupted:
        ctx.exit(INTERRUPTED)
    if list(table.shortcomings()):
        ctx.exit(1)


@contextmanager
def _heard_once() -> Iterator[Callable[[], None]]:
    """Let one Ctrl-C interrupt, or none once it is told to ignore them: what was answered is then being written."""
    before = signal.getsignal(signal.SIGINT)

    def ignore(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def hear(*_: object) -> None:
        ignore()
        raise KeyboardInterrupt

    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, hear)
    try:
        yield ignore
    finally:
        signal.signal(signal.SIGINT, before)


def _scenario(
    workspace: Workspace,
    given: str,
    test: str | None,
    incident: str | None,
    world: Path | None,
    number: int,
    seed: int,
) -> Scenario:
    from homeostat.app import scenarios
    from homeostat.app.policies import policy_named
    from homeostat.app.store import journal_to_read
    from homeostat.cli.incidents import found_incident
    from homeostat.cli.worlds import world_for

    policy = policy_named(workspace.settings, given)
    if world is not None:
        return scenarios.scenario_of_world(policy, world_for(world, [policy]), number, seed)
    if incident is None:
        return scenarios.scenario_of_test(workspace.settings, policy, given, test)
    if Path(incident).is_file():
        return scenarios.scenario_of_recording(policy, Path(incident))
    with journal_to_read(workspace.settings) as journal:
        return scenarios.scenario_of_incident(policy, journal, found_incident(journal, incident))


def _write_down(workspace: Workspace, table: Tabletop) -> Answer | None:
    """Have it journalled; what a running agent has to take in first is given back."""
    from homeostat.app.clock import SystemClock
    from homeostat.app.drill_entries import put_drill

    if not table.answers or not workspace.is_there:
        return None
    clock = SystemClock()
    return put_drill(workspace.settings, clock, table.people[0], table.entry(clock.now()))


def _tell(workspace: Workspace, table: Tabletop, waits_for: Answer | None, wait_s: float) -> None:
    """Say where it is written."""
    from homeostat.app.clock import SystemClock
    from homeostat.app.people import outcome_of

    if not table.answers:
        return
    if not workspace.is_there:
        workspace.output.say("this is no workspace, so no journal tells of it")
    elif waits_for is None or outcome_of(workspace.settings, SystemClock(), waits_for, wait_s) is not None:
        workspace.output.say(f"the journal of {workspace.settings.root} tells of it")
    else:
        workspace.output.say("no agent has taken it in yet; it lies in the inbox until one does")


def _tell_summary(workspace: Workspace, table: Tabletop) -> None:
    from homeostat.policy.units import format_seconds

    row = _summary(table)
    if not workspace.output.is_for_people:
        workspace.output.rows([row], COLUMNS)
        return
    verdict = "passed" if row["passed"] else f"not passed: {row['why']}"
    answers = ", ".join(f"{name} {row[name]}" for name in ("agrees", "partly", "differs", "forbidden") if row[name])
    mean_s, longest_s = table.thought_s()
    click.echo(f"{verdict}\nanswers: {answers}; {mean_s:.0f} s on average, {longest_s:.0f} s at most")
    rto_s = table.scenario.policy.rto_s
    limit = "there is no rto" if rto_s is None else f"the rto is {format_seconds(rto_s)}"
    if table.whole_s is not None:
        took = format_seconds(round(table.whole_s))
        click.echo(f"the incident, {table.scenario.result}, with the time you thought: {took}; {limit}")


def _summary(table: Tabletop) -> Row:
    from homeostat.model.drill_entries import TabletopVerdict

    mean_s, longest_s = table.thought_s()
    why = "; ".join(table.shortcomings())
    counts = {verdict.value: table.count(verdict) for verdict in TabletopVerdict}
    return {
        "scenario": table.scenario.name,
        "policy": table.scenario.policy.name,
        "passed": not why,
        "questions": len(table.questions),
        **counts,
        "answer_mean_s": round(mean_s, 1),
        "answer_max_s": longest_s,
        "whole_s": table.whole_s,
        "rto_s": table.scenario.policy.rto_s,
        "why": why or None,
    }
