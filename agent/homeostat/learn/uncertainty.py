"""How far off a logit may be, in few numbers: the pooled model's covariance, of low rank, and a floor.

The Laplace covariance knows only the noise of the fit (MacKay, Neural Computation 4, 1992). What the form of the model
leaves out comes on top, as a constant: measured on worlds whose truth is known, see docs/decisions/0019-learning.md.
"""

from __future__ import annotations

import numpy as np

from homeostat.learn.features import Floats
from homeostat.learn.members.pooled import PooledPosterior
from homeostat.learn.samples import Samples
from homeostat.model.ranking import Uncertainty

RANK_MAX = 8
INFLATION = 1.4
"""The fit's standard deviations are multiplied by this."""

FORM_SD = 0.6
"""Standard deviation of a logit by what the form of the model leaves out."""

_POINTS_MAX = 2_000


def uncertainty_of(posterior: PooledPosterior, samples: Samples) -> Uncertainty:
    """Keep of each candidate's covariance the directions that matter most at the newest contexts; the rest is floor."""
    points = np.column_stack([np.ones(len(samples)), samples.columns])[-_POINTS_MAX:]
    if not len(points):
        points = np.eye(1, 1 + samples.columns.shape[1])
    width = points.shape[1]
    spread = points.T @ points / len(points)
    factors, floors = [], []
    for covariance in posterior.covariance[:, :width, :width]:
        rows, left = _main_directions(covariance, spread)
        factors.append(tuple(map(tuple, (INFLATION * rows).tolist())))
        floors.append(float(np.sqrt(FORM_SD**2 + INFLATION**2 * left)))
    return Uncertainty(tuple(floors), tuple(factors))


def _main_directions(covariance: Floats, spread: Floats) -> tuple[Floats, float]:
    """Rows (R, 1 + D) whose squares at a point add up to nearly its variance, and the mean variance left."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    shares, turned = np.linalg.eigh(root.T @ spread @ root)
    kept = np.argsort(-shares)[:RANK_MAX]
    left = float(np.maximum(shares, 0.0).sum() - np.maximum(shares[kept], 0.0).sum())
    rows: Floats = (root @ turned[:, kept]).T
    return rows, max(left, 0.0)
