"""Pooled Bayesian logistic regression: one model for all candidates of a node, each leaning on the others.

logit P(candidate a succeeds | x) = b + b_a + x . (w + d_a), with b free, b_a ~ N(0, 1), w ~ N(0, 0.1^2) and
d_a ~ N(0, 0.3^2). Its maximum a posteriori is ridge logistic regression (C = 1) on [onehot(a), 0.1 x, 0.3 onehot(a) x],
since a weight with prior sd s is a standard normal one on a column scaled by s (Gelman et al., "Bayesian Data
Analysis", 3rd ed., ch. 14 and 16). A candidate that was never tried gets b and w: what is true of candidates here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from homeostat.learn.features import Floats

SHARED_SD = 0.1
OWN_SD = 0.3


@dataclass(frozen=True, slots=True)
class PooledLogistic:
    """The fitted model of M candidates over D columns.

    Attributes:
        intercepts: (M,), b + b_a.
        weights: (M, D), w + d_a.
    """

    intercepts: Floats
    weights: Floats


def design_matrix(columns: Floats, candidate: NDArray[np.intp], candidates: int) -> Floats:
    """[onehot(a), 0.1 x, 0.3 onehot(a) x]: (n, M + D + M D), the last part by candidate and then column."""
    onehot = np.eye(candidates)[candidate]
    own = (onehot[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
    return np.hstack([onehot, SHARED_SD * columns, OWN_SD * own])


def fit(
    columns: Floats, candidate: NDArray[np.intp], succeeded: NDArray[np.bool_], weight: Floats, candidates: int
) -> PooledLogistic:
    """Fit n trials.

    A column that never varies teaches nothing and gets weight 0, lest it move the odds on the day it does. As long as
    all trials ended alike, only their numbers are used.

    Args:
        columns: (n, D) features.
        candidate: (n,) which candidate was tried, in 0..M-1.
        succeeded: (n,) labels.
        weight: (n,) how much each counts, above 0.
        candidates: M.
    """
    weights = np.zeros((candidates, columns.shape[1]))
    if len(np.unique(succeeded)) < 2:
        return PooledLogistic(_counted_intercepts(candidate, succeeded, weight, candidates), weights)
    varies = np.ptp(columns, axis=0) > 0
    used = columns[:, varies]
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-8)
    model.fit(design_matrix(used, candidate, candidates), succeeded, sample_weight=weight)
    base, shared, own = np.split(model.coef_[0], [candidates, candidates + used.shape[1]])
    weights[:, varies] = SHARED_SD * shared + OWN_SD * own.reshape(candidates, -1)
    return PooledLogistic(model.intercept_[0] + base, weights)


def _counted_intercepts(
    candidate: NDArray[np.intp], succeeded: NDArray[np.bool_], weight: Floats, candidates: int
) -> Floats:
    """Log odds of shrunk success rates: pooled (s + 1) / (n + 2), and each candidate's own pulled towards that."""
    pooled = (float(weight[succeeded].sum()) + 1.0) / (float(weight.sum()) + 2.0)
    tried = np.bincount(candidate, weight, minlength=candidates)
    worked = np.bincount(candidate, weight * succeeded, minlength=candidates)
    rates = (worked + 2.0 * pooled) / (tried + 2.0)
    intercepts: Floats = np.log(rates / (1.0 - rates))
    return intercepts
