"""What attempts show of a step: the fold of `autonomy.counted` and `autonomy.relapsed`.

Autonomy comes slowly and goes at once.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

from homeostat.model import entries as e
from homeostat.model.track_record import TrackRecord

ATTEMPTS_MIN = 10
"""Fewer attempts show nothing."""

SUCCESS_SHARE_MIN = 0.8
"""The lower bound of the share of successes must reach this."""

RELAPSES_MAX = 1
"""One more since the level last changed, and it falls."""

_CONFIDENCE_SDS = 1.2815515655446004
"""A normal variable is below this many standard deviations nine times in ten."""


def success_share_low(known: TrackRecord) -> float:
    """The share of successes is above this with 90% confidence (E. B. Wilson, JASA 22, 1927, one-sided)."""
    n = known.attempts
    if n == 0:
        return 0.0
    share, z2 = known.successes / n, _CONFIDENCE_SDS**2
    spread = _CONFIDENCE_SDS * sqrt(share * (1.0 - share) / n + z2 / (4.0 * n * n))
    return (share + z2 / (2.0 * n) - spread) / (1.0 + z2 / n)


def judged(known: TrackRecord | None, entry: e.AttemptCounted) -> TrackRecord:
    """The record after one more attempt."""
    known = known or TrackRecord(entry.policy, entry.node)
    if entry.harmful:
        return _fallen(known, "an attempt did harm")
    known = replace(known, attempts=known.attempts + 1, successes=known.successes + entry.succeeded)
    if entry.succeeded:
        known = replace(known, succeeded_at=entry.at, succeeded_in=entry.incident)
    is_proven = known.attempts >= ATTEMPTS_MIN and success_share_low(known) >= SUCCESS_SHARE_MIN
    if known.level < entry.level_max and is_proven:
        return replace(known, level=known.level + 1, attempts=0, successes=0, relapses=0)
    return known


def relapsed(known: TrackRecord) -> TrackRecord:
    """The record after the last success has proved not to last."""
    relapses = known.relapses + 1
    known = replace(known, relapses=relapses, successes=max(0, known.successes - 1), succeeded_at=None)
    return known if relapses <= RELAPSES_MAX else _fallen(known, f"{relapses} successes did not last")


def _fallen(known: TrackRecord, why: str) -> TrackRecord:
    fell_for = why if known.level else known.fell_for
    return TrackRecord(known.policy, known.node, max(0, known.level - 1), fell_for=fell_for)


def missing(known: TrackRecord) -> str:
    """What is still missing for the next level, in words."""
    if known.attempts < ATTEMPTS_MIN:
        return f"{ATTEMPTS_MIN - known.attempts} more attempts"
    low = success_share_low(known)
    return f"successes: at least {SUCCESS_SHARE_MIN:.0%} must be sure, {low:.0%} is"
