"""Vectorised replay: a policy's trigger over a whole frame at once, and the incidents it would confirm.

It knows nothing that `step` does not: `detection.py` steps through the ticks it points at, and the two agree on every
confirmation, as long as no trigger flickers until people are called, of which masks know nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from homeostat.decide.turn import LOOK_GAP_FACTOR
from homeostat.model.policy import Policy
from homeostat.model.signals import Condition
from homeostat.policy.conditions import compile_masks
from homeostat.simulate.telemetry.frame import Frame
from homeostat.simulate.telemetry.windows import Mask, satisfied


@dataclass(frozen=True)
class TriggerMasks:
    """A trigger over a frame; all of shape (ticks,).

    Attributes:
        true, false: certainly so; unknown is neither.
        confirms: it has held for its window.
        clears: it has certainly not held for the window of `resolved`, which is when an incident nobody acted on is
            taken for over.
    """

    true: Mask
    false: Mask
    confirms: Mask
    clears: Mask


def trigger_masks(policy: Policy, frame: Frame) -> TriggerMasks:
    """Evaluate a policy's trigger at every tick."""
    trigger = policy.trigger
    true, false = condition_masks(trigger.condition, frame)
    gap_s_max = look_gap_s_max(policy)
    confirms = satisfied(frame.times, true, trigger.for_s, gap_s_max)
    return TriggerMasks(true, false, confirms, satisfied(frame.times, false, policy.resolved.for_s, gap_s_max))


def condition_masks(condition: Condition, frame: Frame) -> tuple[Mask, Mask]:
    """Where a condition is certainly true, and where certainly false, shape (ticks,) each."""
    masks = compile_masks(condition.text, frame.signals)
    return masks(frame.columns)


def look_gap_s_max(policy: Policy) -> float:
    """How far apart two looks at the trigger may be before its window begins anew."""
    names = policy.trigger.condition.signals
    return LOOK_GAP_FACTOR * max((policy.signals[name].max_age_s for name in names), default=0.0)


def confirmed_ticks(masks: TriggerMasks) -> Iterator[tuple[int, int | None]]:
    """The ticks at which an incident is confirmed and at which it is over; None: the frame ends before."""
    confirms, clears = np.flatnonzero(masks.confirms), np.flatnonzero(masks.clears)
    tick = -1
    while True:
        place = int(np.searchsorted(confirms, tick, side="right"))
        if place == len(confirms):
            return
        confirmed = int(confirms[place])
        place = int(np.searchsorted(clears, confirmed, side="right"))
        over = int(clears[place]) if place < len(clears) else None
        yield confirmed, over
        if over is None:
            return
        tick = over
