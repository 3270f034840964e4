"""Pooled Bayesian logistic regression: one model for all candidates of a node, each leaning on the others.

logit P(candidate a succeeds | x) = b + b_a + x . (w + d_a), with b free, b_a ~ N(0, 1), w ~ N(0, 0.1^2) and
d_a ~ N(0, 0.5^2). Its maximum a posteriori is ridge logistic regression (C = 1) on [onehot(a), 0.1 x, 0.5 onehot(a) x],
since a weight with prior sd s is a standard normal one on a column scaled by s (Gelman et al., "Bayesian Data
Analysis", 3rd ed., ch. 14 and 16). A candidate that was never tried gets b and w: what is true of candidates here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homeostat.learn.features import Floats
from homeostat.learn.members.newton import Design, Precision, posterior
from homeostat.learn.samples import Samples
from homeostat.model.ranking import LinearModel, MemberModel

SHARED_SD = 0.1
OWN_SD = 0.5
INTERCEPT_SD = 1.0


def design_matrix(columns: Floats, candidate: NDArray[np.intp], candidates: int) -> Floats:
    """[onehot(a), 0.1 x, 0.5 onehot(a) x]: (n, M + D + M D), the last part by candidate and then column."""
    onehot = np.eye(candidates)[candidate]
    own = (onehot[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
    return np.hstack([onehot, SHARED_SD * columns, OWN_SD * own])


@dataclass(frozen=True, slots=True)
class PooledPosterior:
    """Normal approximation of what is known of the parameters (1, x, failed).

    Attributes:
        mean: (M, 1 + D + M).
        covariance: (M, 1 + D + M, 1 + D + M), of each candidate's own.
    """

    mean: Floats
    covariance: Floats

    def model(self) -> LinearModel:
        """The mode as a model."""
        candidates = len(self.mean)
        intercepts, context, failed = np.split(self.mean, [1, self.mean.shape[1] - candidates], axis=1)
        return LinearModel(
            PooledLogistic.name,
            tuple(intercepts[:, 0].tolist()),
            tuple(map(tuple, context.tolist())),
            tuple(map(tuple, failed.tolist())),
        )


class PooledLogistic:
    """Implements `Member`. Its columns are those of the context and a flag for each candidate that has failed."""

    name = "pooled"
    quick = True

    def fit(self, samples: Samples, previous: MemberModel | None = None) -> LinearModel:
        """See `Member`."""
        return self.fit_posterior(samples, previous).model()

    def fit_posterior(self, samples: Samples, previous: MemberModel | None = None) -> PooledPosterior:
        """The same with its uncertainty.

        A column that never varies teaches nothing and gets weight 0, lest it move the odds on the day it does. As long
        as all trials ended alike, only their numbers are used.
        """
        if samples.succeeded.all() or not samples.succeeded.any():
            return _counted(samples)
        design = Design(samples)
        used = np.concatenate([[True], design.columns_used, design.failed_used])
        start = _start(samples, previous)
        start = None if start is None else start[:, used]
        found = posterior(design, samples.candidates, _precision(design.width), start)
        mean = np.zeros((samples.candidates, len(used)))
        mean[:, used] = found.mean
        covariance = np.zeros((*mean.shape, len(used)))
        rows, columns = np.ix_(used, used)
        covariance[:, rows, columns] = found.covariance
        return PooledPosterior(mean, covariance)


def _precision(width: int) -> Precision:
    own, shared = np.full(width, OWN_SD**-2.0), np.full(width, SHARED_SD**-2.0)
    own[0], shared[0] = INTERCEPT_SD**-2.0, 0.0
    return Precision(own, shared)


def _start(samples: Samples, previous: MemberModel | None) -> Floats | None:
    """Where Newton's method starts; None if the earlier model is of other columns or candidates."""
    if not isinstance(previous, LinearModel) or len(previous.intercepts) != samples.candidates:
        return None
    weights = np.reshape(previous.weights, (samples.candidates, -1))
    if weights.shape[1] != samples.columns.shape[1]:
        return None
    return np.column_stack([previous.intercepts, weights, np.asarray(previous.failed)])


def _counted(samples: Samples) -> PooledPosterior:
    """Log odds of shrunk success rates: pooled (s + 1) / (n + 2), and each candidate's own pulled towards that."""
    weight, succeeded = samples.weight, samples.succeeded
    pooled = (float(weight[succeeded].sum()) + 1.0) / (float(weight.sum()) + 2.0)
    tried = np.bincount(samples.candidate, weight, minlength=samples.candidates)
    worked = np.bincount(samples.candidate, weight * succeeded, minlength=samples.candidates)
    rates = (worked + 2.0 * pooled) / (tried + 2.0)
    mean = np.zeros((samples.candidates, 1 + samples.columns.shape[1] + samples.candidates))
    mean[:, 0] = np.log(rates / (1.0 - rates))
    covariance = np.zeros((*mean.shape, mean.shape[1]))
    covariance[:, 0, 0] = 1.0 / ((tried + 2.0) * rates * (1.0 - rates))
    return PooledPosterior(mean, covariance)
