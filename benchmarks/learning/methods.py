"""Every method by its name, and the environment that it runs in. A new method gets a line in `METHODS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.learning import baselines
from benchmarks.learning.stream import Method


@dataclass(frozen=True)
class Entry:
    """How to make a method, and where it can run."""

    make: Callable[[], Method]
    peers: bool = False
    """It runs in the peers' environment, which has numpy and scikit-learn but not Homeostat."""
    worlds: tuple[str, ...] | None = None
    """Only in these, because it is slow; None for all."""


METHODS = {
    "logistic p/c": Entry(baselines.LogisticPerCandidate),
    "beta thompson p/c": Entry(lambda: baselines.BetaThompson(per_second=True)),
    "beta thompson success": Entry(lambda: baselines.BetaThompson(per_second=False)),
    "cheapest first": Entry(baselines.CheapestFirst),
    "written order": Entry(baselines.WrittenOrder),
    "random": Entry(baselines.AtRandom),
}
"""Table rows stand in this order."""
