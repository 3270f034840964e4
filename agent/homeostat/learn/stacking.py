"""Mix members: a small logistic regression on their logits, none weighted below 0.

Stacked generalisation (Wolpert, Neural Networks 5, 1992; Breiman, Machine Learning 24, 1996). It is fitted to what
members foretold before they knew the outcome. Its slope corrects members that are too sure.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from homeostat.learn.features import Floats
from homeostat.learn.samples import Bools
from homeostat.model.ranking import Stack

PRIOR_PRECISION = 5.0
"""Inverse variance of the weights around equal shares."""

INTERCEPT_PRECISION = 1.0
INTERCEPT_MAX = 1.0
WEIGHT_MAX = 2.0
LOGIT_MAX = 8.0
"""A member's logit counts no more than this in fitting the mixture."""


def equal_shares(members: int) -> Stack:
    """What is used as long as nothing was foretold."""
    return Stack(0.0, (1.0 / members,) * members)


def fit_stack(logits: Floats, succeeded: Bools, weight: Floats) -> Stack:
    """Fit to n predictions by several members: (n, members) logits."""
    members = logits.shape[1]
    bounded = np.column_stack([np.ones(len(logits)), np.clip(logits, -LOGIT_MAX, LOGIT_MAX)])
    prior = np.r_[0.0, np.full(members, 1.0 / members)]
    precision = np.r_[INTERCEPT_PRECISION, np.full(members, PRIOR_PRECISION)]
    outcome = succeeded.astype("float64")

    def objective(mixture: Floats) -> tuple[float, Floats]:
        mixed = bounded @ mixture
        apart = mixture - prior
        value = float(weight @ (np.logaddexp(0.0, mixed) - outcome * mixed) + 0.5 * precision @ apart**2)
        chances = 0.5 * (1.0 + np.tanh(0.5 * mixed))
        return value, bounded.T @ (weight * (chances - outcome)) + precision * apart

    bounds = [(-INTERCEPT_MAX, INTERCEPT_MAX), *[(0.0, WEIGHT_MAX)] * members]
    found = minimize(objective, prior, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Stack(float(found[0]), tuple(found[1:].tolist()))


def mixed_logits(stack: Stack, logits: Floats) -> Floats:
    """(...,) of (..., members)."""
    mixed: Floats = stack.intercept + logits @ np.asarray(stack.weights)
    return mixed
