"""`for:` windows over whole frames: since when a truth has held without a break, as `decide.turn.Turn.watch` has it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Times = NDArray[np.float64]


def held_s(times: Times, holds: Mask, gap_s_max: float) -> Times:
    """For how many seconds `holds` has been true at each tick without a break; NaN where it is not.

    Between two looks further apart than `gap_s_max` nobody knows what it was: it counts from the later one.

    Args:
        times: Unix seconds, rising, shape (ticks,).
        holds: certainly true; unknown is not, shape (ticks,).
        gap_s_max: seconds; see `decide.turn.LOOK_GAP_FACTOR`.
    """
    if not len(times):
        return np.empty(0)
    begins = holds.copy()
    begins[1:] &= ~holds[:-1] | (np.diff(times) > gap_s_max)
    since = np.maximum.accumulate(np.where(begins, np.arange(len(times)), 0))
    return np.where(holds, times - times[since], np.nan)


def satisfied(times: Times, holds: Mask, for_s: float, gap_s_max: float) -> Mask:
    """Where `holds` has been true without a break for at least `for_s` seconds, shape (ticks,)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(held_s(times, holds, gap_s_max) >= for_s)
