"""What people answer at a tabletop, as they write it: on a line, or in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator

from homeostat.app.tabletop import COMMENT_MAX
from homeostat.model.errors import PolicyError, Position, Problem, printable
from homeostat.model.nearest import did_you_mean
from homeostat.policy.fields import Duration, ValidationContext, shown, wrong
from homeostat.policy.parts import Part
from homeostat.policy.schema_errors import validated
from homeostat.policy.sources import FolderSources, SourceError
from homeostat.policy.yaml_tree import Document, read_yaml
from homeostat.simulate.tabletop import ESCALATE, NOTHING, OTHER, WORDS

_SHORT = {"n": NOTHING, "e": ESCALATE, "o": OTHER}


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """One answer of a file."""

    picked: tuple[str, ...]
    took_s: float
    comment: str


def parse_picks(text: str, steps: Sequence[str]) -> tuple[str, ...]:
    """Read an answer: steps by their ids or numbers (from 1), with commas between, or one word by itself.

    Raises:
        ValueError: it is none, with the nearest name.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise ValueError("an answer is wanted: steps by number or id, n for nothing, e for escalate, o for other")
    return _checked([_step(word, steps) for word in words], steps)


def _step(word: str, steps: Sequence[str]) -> str:
    if word in steps:
        return word
    if word.isascii() and word.isdigit() and 1 <= int(word[:9]) <= len(steps):
        return steps[int(word) - 1]
    return _SHORT.get(word, word)


def _checked(picked: Sequence[str], steps: Sequence[str]) -> tuple[str, ...]:
    for pick in picked:
        if pick not in steps and pick not in WORDS:
            raise ValueError(f"no step is called {shown(pick)}{did_you_mean(pick, [*steps, *WORDS])}")
    if len(picked) > 1 and any(pick in WORDS for pick in picked):
        raise ValueError(f"{', '.join(WORDS)} stand by themselves")
    return tuple(dict.fromkeys(picked))


def parse_comment(text: str) -> str:
    """Read a comment. Raises ValueError: it is too long, or has line breaks in it."""
    comment = text.strip()
    if len(comment) > COMMENT_MAX or not comment.isprintable():
        raise ValueError(f"at most {COMMENT_MAX} printable characters, without line breaks")
    return comment


def _picks(value: object) -> list[str]:
    words = value if isinstance(value, list) else [value]
    if not words or not all(isinstance(word, str) for word in words):
        raise wrong("E112", f"a step's id, a list of them, or one of {', '.join(WORDS)} is wanted, not {shown(value)}")
    return [str(word) for word in words]


def _comment(value: object) -> str:
    if not isinstance(value, str):
        raise wrong("E112", f"a comment is text, not {shown(value)}; put it in quotes")
    try:
        return parse_comment(value)
    except ValueError as error:
        raise wrong("E112", str(error)) from error


class _AnswerFields(Part):
    do: Annotated[list[str], PlainValidator(_picks)]
    took: Duration = 0.0
    comment: Annotated[str, PlainValidator(_comment)] = ""


def read_answers(path: Path, steps: Sequence[str], asked: int) -> list[GivenAnswer]:
    """Read a file of answers: a YAML or JSON list of `{do, took, comment}`, one for each question.

    Raises:
        PolicyError: with every problem at its place.
    """
    try:
        document = read_yaml(FolderSources(path.parent).read(path.name), str(path))
    except SourceError as error:
        raise PolicyError([Problem(Position(str(path), 1, 1), "E100", str(error))]) from error
    problems = [*document.problems]
    raw: Any = document.data
    if not problems and not isinstance(raw, list):
        problems.append(Problem(document.at(()), "E112", f"a list of answers is wanted, not {shown(raw)}"))
    answers = [] if problems else [_answer(one, index, document, steps, problems) for index, one in enumerate(raw)]
    if not problems and len(answers) != asked:
        message = f"{len(answers)} answers are given, and {asked} questions are asked in this scenario"
        problems.append(Problem(document.at((asked,) if len(answers) > asked else ()), "E112", message))
    if problems:
        raise PolicyError([printable(problem) for problem in problems])
    return [answer for answer in answers if answer is not None]


def _answer(
    raw: object, index: int, document: Document, steps: Sequence[str], problems: list[Problem]
) -> GivenAnswer | None:
    fields = validated(_AnswerFields, raw, document, (index,), ValidationContext(None))
    if isinstance(fields, list):
        problems.extend(fields)
        return None
    try:
        return GivenAnswer(_checked(fields.do, steps), fields.took, fields.comment)
    except ValueError as error:
        problems.append(Problem(document.at((index, "do")), "E112", str(error)))
        return None
