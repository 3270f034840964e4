"""Impute outcomes that were not logged, and expect costs that were not.

The causes (`causes.HiddenCauses`) are fitted without the incident it speaks of (cross-fitted by
incident): an incident must not vouch for itself twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from homeostat.learn.costs import COST_MIN_S, DECLARED_WEIGHT
from homeostat.learn.evaluation.causes import HiddenCauses, Imputation
from homeostat.learn.evaluation.logged import Logged
from homeostat.learn.features import Floats
from homeostat.learn.fitting import HARM_RATE, HARM_WEIGHT
from homeostat.learn.members.latent import LatentCauses
from homeostat.learn.samples import Bools, Ints

PARTS = 5

_STEPS = 40


@dataclass(frozen=True, slots=True)
class Costs:
    """(M,) each: expected seconds of a trial that works and of one that does not, and share of trials that do harm."""

    success_s: Floats
    failure_s: Floats
    harm: Floats


def parts_of(incidents: int) -> Ints:
    """(N,): which part each incident belongs to, in turn, so that every part spans the whole time."""
    return np.arange(incidents) % max(min(PARTS, incidents), 1)


def held_out_parts(part: Ints) -> list[Bools]:
    """For each part, which incidents are left when it is held out: (N,) each."""
    return [part != number for number in range(int(part.max()) + 1)]


def impute(logged: Logged, part: Ints) -> Imputation:
    """Causes and outcomes given all that happened in each incident, by causes learnt from the other parts.

    Args:
        logged: all incidents.
        part: (N,), see `parts_of`.
    """
    return impute_by(logged, part, held_out_parts(part))


def impute_by(logged: Logged, part: Ints, seen: Sequence[Bools]) -> Imputation:
    """The same, where `seen` says for each part which incidents its causes are learnt from: (N,) each."""
    imputations = [_held_out(logged, one) for one in seen]
    rows = np.arange(len(logged))
    beliefs, success = (
        np.stack([getattr(one, name) for one in imputations])[part, rows] for name in ("beliefs", "success")
    )
    return Imputation(beliefs, success)


def _held_out(logged: Logged, seen: Bools) -> Imputation:
    if not seen.any():
        seen = np.ones(len(logged), dtype=bool)
    model = LatentCauses(iterations_max=_STEPS).fit(logged.samples.take(seen[logged.samples.incident]))
    causes = HiddenCauses(logged, model)
    return causes.impute(causes.climb(causes.start(model), seen.astype("float64"), _STEPS))


def costs_of(logged: Logged, counts: Floats | None = None) -> Costs:
    """As `fitting` shrinks them, each incident counted `counts` times (N,)."""
    times = np.ones(len(logged)) if counts is None else counts
    declared_success_s = np.array([one.cost.success_s for one in logged.declared])
    declared_failure_s = np.array([one.cost.failure_s for one in logged.declared])
    known = ~np.isnan(logged.seconds)
    harmful, tried = np.nan_to_num(logged.harmful), ~np.isnan(logged.outcome)
    return Costs(
        _shrunk_s(logged.seconds, known & logged.verified, times, declared_success_s),
        _shrunk_s(logged.seconds, known & ~logged.verified, times, declared_failure_s),
        (times @ harmful + HARM_WEIGHT * HARM_RATE) / (times @ tried + HARM_WEIGHT),
    )


def _shrunk_s(seconds: Floats, counted: Bools, times: Floats, declared_s: Floats) -> Floats:
    total_s = times @ np.where(counted, seconds, 0.0) + DECLARED_WEIGHT * declared_s
    mean_s: Floats = np.maximum(total_s / (times @ counted + DECLARED_WEIGHT), COST_MIN_S)
    return mean_s
