"""A tabletop: people are led through a scenario in words, and what they answer is held beside what the policy does."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from homeostat.model.drill_entries import TABLETOP, DrillRan, TabletopAnswer, TabletopVerdict
from homeostat.model.reasons import Result
from homeostat.policy.units import format_seconds
from homeostat.record.inbox import BYTES_MAX, TABLETOP_ANSWERS_MAX, TABLETOP_STEPS_MAX, TEXT_MAX
from homeostat.simulate.tabletop import Question, Scenario

AGREED_SHARE_MIN = 0.8
"""So many of the answers must agree with the policy for a tabletop to pass."""
COMMENT_MAX = 200
"""Characters of one comment."""
_ENTRY_BYTES_MAX = BYTES_MAX - 1024
"""The rest is for what an answer in the inbox holds beside the drill."""
_STEP_MAX = 130
"""Characters of a step's name in the journal."""


@dataclass(slots=True)
class Tabletop:
    """What has been answered so far.

    Attributes:
        questions: those that are asked; of a very long incident the first.
        began_at: Unix seconds at which people sat down.
    """

    scenario: Scenario
    people: tuple[str, ...]
    began_at: float
    answers: list[TabletopAnswer] = field(default_factory=list)

    @property
    def questions(self) -> Sequence[Question]:
        """See above."""
        return self.scenario.questions[:TABLETOP_ANSWERS_MAX]

    def take(self, picked: Sequence[str], took_s: float, comment: str = "") -> TabletopAnswer:
        """Take the answer to the next question; `picked` are ids of steps, or `nothing` or `escalate` alone."""
        question = self.questions[len(self.answers)]
        steps = tuple(dict.fromkeys(picked))
        answer = TabletopAnswer(
            question.after_s, question.expected, steps, question.verdict(steps), round(max(0.0, took_s), 1), comment
        )
        self.answers.append(answer)
        return answer

    def comment(self, text: str) -> TabletopAnswer:
        """Put a comment to the newest answer."""
        self.answers[-1] = msgspec.structs.replace(self.answers[-1], comment=text)
        return self.answers[-1]

    def count(self, verdict: TabletopVerdict) -> int:
        """How many answers came to this."""
        return sum(answer.verdict is verdict for answer in self.answers)

    @property
    def whole_s(self) -> float | None:
        """What the incident takes with the time that people thought, from the trigger on; None where it has no end."""
        ended_s = self.scenario.ended_s
        return None if ended_s is None else ended_s + sum(answer.took_s for answer in self.answers)

    def shortcomings(self) -> Iterator[str]:
        """Why it has not passed, in words; nothing where it has."""
        answered, asked = len(self.answers), len(self.questions)
        if answered < asked:
            yield f"interrupted after {answered} of {asked} questions"
        forbidden = self.count(TabletopVerdict.FORBIDDEN)
        if forbidden:
            yield f"forbidden steps were picked {'once' if forbidden == 1 else f'{forbidden} times'}"
        agreed = self.count(TabletopVerdict.AGREES)
        if agreed < AGREED_SHARE_MIN * answered:
            yield f"{agreed} of {answered} answers agree with the policy; {AGREED_SHARE_MIN:.0%} are wanted"
        rto_s = self.scenario.policy.rto_s
        recovers = self.scenario.result in (Result.RECOVERED, Result.SELF_HEALED)
        if answered == asked and recovers and rto_s is not None and (self.whole_s or 0.0) > rto_s:
            yield f"it takes {format_seconds(round(self.whole_s or 0.0))}, and the rto is {format_seconds(rto_s)}"

    def thought_s(self) -> tuple[float, float]:
        """Mean and longest time of an answer."""
        times = [answer.took_s for answer in self.answers] or [0.0]
        return statistics.fmean(times), max(times)

    def entry(self, at: float) -> DrillRan:
        """What the journal is told, at `at` (Unix seconds). Bounded: see `_fitting`."""
        why = "; ".join(self.shortcomings())
        policy = self.scenario.policy
        return _fitting(
            DrillRan(
                at=at,
                fault=_printable(self.scenario.name),
                began_at=self.began_at,
                passed=not why,
                why=_printable(why),
                tier=TABLETOP,
                policies={policy.name: policy.hash},
                elsewhere=True,
                people=self.people,
                answers=tuple(_bounded(answer) for answer in self.answers),
                whole_s=self.whole_s,
            )
        )


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:TEXT_MAX]


def _bounded(answer: TabletopAnswer) -> TabletopAnswer:
    return msgspec.structs.replace(answer, expected=_named(answer.expected), picked=_named(answer.picked))


def _named(steps: Sequence[str]) -> tuple[str, ...]:
    """So many steps as an entry may name; of more, how many there were."""
    named = [step[:_STEP_MAX] for step in steps]
    if len(named) > TABLETOP_STEPS_MAX:
        left = len(named) - TABLETOP_STEPS_MAX + 1
        named = [*named[: TABLETOP_STEPS_MAX - 1], f"and {left} more"]
    return tuple(named)


def _fitting(ran: DrillRan) -> DrillRan:
    """The same entry, its comments shortened if it would not fit into the inbox of a running agent."""
    for characters in (COMMENT_MAX, COMMENT_MAX // 2, COMMENT_MAX // 4, 0):
        answers = tuple(msgspec.structs.replace(one, comment=one.comment[:characters]) for one in ran.answers)
        ran = msgspec.structs.replace(ran, answers=answers)
        if len(msgspec.json.encode(ran)) <= _ENTRY_BYTES_MAX:
            break
    return ran
