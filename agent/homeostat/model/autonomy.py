"""How far the agent may go by itself: the modes, how a step earns a freer one, and what may be tried to learn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """How far the agent may go by itself, from the least to the most.

    observe: decides and journals, and starts nothing. suggest: tells people what it would start, and starts it when
    one of them asks. approve: asks before every start. auto: starts what the plan says.
    """

    OBSERVE = "observe"
    SUGGEST = "suggest"
    APPROVE = "approve"
    AUTO = "auto"


_MODES = tuple(Mode)


def mode_above(mode: Mode, levels: int) -> Mode:
    """The mode that lets the agent go so many levels further, `auto` at the most."""
    return _MODES[min(_MODES.index(mode) + levels, len(_MODES) - 1)]


def levels_between(lower: Mode, upper: Mode) -> int:
    """How many levels `upper` lets the agent go further than `lower`."""
    return _MODES.index(upper) - _MODES.index(lower)


def strictest(*modes: Mode | None) -> Mode:
    """The one that lets the agent do the least; None says nothing."""
    return min((mode for mode in modes if mode is not None), key=_MODES.index, default=Mode.AUTO)


class Promotion(StrEnum):
    """Who lets a new ranking rule: the gate alone, or a person after it."""

    AUTO = "auto"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Earning:
    """A step whose mode is earned: it begins at `start`, and good attempts lift it to the step's `mode` at the most.

    Attributes:
        step: SHA-256 over what the step does, how it is proved and `start`; the record of another says nothing of it.
        level_max: how many levels there are above `start`.
    """

    start: Mode
    step: str
    level_max: int


EXPLORATION_WINDOW_S_MAX = 30 * 86400.0
"""How far back a harm budget may look: as far as the longest duration of a policy."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """Trying, now and then, what is not held to be best, so that the ranking learns of it too.

    Attributes:
        share: of the picks, at most 1.
        harm_max: so many harmful attempts of explored picks are put up with within `within_s`, over all incidents.
    """

    share: float
    harm_max: int
    within_s: float
