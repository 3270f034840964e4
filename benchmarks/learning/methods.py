"""Every method by its name, and the environment that it runs in. A new method gets a line in `METHODS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.learning import baselines
from benchmarks.learning.stream import Method


@dataclass(frozen=True)
class Entry:
    """How to make a method, and in which environment it runs."""

    make: Callable[[], Method]
    peers: bool = False
    """It runs in the peers' environment, which has numpy and scikit-learn but not Homeostat."""


def _homeostat() -> Method:
    from benchmarks.learning.homeostat_method import Homeostat

    return Homeostat()


def _pooled_alone() -> Method:
    from benchmarks.learning.homeostat_method import Homeostat

    from homeostat.learn.members.pooled import PooledLogistic

    return Homeostat((PooledLogistic(),))


def _vowpal_default() -> Method:
    from benchmarks.learning.peers.vowpal import SquareCB

    return SquareCB()


def _vowpal_success() -> Method:
    from benchmarks.learning.peers.vowpal import SuccessSquareCB

    return SuccessSquareCB()


def _vowpal_tuned() -> Method:
    from benchmarks.learning.peers.vowpal import SquareCB

    return SquareCB("--gamma_scale 100 -l 1")


def _vowpal_logistic() -> Method:
    from benchmarks.learning.peers.vowpal import OnlineLogistic

    return OnlineLogistic("--coin")


def _linucb() -> Method:
    from benchmarks.learning.peers.linucb import LinUCB

    return LinUCB(alpha=0.3, l2_lambda=10.0)


def _bootstrapped() -> Method:
    from benchmarks.learning.peers.bootstrapped import BootstrappedLogistic

    return BootstrappedLogistic()


METHODS = {
    "homeostat": Entry(_homeostat),
    "homeostat, pooled member alone": Entry(_pooled_alone),
    "mabwiser linucb p/c, tuned": Entry(_linucb, peers=True),
    "vowpal wabbit logistic p/c, tuned": Entry(_vowpal_logistic, peers=True),
    "vowpal wabbit squarecb, tuned": Entry(_vowpal_tuned, peers=True),
    "vowpal wabbit squarecb": Entry(_vowpal_default, peers=True),
    "contextualbandits bootstrapped ucb p/c": Entry(_bootstrapped, peers=True),
    "vowpal wabbit success": Entry(_vowpal_success, peers=True),
    "logistic p/c": Entry(baselines.LogisticPerCandidate),
    "beta thompson p/c": Entry(lambda: baselines.BetaThompson(per_second=True)),
    "beta thompson success": Entry(lambda: baselines.BetaThompson(per_second=False)),
    "cheapest first": Entry(baselines.CheapestFirst),
    "written order": Entry(baselines.WrittenOrder),
    "random": Entry(baselines.AtRandom),
}
"""Table rows stand in this order."""
