"""How far off a logit may be, in few numbers: the pooled model's covariance, of low rank, and a floor.

The Laplace covariance knows only the noise of the fit (MacKay, Neural Computation 4, 1992). What the form of the model
leaves out comes on top, as a constant: measured on worlds whose truth is known, see
docs/decisions/0021-what-foretells.md.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from homeostat.learn.features import Floats
from homeostat.learn.members.pooled import PooledPosterior
from homeostat.learn.samples import Samples
from homeostat.model.ranking import Uncertainty

RANK_MAX = 8
NUMBERS_MAX = 2_400
"""Of all factors of a node. They are most of what a decision reads: where there are many columns the rank is less."""

INFLATION = 1.4
"""The fit's standard deviations are multiplied by this."""

FORM_SD = 0.6
"""Standard deviation of a logit by what the form of the model leaves out."""

_POINTS_MAX = 2_000


def uncertainty_of(posterior: PooledPosterior, samples: Samples) -> Uncertainty:
    """Keep of each candidate's covariance the directions that matter most at the newest contexts; the rest is floor."""
    newest = samples.columns[-_POINTS_MAX:]
    points = np.column_stack([np.ones(len(newest)), newest])
    if not len(points):
        points = np.eye(1, 1 + samples.columns.shape[1])
    width = points.shape[1]
    spread = points.T @ points / len(points)
    rank = min(RANK_MAX, max(1, NUMBERS_MAX // (width * len(posterior.mean))))
    factors, floors = [], []
    for covariance in posterior.covariance[:, :width, :width]:
        rows, left = _main_directions(covariance, spread, rank)
        factors.append(tuple(map(tuple, (INFLATION * rows).tolist())))
        floors.append(float(np.sqrt(FORM_SD**2 + INFLATION**2 * left)))
    return Uncertainty(tuple(floors), tuple(factors))


def _main_directions(covariance: Floats, spread: Floats, rank: int) -> tuple[Floats, float]:
    """Rows (R, 1 + D) whose squares at a point add up to nearly its variance, and the mean variance left.

    With covariance = root root', the variance at a point z is |root' z|^2; the directions are those of the largest
    eigenvalues of root' E[z z'] root, the mean variances along them.
    """
    held = np.diag(covariance) > 0.0  # a column that never varied has neither weight nor variance
    root = np.linalg.cholesky(covariance[np.ix_(held, held)])
    among = root.T @ spread[np.ix_(held, held)] @ root
    last = len(root) - 1
    shares, turned = eigh(among, subset_by_index=(max(0, last - rank + 1), last))
    rows = np.zeros((len(shares), len(covariance)))
    rows[:, held] = (root @ turned).T
    return rows, max(float(np.trace(among) - shares.sum()), 0.0)
