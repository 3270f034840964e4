"""The optimum: an exact dynamic programme that knows the true model, but not the cause.

After the candidates in a set S have failed, the causes' weights are the posterior given the context times the
probability that all of S fails. They depend on the set alone, not on its order, so 2^M states are enough. With P(S) the
probability that all of S fails, values are kept times P(S), which spares every division:

    V(S) = min over a not in S of  P(S) run_a + (P(S) - P(S + a)) verify_ok + P(S + a) verify_failed + V(S + a)

and V is P(S) times the escalation's time once everything, or `TRIES_MAX`, has been tried. Only a failure goes on, so
the optimum is an order for each incident.
"""

from __future__ import annotations

import numpy as np
from benchmarks.learning.worlds import ESCALATION_S, TRIES_MAX, VERIFY_FAILED_S, VERIFY_OK_S, Codes, Floats, Truth
from numpy.typing import NDArray

BATCH = 250
"""Incidents solved together, which bounds memory."""


def optimal_orders(truth: Truth, tries_max: int = TRIES_MAX) -> tuple[Codes, Floats]:
    """Solve every incident.

    Returns:
        (N, tries) the candidates in the order to try them, and (N,) the expected seconds to recovery.
    """
    solved = [
        _solve(truth.posterior[at : at + BATCH], truth.success[at : at + BATCH], truth.run_s, tries_max)
        for at in range(0, len(truth.posterior), BATCH)
    ]
    return np.concatenate([orders for orders, _ in solved]), np.concatenate([seconds for _, seconds in solved])


def _solve(posterior: Floats, success: Floats, run_s: Floats, tries_max: int) -> tuple[Codes, Floats]:
    candidates = len(run_s)
    tries = min(tries_max, candidates)
    fails = _all_fail(posterior, success)
    value = np.empty_like(fails)
    best = np.zeros(fails.shape, dtype=np.int8)
    for failed in reversed(range(1 << candidates)):
        if failed.bit_count() >= tries:
            value[failed] = fails[failed] * ESCALATION_S
            continue
        left = [a for a in range(candidates) if not failed >> a & 1]
        costs = [_cost(fails[failed], fails[failed | 1 << a], run_s[a]) + value[failed | 1 << a] for a in left]
        first = np.argmin(costs, axis=0)
        value[failed] = np.min(costs, axis=0)
        best[failed] = np.array(left)[first]
    return _follow(best, tries), value[0]


def _all_fail(posterior: Floats, success: Floats) -> Floats:
    """(2^M, N): the probability that every candidate of a set fails."""
    incidents, causes, candidates = success.shape
    weights = np.empty((1 << candidates, incidents, causes))
    weights[0] = posterior
    for a in range(candidates):
        np.multiply(weights[: 1 << a], 1 - success[:, :, a], out=weights[1 << a : 2 << a])
    return np.asarray(weights.sum(axis=2))


def _cost(before: Floats, after: Floats, run_s: float) -> Floats:
    return before * run_s + (before - after) * VERIFY_OK_S + after * VERIFY_FAILED_S


def _follow(best: NDArray[np.int8], tries: int) -> Codes:
    incidents = np.arange(best.shape[1])
    failed = np.zeros(len(incidents), dtype=np.int64)
    orders = np.empty((len(incidents), tries), dtype=np.int64)
    for place in range(tries):
        orders[:, place] = best[failed, incidents]
        failed |= 1 << orders[:, place]
    return orders
