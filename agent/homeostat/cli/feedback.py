"""`feedback`: the team's survey about an incident."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from homeostat.cli.people import OUT_OF_REACH, by_option, wait_option
from homeostat.cli.workspace import Workspace
from homeostat.model.feedback import RATING_MAX, RATING_MIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.cli.output import Row
    from homeostat.model.feedback import Feedback

_RATING = click.IntRange(RATING_MIN, RATING_MAX)
_QUESTIONS = {
    "clarity": "Was it clear what was happening and why",
    "usability": "Could what people had to do be done",
    "confidence": "Would you leave the next one to the plan",
}


def _rating(name: str) -> Callable[[click.decorators.FC], click.decorators.FC]:
    text = f"{_QUESTIONS[name]}? {RATING_MIN} (not at all) to {RATING_MAX} (fully)."
    return click.option(f"--{name}", type=_RATING, help=text)


@click.command()
@click.argument("incident")
@_rating("clarity")
@_rating("usability")
@_rating("confidence")
@click.option("--wrong-step", help="The step of the plan that was wrong.")
@click.option("--missing-step", help="What the plan should have done besides, in your own words.")
@click.option("--note", help="Anything else, in your own words; it goes into the journal.")
@by_option
@wait_option
@click.pass_context
def feedback(
    ctx: click.Context,
    /,
    incident: str,
    wrong_step: str | None,
    missing_step: str | None,
    note: str | None,
    by: str,
    wait_s: float,
    **ratings: int | None,
) -> None:
    """Say what you think of INCIDENT (its id or the beginning of it), open or closed, a drill or not.

    On a terminal you are asked for what you leave out. You may answer again: your newest answer counts, and the journal
    keeps all.
    """
    from homeostat.app.clock import SystemClock
    from homeostat.app.feedback import check_step, give_feedback
    from homeostat.app.store import journal_to_read
    from homeostat.cli.incidents import found_incident
    from homeostat.model.feedback import Feedback
    from homeostat.record.inbox import check_name

    workspace = ctx.ensure_object(Workspace)
    check_name(by)
    with journal_to_read(workspace.settings) as journal:
        found = found_incident(journal, incident)
        if wrong_step:
            check_step(journal, found, wrong_step)

    def check_wrong_step(step: str) -> None:
        with journal_to_read(workspace.settings) as journal:
            check_step(journal, found, step)

    texts = {"wrong_step": wrong_step, "missing_step": missing_step, "note": note}
    if sys.stdin.isatty():
        _ask(ratings, texts, check_wrong_step)
    clarity, usability, confidence = _complete(ratings)
    wrong, missing, words = (texts[name] or "" for name in ("wrong_step", "missing_step", "note"))
    said = Feedback(found, clarity, usability, confidence, note=words, wrong_step=wrong, missing_step=missing)
    if not give_feedback(workspace.settings, SystemClock(), by, said, wait_s):
        click.echo("no agent has taken it in yet; it lies in the inbox and counts as soon as one runs", err=True)
        ctx.exit(OUT_OF_REACH)
    _show(workspace, by, said)


def _ask(ratings: dict[str, int | None], texts: dict[str, str | None], check_step: Callable[[str], None]) -> None:
    """Ask for the ratings that were left out, and for words if all were: who gives options has said what there is."""
    asks_words = all(rating is None for rating in ratings.values())
    for name, question in _QUESTIONS.items():
        if ratings[name] is None:
            ratings[name] = click.prompt(f"{question}? ({RATING_MIN} to {RATING_MAX})", type=_RATING)
    prompts = {
        "wrong_step": "Which step was wrong? (its name, or nothing)",
        "missing_step": "Which step was missing? (your words, or nothing)",
        "note": "Anything else? (your words, or nothing)",
    }
    for name, prompt in prompts.items():
        if asks_words and texts[name] is None:
            taken = _taken(check_step if name == "wrong_step" else None)
            texts[name] = click.prompt(prompt, default="", show_default=False, value_proc=taken)


def _taken(check: Callable[[str], None] | None) -> Callable[[str], str]:
    """What is wrong is asked for again: nobody types a survey twice."""
    from homeostat.model.errors import UsageError
    from homeostat.record.inbox import check_text

    def take(text: str) -> str:
        try:
            check_text(text)
            if text and check is not None:
                check(text)
        except UsageError as error:
            raise click.UsageError(str(error)) from error
        return text

    return take


def _complete(ratings: dict[str, int | None]) -> list[int]:
    """The ratings in the order of the questions."""
    left_out = [f"--{name}" for name in _QUESTIONS if ratings[name] is None]
    if left_out:
        raise click.UsageError(f"off a terminal nobody can be asked; give {', '.join(left_out)} too")
    return [rating for name in _QUESTIONS if (rating := ratings[name]) is not None]


def _show(workspace: Workspace, by: str, said: Feedback) -> None:
    row: Row = {
        "incident": said.incident,
        "by": by,
        "clarity": said.clarity,
        "usability": said.usability,
        "confidence": said.confidence,
        "wrong_step": said.wrong_step or None,
        "missing_step": said.missing_step or None,
        "note": said.note or None,
    }
    workspace.output.rows([row], tuple(row))
