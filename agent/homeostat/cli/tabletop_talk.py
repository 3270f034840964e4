"""What is said at a tabletop: the questions, what the policy does at each, and why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.workspace import Workspace

if TYPE_CHECKING:
    from homeostat.app.tabletop import Tabletop
    from homeostat.model.drill_entries import TabletopAnswer
    from homeostat.simulate.tabletop import Question, Scenario


class Talk:
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
        # Its name is told at the end: a test's says what happens, and what cures it.
        self.say(f"Tabletop of {policy.name}")
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
        self.say(f"\nThis was: {self._scenario.name}. And then:")
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
