"""Pooled Bayesian logistic regression: one model for all candidates of a node, each leaning on the others.

logit P(candidate a succeeds | x) = b + b_a + x . (w + d_a), with b free, b_a ~ N(0, 1), w ~ N(0, 0.1^2) and
d_a ~ N(0, 0.3^2). Its maximum a posteriori is ridge logistic regression (C = 1) on [onehot(a), 0.1 x, 0.3 onehot(a) x],
since a weight with prior sd s is a standard normal one on a column scaled by s (Gelman et al., "Bayesian Data
Analysis", 3rd ed., ch. 14 and 16). A candidate that was never tried gets b and w: what is true of candidates here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from homeostat.learn.features import Floats
from homeostat.learn.samples import Samples
from homeostat.model.ranking import LinearModel, MemberModel

SHARED_SD = 0.1
OWN_SD = 0.3


def design_matrix(columns: Floats, candidate: NDArray[np.intp], candidates: int) -> Floats:
    """[onehot(a), 0.1 x, 0.3 onehot(a) x]: (n, M + D + M D), the last part by candidate and then column."""
    onehot = np.eye(candidates)[candidate]
    own = (onehot[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
    return np.hstack([onehot, SHARED_SD * columns, OWN_SD * own])


class PooledLogistic:
    """Implements `Member`. Its columns are those of the context and a flag for each candidate that has failed."""

    name = "pooled"

    def fit(self, samples: Samples, previous: MemberModel | None = None) -> LinearModel:  # noqa: ARG002 - converges alone
        """See `Member`.

        A column that never varies teaches nothing and gets weight 0, lest it move the odds on the day it does. As long
        as all trials ended alike, only their numbers are used.
        """
        candidates = samples.candidates
        columns = np.hstack([samples.columns, samples.failed])
        weights = np.zeros((candidates, columns.shape[1]))
        if len(np.unique(samples.succeeded)) < 2:
            return _exported(_counted_intercepts(samples), weights, candidates)
        varies = np.ptp(columns, axis=0) > 0
        used = columns[:, varies]
        model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-8)
        design = design_matrix(used, samples.candidate, candidates)
        model.fit(design, samples.succeeded, sample_weight=samples.weight)
        base, shared, own = np.split(model.coef_[0], [candidates, candidates + used.shape[1]])
        weights[:, varies] = SHARED_SD * shared + OWN_SD * own.reshape(candidates, -1)
        return _exported(model.intercept_[0] + base, weights, candidates)


def _exported(intercepts: Floats, weights: Floats, candidates: int) -> LinearModel:
    context, failed = np.split(weights, [weights.shape[1] - candidates], axis=1)
    return LinearModel(
        PooledLogistic.name,
        tuple(intercepts.tolist()),
        tuple(map(tuple, context.tolist())),
        tuple(map(tuple, failed.tolist())),
    )


def _counted_intercepts(samples: Samples) -> Floats:
    """Log odds of shrunk success rates: pooled (s + 1) / (n + 2), and each candidate's own pulled towards that."""
    weight, succeeded = samples.weight, samples.succeeded
    pooled = (float(weight[succeeded].sum()) + 1.0) / (float(weight.sum()) + 2.0)
    tried = np.bincount(samples.candidate, weight, minlength=samples.candidates)
    worked = np.bincount(samples.candidate, weight * succeeded, minlength=samples.candidates)
    rates = (worked + 2.0 * pooled) / (tried + 2.0)
    intercepts: Floats = np.log(rates / (1.0 - rates))
    return intercepts
