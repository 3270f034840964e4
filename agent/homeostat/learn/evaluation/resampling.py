"""How sure an imputed replay is: bootstrap over incidents, with the hidden causes refitted to every resample.

Intervals of the fitted model alone would be far too narrow: most of what is not known is the model itself. Each refit
starts where the causes stand and climbs a few steps, so that a hundred of them are affordable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from homeostat.learn.evaluation.causes import HiddenCauses
from homeostat.learn.evaluation.imputation import costs_of
from homeostat.learn.evaluation.logged import Logged
from homeostat.learn.evaluation.replay import Replayed, value
from homeostat.learn.features import Floats
from homeostat.learn.samples import Ints
from homeostat.model.ranking import LatentModel

REPLICATES = 100

_STEPS_FIRST, _STEPS_EACH = 40, 12


class TimeIsUp(Exception):
    """The caller wants no more; nothing is known."""


def resampled(
    paths: Sequence[Ints],
    logged: Logged,
    model: LatentModel,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    time_is_up: Callable[[], bool] = lambda: False,
) -> Floats:
    """(replicates, paths, 3): mean seconds, first-attempt success and harms of each path in each resample.

    They are deviations from the same fit to all incidents, so their spread is the error of an estimate.

    Args:
        paths: from `follow`.
        logged: the incidents.
        model: the causes fitted to all of them.
        replicates: how many resamples.
        seed: of the draws.
        time_is_up: asked before every resample.

    Raises:
        TimeIsUp: it said so.
    """
    causes = HiddenCauses(logged, model)
    start = causes.climb(causes.start(model), np.ones(len(logged)), _STEPS_FIRST)
    middle = _means(paths, logged, causes, start, np.ones(len(logged)))
    random = np.random.default_rng(seed)
    deviations = np.empty((replicates, len(paths), 3))
    for number in range(replicates):
        if time_is_up():
            raise TimeIsUp
        counts = np.bincount(random.integers(0, len(logged), len(logged)), minlength=len(logged)).astype("float64")
        found = causes.climb(start, counts, _STEPS_EACH)
        deviations[number] = _means(paths, logged, causes, found, counts) - middle
    return deviations


def _means(paths: Sequence[Ints], logged: Logged, causes: HiddenCauses, parameters: Floats, counts: Floats) -> Floats:
    imputed, costs = causes.impute(parameters), costs_of(logged, counts)
    return np.array([_mean(value(path, logged, imputed, costs), counts) for path in paths])


def _mean(replayed: Replayed, counts: Floats) -> Floats:
    stacked = np.stack([replayed.seconds, replayed.first_success, replayed.harms])
    mean: Floats = stacked @ counts / counts.sum()
    return mean
