"""Newton's method for the pooled model: as many logistic regressions as candidates, tied by a common normal prior.

theta_a ~ N(mu, 1 / own) and mu ~ N(0, 1 / shared), elementwise. The curvature is a block for each candidate and one for
mu, so that a step costs M small factorisations and one Schur complement, not one large factorisation (Boyd and
Vandenberghe, "Convex Optimization", app. C.4). Rows are read in blocks: memory is bounded however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.linalg import lapack

from homeostat.learn.features import Floats
from homeostat.learn.samples import Bools, Ints, Samples

BLOCK_ROWS = 32_768
CACHED_MAX = 32_000_000
"""So many numbers of the design are kept between the steps; of a larger one every block is built anew."""

STEPS_MAX = 60
HALVINGS_MAX = 30
_DECREMENT_MAX = 1e-9
"""Newton's decrement squared before the last step; the step then squares the distance to the optimum."""


@dataclass(frozen=True, slots=True)
class Precision:
    """Inverse variances of the prior, elementwise: of a candidate's parameters around mu, and of mu around 0.

    Attributes:
        own, shared: (P,). A shared one of 0 leaves mu free, as long as something was tried.
    """

    own: Floats
    shared: Floats


@dataclass(frozen=True, slots=True)
class Posterior:
    """Where the posterior has its mode, and its curvature there (Laplace).

    Attributes:
        mean: (M, P), each candidate's parameters; the intercept stands first.
        covariance: (M, P, P), of each candidate's own parameters, mu marginalised.
    """

    mean: Floats
    covariance: Floats


class Design:
    """Rows [1, used columns, used failure flags], in blocks of one candidate each."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self.columns_used = _varies(samples.columns)
        self.failed_used = _varies(samples.failed)
        self.objective_at_0 = float(np.log(2.0) * samples.weight.sum())
        self.width = 1 + int(self.columns_used.sum()) + int(self.failed_used.sum())
        order = np.argsort(samples.candidate, kind="stable")
        starts = np.searchsorted(samples.candidate[order], np.arange(samples.candidates + 1))
        self._blocks = [
            (candidate, order[at : min(at + BLOCK_ROWS, end)])
            for candidate, (start, end) in enumerate(pairwise(starts))
            for at in range(start, end, BLOCK_ROWS)
        ]
        self.block_rows = max((len(rows) for _, rows in self._blocks), default=0)
        cached = len(samples) * self.width <= CACHED_MAX
        self._cache = [self._rows(rows) for _, rows in self._blocks] if cached else None

    def blocks(self) -> Iterator[tuple[int, Floats, Bools, Floats]]:
        """Give candidate, rows (n, P), outcomes (n,) and weights (n,) of every block."""
        for place, (candidate, rows) in enumerate(self._blocks):
            matrix = self._cache[place] if self._cache is not None else self._rows(rows)
            yield candidate, matrix, self._samples.succeeded[rows], self._samples.weight[rows]

    def _rows(self, rows: Ints) -> Floats:
        matrix = np.empty((len(rows), self.width))
        matrix[:, 0] = 1.0
        split = 1 + int(self.columns_used.sum())
        matrix[:, 1:split] = self._samples.columns[rows][:, self.columns_used]
        matrix[:, split:] = self._samples.failed[rows][:, self.failed_used]
        return matrix


def posterior(design: Design, candidates: int, precision: Precision, start: Floats | None = None) -> Posterior:
    """Find the mode from `start` (M, P), and the curvature there.

    The objective is convex; a step that would raise it is halved. A start that is worse than 0 is not used: where all
    is certain there is no curvature to go by.
    """
    theta = np.zeros((candidates, design.width)) if start is None else start.copy()
    mu = _mu_of(theta, precision)
    objective, gradient, curvature = _derivatives(design, theta, mu, precision)
    if start is not None and objective > design.objective_at_0:
        return posterior(design, candidates, precision)
    for _ in range(STEPS_MAX):
        step, step_mu, decrement = _newton_step(gradient, curvature, theta, mu, precision)
        scale = 1.0
        for _ in range(HALVINGS_MAX):
            moved, moved_mu = theta + scale * step, mu + scale * step_mu
            there = _derivatives(design, moved, moved_mu, precision)
            if there[0] <= objective + 1e-9 * max(1.0, abs(objective)):
                break
            scale /= 2.0
        theta, mu = moved, moved_mu
        objective, gradient, curvature = there
        if decrement < _DECREMENT_MAX:
            break
    return Posterior(theta, _covariance(curvature, precision))


def _mu_of(theta: Floats, precision: Precision) -> Floats:
    """The best mu for given candidates' parameters."""
    mu: Floats = precision.own * theta.sum(axis=0) / (precision.shared + len(theta) * precision.own)
    return mu


def _derivatives(design: Design, theta: Floats, mu: Floats, precision: Precision) -> tuple[float, Floats, Floats]:
    """Negative log posterior; its gradient (M, P) and curvature (M, P, P) in theta, of likelihood and own prior."""
    apart = theta - mu
    objective = 0.5 * float((precision.own * apart**2).sum() + (precision.shared * mu**2).sum())
    gradient = precision.own * apart
    curvature = np.zeros((*theta.shape, theta.shape[1]))
    curvature[:] = np.diag(precision.own)
    room = np.empty((design.block_rows, design.width))  # one for all blocks: fresh memory costs as much as the product
    for candidate, rows, succeeded, weight in design.blocks():
        logits = rows @ theta[candidate]
        objective += float(weight @ (_log1p_exp(logits) - succeeded * logits))
        chances = 0.5 * (1.0 + np.tanh(0.5 * logits))
        gradient[candidate] += (weight * (chances - succeeded)) @ rows
        scaled = np.multiply(np.sqrt(weight * chances * (1.0 - chances))[:, None], rows, out=room[: len(rows)])
        curvature[candidate] += scaled.T @ scaled
    return objective, gradient, curvature


def _log1p_exp(values: Floats) -> Floats:
    """log(1 + exp(values)) without overflow, in a quarter of the time of `numpy.logaddexp`."""
    grown: Floats = np.maximum(values, 0.0) + np.log1p(np.exp(-np.abs(values)))
    return grown


def _newton_step(
    gradient: Floats, curvature: Floats, theta: Floats, mu: Floats, precision: Precision
) -> tuple[Floats, Floats, float]:
    """The step in theta and mu, and the square of Newton's decrement."""
    own = precision.own
    gradient_mu = precision.shared * mu - (own * (theta - mu)).sum(axis=0)
    inverse, per_mu, schur = _eliminated(curvature, precision)
    own_step = (inverse @ gradient[:, :, None])[:, :, 0]
    step_mu = -np.linalg.solve(schur, gradient_mu + own * own_step.sum(axis=0))
    step = per_mu @ step_mu - own_step
    return step, step_mu, -float((gradient * step).sum() + gradient_mu @ step_mu)


def _covariance(curvature: Floats, precision: Precision) -> Floats:
    """Of each candidate's parameters: the inverse of its block, and what not knowing mu adds."""
    inverse, per_mu, schur = _eliminated(curvature, precision)
    covariance: Floats = inverse + per_mu @ np.linalg.inv(schur) @ per_mu.transpose(0, 2, 1)
    return covariance


def _eliminated(curvature: Floats, precision: Precision) -> tuple[Floats, Floats, Floats]:
    """The inverse of each block, how its parameters follow mu, and the Schur complement of the blocks, for mu."""
    inverse = np.stack([_inverse(block) for block in curvature])
    per_mu = inverse * precision.own
    schur = np.diag(precision.shared + len(curvature) * precision.own) - precision.own[:, None] * per_mu.sum(axis=0)
    return inverse, per_mu, schur


def _inverse(block: Floats) -> Floats:
    """Of a symmetric positive definite matrix, by its Cholesky factor: a third of the work of a general inverse.

    Raises:
        numpy.linalg.LinAlgError: it is not positive definite.
    """
    factor, failed = lapack.dpotrf(block, lower=True)
    lower, _ = lapack.dpotri(factor, lower=True)
    if failed:
        raise np.linalg.LinAlgError("the curvature is not positive definite")
    inverse: Floats = lower + lower.T  # above the diagonal LAPACK leaves the zeros of the factor
    np.fill_diagonal(inverse, lower.diagonal())
    return inverse


def _varies(columns: Floats | Bools) -> Bools:
    if not len(columns):
        return np.zeros(columns.shape[1], dtype=bool)
    varies: Bools = columns.max(axis=0) > columns.min(axis=0)
    return varies
