"""What a team says of an incident when it is asked afterwards."""

from __future__ import annotations

from dataclasses import dataclass

RATING_MIN, RATING_MAX = 1, 5


@dataclass(frozen=True, slots=True)
class Feedback:
    """One person's survey about one incident. Ratings run from `RATING_MIN` (bad) to `RATING_MAX` (good).

    Attributes:
        clarity: it was clear what was happening and why.
        usability: what people had to do could be done.
        confidence: they would leave the next one to the plan.
        note: in their own words.
        wrong_step: id of the step that was wrong. missing_step: what the plan should have done besides.
    """

    incident: str
    clarity: int
    usability: int
    confidence: int
    note: str = ""
    wrong_step: str = ""
    missing_step: str = ""
