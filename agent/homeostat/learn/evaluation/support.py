"""Whether the log can speak of an order at all, and what its propensities allow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from homeostat.learn.columns import TEXT
from homeostat.learn.evaluation.estimators import effective_sample_size, mean_weight_is_off
from homeostat.learn.evaluation.logged import Logged
from homeostat.learn.evaluation.orders import Order
from homeostat.learn.evaluation.simulator import importance_ratios
from homeostat.learn.samples import Bools, Ints

FIRST_ESS_MIN = 30.0
MTTR_ESS_MIN = 100.0
UNSUPPORTED_SHARE_MAX = 0.05
"""Of the incidents whose first choice was never possible in their pattern; none may have one untried everywhere."""

UNKNOWN_SHARE_MAX = 0.5
"""The same where unknown first choices are held to fail; with so many, most of it would be said without the log."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What importance weights can be used for.

    Attributes:
        randomised: whatever the order would do first had a propensity above 0, and not all were 1. Else weights say
            nothing, and their mean need not be 1.
        first_ess, mttr_ess: effective sample size of first attempts and of whole incidents.
        mean: of first attempts' weights.
        mean_off: see `estimators.mean_weight_is_off`; never where not randomised.
    """

    randomised: bool
    first_ess: float
    mttr_ess: float
    mean: float
    mean_off: bool

    @property
    def usable(self) -> bool:
        """Whether estimates by weights count."""
        enough = self.first_ess >= FIRST_ESS_MIN and self.mttr_ess >= MTTR_ESS_MIN
        return self.randomised and enough and not self.mean_off


def weights_of(order: Order, path: Ints, logged: Logged) -> Weights:
    """What the propensities allow for an order whose `path` is known."""
    first = logged.first[np.arange(len(logged)), np.maximum(path[:, 0], 0)]
    known = not (np.isnan(logged.propensity).any() or (logged.propensity <= 0.0).any())
    if not known:
        return Weights(randomised=False, first_ess=0.0, mttr_ess=0.0, mean=float("nan"), mean_off=False)
    ratios = importance_ratios(logged, order)
    randomised = bool((first > 0.0).all() and (logged.propensity < 1.0).any())
    return Weights(
        randomised,
        effective_sample_size(ratios[:, 0]),
        effective_sample_size(ratios.prod(axis=1)),
        float(ratios[:, 0].mean()),
        randomised and mean_weight_is_off(ratios[:, 0], first),
    )


def never_tried(path: Ints, logged: Logged) -> str | None:
    """Say which first choice was never tried in any incident, or None."""
    first, never = np.maximum(path[:, 0], 0), _never_tried(logged)
    if never[first].any():
        return f"would put '{logged.candidates[first[np.argmax(never[first])]]}' first, which was never tried"
    return None


def unknown_firsts(path: Ints, logged: Logged) -> Bools:
    """(N,): whether the log knows nothing of the path's first choice in the pattern of its incident.

    A pattern is one value of one text signal. A choice is known where it had a propensity or was tried.
    """
    first = np.maximum(path[:, 0], 0)
    possible = ~np.isnan(logged.outcome) | (np.nan_to_num(logged.first) > 0.0)
    unknown: Bools = np.zeros(len(logged), dtype=bool)
    for pattern in _patterns(logged):
        known = np.zeros((int(pattern.max()) + 1, possible.shape[1]), dtype=bool)
        np.logical_or.at(known, pattern, possible)
        unknown |= ~known[pattern, first] & ~logged.certain[first]
    return unknown & (path[:, 0] >= 0)


def unknown_first_names(path: Ints, logged: Logged) -> tuple[str, ...]:
    """Ids of the first choices that were never tried, or of which the log knows nothing in their pattern."""
    first = np.maximum(path[:, 0], 0)
    unknown = unknown_firsts(path, logged) | (_never_tried(logged)[first] & (path[:, 0] >= 0))
    return tuple(logged.candidates[place] for place in np.unique(first[unknown]))


def is_mostly_unknown(path: Ints, logged: Logged) -> bool:
    """Whether too many first choices are unknown, even for a judge who holds them to fail."""
    return bool(unknown_firsts(path, logged).mean() >= UNKNOWN_SHARE_MAX)


def thin_support(path: Ints, logged: Logged) -> str:
    """Say which first choice the log does not know, and in how many incidents."""
    unknown = unknown_firsts(path, logged)
    name = logged.candidates[path[np.argmax(unknown), 0]]
    return (
        f"would put '{name}' first where it was never tried: {int(unknown.sum())} of {len(logged)} incidents have a"
        " first choice that the log does not know in their pattern"
    )


def unsupported(path: Ints, logged: Logged) -> str | None:
    """Say which first choice the log knows too little of for an estimate, or None."""
    never = never_tried(path, logged)
    if never is not None or unknown_firsts(path, logged).mean() <= UNSUPPORTED_SHARE_MAX:
        return never
    return thin_support(path, logged)


def _never_tried(logged: Logged) -> Bools:
    """(M,): whether a candidate was tried in no incident; what always works needs no trial."""
    never: Bools = np.isnan(logged.outcome).all(axis=0) & ~logged.certain
    return never


def _patterns(logged: Logged) -> list[Ints]:
    """Of each text signal, the number of its value in each incident (N,); unknown is a value too."""
    firsts = logged.trials.iloc[logged.rows[:, 0]]
    texts = [name for name in firsts.columns if str(name).startswith(TEXT)]
    return [np.asarray(firsts.groupby(name, dropna=False).ngroup(), dtype=np.intp) for name in texts]
