"""Do things happen as often as they were foretold to? Logged probabilities against what came of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from homeostat.decide.scoring import INTERVAL_WIDTH_SDS
from homeostat.learn.columns import RELIABILITY_DTYPES

GROUPS = 10

Floats = NDArray[np.float64]


def reliability_of_decisions(decisions: pd.DataFrame, groups: int = GROUPS) -> pd.DataFrame:
    """The `reliability_table` of rows of `decisions_frame`: mature trials with a weight whose chance was logged."""
    taught = decisions["mature"] & (decisions["weight"] > 0) & decisions["probability"].notna()
    trials = decisions[taught]
    return reliability_table(
        trials["probability"].to_numpy(dtype="float64"), trials["succeeded"].to_numpy(dtype=bool), groups
    )


def reliability_table(foretold: Floats, succeeded: NDArray[np.bool_], groups: int = GROUPS) -> pd.DataFrame:
    """Forecasts in groups of about equal size, lowest first: what was foretold, and the share that worked.

    The interval of a share holds it nine times in ten (Wilson, "Probable Inference, the Law of Succession, and
    Statistical Inference", 1927). Equal forecasts are never parted, so there may be fewer groups.

    Args:
        foretold: (n,), probabilities.
        succeeded: (n,), what came of each.
        groups: how many at most.

    Returns:
        One row a group; columns: `RELIABILITY_DTYPES`.
    """
    order = np.argsort(foretold, kind="stable")
    parts = _groups(foretold[order], groups)
    rows = [_row(foretold[order][part], succeeded[order][part]) for part in parts]
    frame = pd.DataFrame(rows, columns=list(RELIABILITY_DTYPES))
    return frame.astype(dict(RELIABILITY_DTYPES))


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Mean distance between foretold and observed over the groups of a table, weighted by trials; NaN without any.

    Naeini, Cooper, Hauskrecht: "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.
    """
    if not len(table):
        return float("nan")
    return float(np.average((table["predicted"] - table["observed"]).abs(), weights=table["trials"]))


def _groups(foretold: Floats, groups: int) -> list[slice]:
    """Slices of sorted forecasts; a boundary within equal ones moves to their end."""
    wanted = np.linspace(0, len(foretold), groups + 1).round().astype(int)[1:-1]
    ends = {int(np.searchsorted(foretold, foretold[end - 1], side="right")) for end in wanted if end > 0}
    bounds = sorted({0, len(foretold)} | ends)
    return [slice(low, high) for low, high in pairwise(bounds)]


def _row(foretold: Floats, succeeded: NDArray[np.bool_]) -> list[float]:
    low, high = _wilson(float(succeeded.mean()), len(succeeded))
    return [foretold.mean(), foretold.min(), foretold.max(), len(foretold), succeeded.mean(), low, high]


def _wilson(share: float, trials: int) -> tuple[float, float]:
    z2 = INTERVAL_WIDTH_SDS**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = INTERVAL_WIDTH_SDS * np.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
