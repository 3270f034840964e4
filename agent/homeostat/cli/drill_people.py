"""`drill tabletop`: lead people through a scenario in words. `drill due`, `drill list`: what was drilled, and when."""

from __future__ import annotations

import getpass
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from homeostat.app.drill_schedule import DrillDue
    from homeostat.app.tabletop import Tabletop
    from homeostat.cli.output import Cell, Row
    from homeostat.model.answers import Answer
    from homeostat.model.drill_entries import DrillRan, TabletopAnswer
    from homeostat.simulate.tabletop import Question, Scenario

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
    talk = _Talk(workspace, table)
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
    from homeostat.app.compose import policy_named
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


class _Talk:
    """Asks, and shows what the policy does. What is for people goes to stderr where stdout is for a program."""

    def __init__(self, workspace: Workspace, table: Tabletop) -> None:
        from homeostat.simulate.tabletop import steps_of

        self._to_stderr = not workspace.output.is_for_people
        self._table = table
        self._scenario = table.scenario
        self._steps = steps_of(table.scenario.policy)

    def run(self, answers: Path | None) -> None:
        """Ask everything.

        Raises:
            UsageError: there is no terminal to ask at, and no file. PolicyError: the file is wrong.
            click.Abort, KeyboardInterrupt: Ctrl-C.
        """
        from homeostat.app.tabletop_answers import read_answers
        from homeostat.model.errors import UsageError

        questions = self._table.questions
        given = None if answers is None else read_answers(answers, self._steps, len(questions))
        if given is None and not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask at; --answers FILE takes the answers from a file")
        self._open()
        for number, question in enumerate(questions):
            self._pose(question, number)
            if given is not None:
                answer = self._table.take(given[number].picked, given[number].took_s, given[number].comment)
                self.say(f"  answered: {', '.join(answer.picked)}")
            else:
                answer = self._ask()
            self._show(question, answer)
        self._close()

    def say(self, text: str = "") -> None:
        """Print for people."""
        click.echo(text, err=self._to_stderr)

    def _open(self) -> None:
        policy = self._scenario.policy
        self.say(f"Tabletop of {policy.name}: {self._scenario.name}")
        self.say(f"With {', '.join(self._table.people)}. Nothing is started: say what you would do next.\n")
        self._say_steps()

    def _say_steps(self) -> None:
        policy = self._scenario.policy
        for number, step in enumerate(self._steps, 1):
            leaf = policy.leaves[step]
            self.say(f"  {number:>2} {step}: {leaf.action.name} on {leaf.target}")
        self.say(f"   n nothing, not now; e escalate to {policy.escalate.to}; o other, which is not in the plan")

    def _pose(self, question: Question, number: int) -> None:
        from homeostat.app.explain import value_text
        from homeostat.policy.units import format_seconds

        after = format_seconds(round(question.after_s))
        self.say(f"\nQuestion {number + 1} of {len(self._table.questions)}, {after} after the first sign")
        for line in self._news(question.news):
            self.say(f"  {line}")
        self.say("  signals: " + ", ".join(f"{name} {value_text(value)}" for name, value in question.values.items()))

    def _news(self, entries: tuple[object, ...]) -> list[str]:
        from homeostat.model.entries import Entry
        from homeostat.policy.units import format_seconds
        from homeostat.simulate.bench.timeline import said_of

        told = [(entry, said_of(entry)) for entry in entries if isinstance(entry, Entry)]
        began_at = self._scenario.began_at
        return [f"{format_seconds(round(entry.at - began_at)):>6}  {said}" for entry, said in told if said is not None]

    def _ask(self) -> TabletopAnswer:
        """Ask at the terminal. Raises click.Abort: Ctrl-C."""
        from homeostat.app.clock import SystemClock
        from homeostat.app.tabletop_answers import parse_comment, parse_picks

        clock = SystemClock()
        asked_at = clock.now()
        while True:
            text = click.prompt("what do you do next (? lists the steps)", err=self._to_stderr)
            if text.strip() == "?":
                self._say_steps()
                continue
            try:
                picked = parse_picks(text, self._steps)
                break
            except ValueError as error:
                self.say(f"  {error}")
        took_s = clock.now() - asked_at
        self._table.take(picked, took_s)  # before the comment: an interruption must not lose it
        while True:
            text = click.prompt("comment", default="", show_default=False, err=self._to_stderr)
            try:
                return self._table.comment(parse_comment(text))
            except ValueError as error:
                self.say(f"  {error}")

    def _show(self, question: Question, answer: TabletopAnswer) -> None:
        self.say(f"  the policy: {', '.join(question.expected)}")
        for line in _reasons(self._scenario, question):
            self.say(f"    {line}")
        refused = [f"{step}: {question.refusals[step]}" for step in answer.picked if step in question.refusals]
        self.say(f"  => {answer.verdict}, {answer.took_s:.0f} s")
        for line in () if answer.verdict == "agrees" else refused:
            self.say(f"     {line}")

    def _close(self) -> None:
        self.say("\nAnd then:")
        for line in self._news(self._scenario.after):
            self.say(f"  {line}")
        if self._scenario.why:
            self.say(f"  the scenario ends here: {self._scenario.why}")
        left = len(self._scenario.questions) - len(self._table.questions)
        if left:
            self.say(f"  {left} more decisions of this incident were not asked")
        self.say()


def _reasons(scenario: Scenario, question: Question) -> list[str]:
    """Why the policy does so, in the words of `explain`."""
    from homeostat.app.explain import explain
    from homeostat.policy.units import format_seconds

    lines: list[str] = []
    for line in explain(question.decision):
        lines.append(line.headline)
        lines += [f"  {detail}" for detail in line.details if not detail.startswith(("signals: ", "key "))]
    if not lines:
        trigger = scenario.policy.trigger
        lines.append(f"the trigger, {trigger.condition.text}, must hold for {format_seconds(trigger.for_s)} first")
    return lines


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
    answers = ", ".join(f"{row[name]} {name}" for name in ("agrees", "partly", "differs", "forbidden") if row[name])
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


DUE_COLUMNS = ("policy", "state", "due", "every", "kinds", "last", "kind", "passed", "last_passed", "plan")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--within", default="14d", show_default=True, metavar="DAYS", help="Tell apart what is due so soon.")
@pass_workspace
@click.pass_context
def due(ctx: click.Context, workspace: Workspace, paths: tuple[Path, ...], within: str) -> None:
    """Say of every policy when it was last drilled, and when it is to be again. Exit code 1 if one is overdue.

    PATHS are files or folders [default: the workspace's policies]. A drill that was not passed does not count; a policy
    that was never drilled is due at once.
    """
    from homeostat.app.clock import SystemClock
    from homeostat.app.drill_schedule import DrillState, drills_due
    from homeostat.cli.policies import policy_files
    from homeostat.model.drill_schedule import DAY_S
    from homeostat.model.errors import UsageError

    days = within.removesuffix("d")
    if not (within.endswith("d") and days.isascii() and days.isdigit() and len(days) < 5):
        raise UsageError(f"--within: '{within}' is no number of days; write it like 14d")
    files = policy_files(paths or (workspace.policies,))
    found = drills_due(workspace.settings, files, SystemClock().now(), int(days) * DAY_S)
    workspace.output.rows([_due_row(one) for one in found], DUE_COLUMNS)
    if any(one.state is DrillState.OVERDUE for one in found):
        ctx.exit(1)


def _due_row(one: DrillDue) -> Row:
    from homeostat.app.drill_schedule import DrillState
    from homeostat.model.drill_schedule import kind_of

    at_once = "now" if one.state is DrillState.OVERDUE else None
    last = one.last
    return {
        "policy": one.policy,
        "state": one.state.value,
        "due": at_once if one.due_at is None else _day(one.due_at),
        "every": f"{one.schedule.every_days}d" if one.schedule else None,
        "kinds": " ".join(sorted(one.schedule.kinds)) if one.schedule else None,
        "last": _day(last.at) if last else None,
        "kind": kind_of(last.tier) if last else None,
        "passed": last.passed if last else None,
        "last_passed": _day(one.counted.at) if one.counted else None,
        "plan": None if one.is_same is None else "same" if one.is_same else "changed",
    }


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


LIST_COLUMNS = ("at", "kind", "drill", "policies", "passed", "why")


@click.command("list")
@click.option("--policy", help="Only drills of this policy.")
@click.option("--details", is_flag=True, help="With every answer and comment of a tabletop.")
@pass_workspace
def list_drills(workspace: Workspace, policy: str | None, details: bool) -> None:
    """List the drills that the workspace's journal tells of, oldest first."""
    from homeostat.app.drill_schedule import drills_in
    from homeostat.app.store import journal_to_read

    with journal_to_read(workspace.settings) as journal:
        drills = [ran for ran in drills_in(journal) if policy is None or policy in ran.policies]
    rows = [_list_row(ran, details=details) for ran in drills]
    if details and workspace.output.is_for_people:
        for row in rows:
            click.echo("\n            ".join((f"{row['at']}  {row['details']}").splitlines()))
    else:
        workspace.output.rows(rows, (*LIST_COLUMNS, "details") if details else LIST_COLUMNS)


def _list_row(ran: DrillRan, *, details: bool) -> Row:
    from homeostat.app.explain import explain
    from homeostat.model.drill_schedule import kind_of

    (line,) = explain([ran])
    row: dict[str, Cell] = {
        "at": datetime.fromtimestamp(ran.at, UTC).isoformat(timespec="seconds"),
        "kind": kind_of(ran.tier),
        "drill": ran.fault,
        "policies": " ".join(ran.policies) or None,
        "passed": ran.passed,
        "why": ran.why or None,
    }
    return {**row, "details": "\n".join((line.headline, *line.details))} if details else row
