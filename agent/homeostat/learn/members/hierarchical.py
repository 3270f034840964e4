"""Beta-binomial success rates: of each candidate, and of it where one category holds, each leaning on the one above.

With no context, or hardly any data, this is all there is to say. A candidate's rate is (s + 2 r) / (n + 2), r the rate
of all; its rate in a category is (s + 4 r_a) / (n + 4). Categories add up on the logit scale, as in naive Bayes, over
the columns that are flags and were seen as 0 and as 1; other columns are not looked at.
"""

from __future__ import annotations

import numpy as np

from homeostat.learn.features import Floats
from homeostat.learn.samples import Bools, Samples
from homeostat.model.ranking import LinearModel, MemberModel

CANDIDATE_STRENGTH = 2.0
CATEGORY_STRENGTH = 4.0
"""The rate above counts as much as so many trials."""


class Hierarchical:
    """Implements `Member`."""

    name = "hierarchical"
    quick = True

    def fit(self, samples: Samples, previous: MemberModel | None = None) -> LinearModel:  # noqa: ARG002 - counts need no start
        """See `Member`."""
        worked = samples.weight * samples.succeeded
        overall = (float(worked.sum()) + 1.0) / (float(samples.weight.sum()) + 2.0)
        own = _rates(samples, np.ones((len(samples), 1)), np.array([[overall]]), CANDIDATE_STRENGTH)
        usual = _logit(own)
        weights = np.zeros((samples.candidates, samples.columns.shape[1]))
        flags = _flags(samples.columns)
        if flags.any():
            of_category = _rates(samples, samples.columns[:, flags], own, CATEGORY_STRENGTH)
            weights[:, flags] = (_logit(of_category) - usual) / _flags_held(samples.columns[:, flags])
        nothing = np.zeros((samples.candidates, samples.candidates))
        return LinearModel(
            self.name,
            tuple(usual[:, 0].tolist()),
            tuple(map(tuple, weights.tolist())),
            tuple(map(tuple, nothing.tolist())),
        )


def _rates(samples: Samples, flags: Floats, above: Floats, strength: float) -> Floats:
    """(M, columns) shrunk rates where a flag holds; `above` is what they lean on."""
    tried = np.zeros((samples.candidates, flags.shape[1]))
    worked = np.zeros_like(tried)
    for candidate in range(samples.candidates):
        rows = samples.candidate == candidate
        tried[candidate] = samples.weight[rows] @ flags[rows]
        worked[candidate] = (samples.weight * samples.succeeded)[rows] @ flags[rows]
    rates: Floats = (worked + strength * above) / (tried + strength)
    return rates


def _flags(columns: Floats) -> Bools:
    if not len(columns):
        return np.zeros(columns.shape[1], dtype=bool)
    both = (columns.min(axis=0) == 0.0) & (columns.max(axis=0) == 1.0)
    flags: Bools = both & np.all((columns == 0.0) | (columns == 1.0), axis=0)
    return flags


def _flags_held(flags: Floats) -> float:
    """How many flags hold at a time, at most: evidence that comes together is not counted as often as it is told."""
    return max(1.0, float(np.sqrt(flags.sum(axis=1).max())))


def _logit(chances: Floats) -> Floats:
    logits: Floats = np.log(chances / (1.0 - chances))
    return logits
