"""Evaluate any order against history: estimates with intervals, what was refused and why, and what is assumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from homeostat.learn.evaluation import ASSUMPTION, estimators
from homeostat.learn.evaluation.comparison import Comparison, Estimate, compare
from homeostat.learn.evaluation.imputation import costs_of, parts_of
from homeostat.learn.evaluation.integrity import damage, misshapen
from homeostat.learn.evaluation.logged import Logged, logged_incidents, newest_trials
from homeostat.learn.evaluation.orders import FixedOrder, Order, RankedOrder
from homeostat.learn.evaluation.resampling import REPLICATES
from homeostat.learn.evaluation.simulator import (
    Simulator,
    doubly_robust_s,
    fit_simulator,
    importance_ratios,
    simulated_s,
)
from homeostat.learn.evaluation.support import FIRST_ESS_MIN, MTTR_ESS_MIN, Weights, unsupported, weights_of
from homeostat.learn.features import Floats
from homeostat.learn.ranker import choose_nodes, labelled_trials
from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Choose, Policy
from homeostat.model.ranking import Ranking

INCIDENTS_MIN = 5
INCIDENTS_MAX = 1_000
LATER_MIN = 30
"""A ranking is judged on incidents later than its training where there are so many."""

_JUDGED, _WRITTEN = "judged", "written"

Judged = Ranking | Sequence[str] | None
"""A ranking, the ids of a node's candidates in order, or None for the written order."""


@dataclass(frozen=True, slots=True)
class Estimator:
    """One estimator's word. `refused` says why its value is not to be trusted; then `value` is NaN.

    Attributes:
        of: what is estimated: `first_success` (a share) or `mttr_s`.
    """

    name: str
    of: str
    value: float
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class NodeEvaluation:
    """An order at one `choose` node, beside the written one.

    Attributes:
        refused: why there are no estimates, or why they are not to be trusted; None when they stand.
        mttr_s, first_success, harms: by imputed replay; None where it was not possible.
        gain_s: seconds sooner than the written order.
        estimators: other estimators, for who knows them.
        effective_incidents: effective sample size of whole incidents; None where the log is not randomised.
        caution: what else to keep in mind, or None.
    """

    node: str
    incidents: int
    refused: str | None
    mttr_s: Estimate | None = None
    written_mttr_s: Estimate | None = None
    gain_s: Estimate | None = None
    first_success: Estimate | None = None
    harms: Estimate | None = None
    estimators: tuple[Estimator, ...] = ()
    effective_incidents: float | None = None
    caution: str | None = None
    assumption: str = ASSUMPTION


def evaluate(
    decisions: pd.DataFrame,
    policy: Policy,
    judged: Judged,
    *,
    node: str | None = None,
    incidents_max: int = INCIDENTS_MAX,
    replicates: int = REPLICATES,
    seed: int = 0,
    time_is_up: Callable[[], bool] = lambda: False,
) -> tuple[NodeEvaluation, ...]:
    """Evaluate an order at each `choose` node; `learn.baseline` says what doing nothing comes to.

    Args:
        decisions: from `decisions_frame`, given the same policy.
        policy: whose candidates are ordered.
        judged: what would have ruled.
        node: only this one; needed for an explicit order where the policy has more than one.
        incidents_max: the newest so many count.
        replicates: resamples behind the intervals.
        seed: of the resamples.
        time_is_up: see `resampling.resampled`.

    Raises:
        UsageError: there is no such node, or no such candidate.
        TimeIsUp: see `resampling.resampled`.
    """
    nodes = _named(policy, node, several=isinstance(judged, Ranking) or judged is None)
    return tuple(
        _evaluate(labelled_trials(decisions, one), one, policy, judged, incidents_max, (replicates, seed, time_is_up))
        for one in nodes
    )


def _named(policy: Policy, name: str | None, *, several: bool) -> list[Choose]:
    nodes = list(choose_nodes(policy))
    names = [node.id for node in nodes]
    if not nodes:
        raise UsageError(f"policy '{policy.name}' has no 'choose' node, so there is no order to evaluate")
    if name is None:
        if several or len(nodes) == 1:
            return nodes
        raise UsageError(f"policy '{policy.name}' has several 'choose' nodes ({', '.join(names)}); name one")
    if name not in names:
        raise UsageError(f"policy '{policy.name}' has no 'choose' node '{name}'{did_you_mean(name, names)}")
    return [node for node in nodes if node.id == name]


def _evaluate(
    trials: pd.DataFrame,
    node: Choose,
    policy: Policy,
    judged: Judged,
    incidents_max: int,
    resampling: tuple[int, int, Callable[[], bool]],
) -> NodeEvaluation:
    caution = None
    if isinstance(judged, Ranking):
        trials, caution = _later(trials, judged)
    else:
        _check_order(judged, node)
    trials = newest_trials(trials, incidents_max)
    incidents = trials["incident"].nunique()
    if incidents < INCIDENTS_MIN:
        return NodeEvaluation(node.id, incidents, f"{incidents} incidents with a known outcome; {INCIDENTS_MIN} needed")
    logged = logged_incidents(trials, node, policy)
    order = _order(judged, node, logged)
    if isinstance(order, str):
        return NodeEvaluation(node.id, incidents, order)
    orders: dict[str, Order] = {_JUDGED: order, _WRITTEN: FixedOrder(logged.candidates)}
    replicates, seed, time_is_up = resampling
    compared = compare(orders, logged, replicates=replicates, seed=seed, time_is_up=time_is_up)
    weights = weights_of(order, compared.paths[_JUDGED], logged)
    return NodeEvaluation(
        node.id,
        incidents,
        _refusal(compared, weights, logged),
        compared.seconds(_JUDGED),
        compared.seconds(_WRITTEN),
        compared.gain_s(_JUDGED, _WRITTEN),
        compared.first_success(_JUDGED),
        compared.harms(_JUDGED),
        _estimators(order, compared, weights, logged),
        weights.mttr_ess if weights.randomised else None,
        caution,
    )


def _later(trials: pd.DataFrame, ranking: Ranking) -> tuple[pd.DataFrame, str | None]:
    """Incidents the ranking cannot have been trained on, where there are enough."""
    later = trials[trials["opened_at"] >= pd.Timestamp(ranking.trained_at, unit="s", tz="UTC")]
    if later["incident"].nunique() >= LATER_MIN:
        return later, None
    return trials, "the ranking was trained on some of these incidents, so it may look better than it is"


def _check_order(names: Sequence[str] | None, node: Choose) -> None:
    known = [child.id for child in node.children]
    for name in names or ():
        if name not in known:
            raise UsageError(f"'{node.id}' has no candidate '{name}'{did_you_mean(name, known)}")
    if names is not None and len(set(names)) < len(names):
        raise UsageError(f"the order for '{node.id}' names a candidate twice: {', '.join(names)}")


def _order(judged: Judged, node: Choose, logged: Logged) -> Order | str:
    """The order, or why there is none."""
    if not isinstance(judged, Ranking):
        return FixedOrder(logged.candidates, judged)
    wrong = damage(judged)
    if wrong is not None:
        return f"the ranking {wrong}"
    model = judged.nodes.get(node.id)
    if model is None:
        return FixedOrder(logged.candidates)
    wrong = misshapen(model)
    return RankedOrder(model, logged) if wrong is None else f"the ranking {wrong}"


def _refusal(compared: Comparison, weights: Weights, logged: Logged) -> str | None:
    unknown = unsupported(compared.paths[_JUDGED], logged)
    if unknown is not None:
        return f"it {unknown}"
    if weights.mean_off:
        return f"the log's propensities are wrong: the mean weight is {weights.mean:.2f} and should be 1"
    return None


def _estimators(order: Order, compared: Comparison, weights: Weights, logged: Logged) -> tuple[Estimator, ...]:
    simulator = fit_simulator(logged, parts_of(len(logged)), costs_of(logged))
    found = [Estimator("direct", "mttr_s", float(simulated_s(simulator, order).mean()))]
    thin = _thin(weights)
    if not weights.randomised:
        return (*found, *(Estimator(name, of, float("nan"), thin) for name, of in _WEIGHTED))
    ratios = importance_ratios(logged, order)
    values = _first_values(simulator, compared, ratios[:, 0], logged) | _mttr_values(simulator, order, ratios, logged)
    usable = {"first_success": weights.first_ess >= FIRST_ESS_MIN, "mttr_s": weights.mttr_ess >= MTTR_ESS_MIN}
    for name, of in _WEIGHTED:
        trusted = usable[of] and not weights.mean_off
        found.append(Estimator(name, of, values[name, of] if trusted else float("nan"), None if trusted else thin))
    return tuple(found)


_WEIGHTED = (
    ("ips", "first_success"),
    ("snips", "first_success"),
    ("doubly robust", "first_success"),
    ("switch-dr", "first_success"),
    ("trajectory is", "mttr_s"),
    ("weighted trajectory is", "mttr_s"),
    ("per-decision is", "mttr_s"),
    ("weighted per-decision is", "mttr_s"),
    ("doubly robust", "mttr_s"),
)


def _thin(weights: Weights) -> str:
    if not weights.randomised:
        return "the log is not randomised"
    if weights.mean_off:
        return f"the mean weight is {weights.mean:.2f} and should be 1"
    return (
        f"effective sample size {weights.first_ess:.0f} for first attempts ({FIRST_ESS_MIN:.0f} needed)"
        f" and {weights.mttr_ess:.0f} for incidents ({MTTR_ESS_MIN:.0f} needed)"
    )


def _first_values(
    simulator: Simulator, compared: Comparison, weight: Floats, logged: Logged
) -> dict[tuple[str, str], float]:
    numbers, nothing = np.arange(len(logged)), np.zeros(logged.eligible.shape, dtype=bool)
    chances = simulator.chances(logged.rows[:, 0], nothing)
    worked = logged.samples.succeeded[logged.rows[:, 0]].astype("float64")
    predicted = chances[numbers, logged.chosen[:, 0]]
    expected = chances[numbers, np.maximum(compared.paths[_JUDGED][:, 0], 0)]
    of = "first_success"
    return {
        ("ips", of): estimators.ips(weight, worked),
        ("snips", of): estimators.snips(weight, worked),
        ("doubly robust", of): estimators.doubly_robust(weight, worked, predicted, expected),
        ("switch-dr", of): estimators.switch_doubly_robust(weight, worked, predicted, expected),
    }


def _mttr_values(simulator: Simulator, order: Order, ratios: Floats, logged: Logged) -> dict[tuple[str, str], float]:
    seconds = np.zeros(ratios.shape)
    there = logged.rows >= 0
    seconds[there] = np.nan_to_num(logged.samples.seconds[logged.rows[there]])
    last = there.sum(axis=1) - 1
    lost = ~logged.samples.succeeded[logged.rows[np.arange(len(logged)), last]]
    seconds[lost, last[lost]] += logged.people_s
    of = "mttr_s"
    return {
        ("trajectory is", of): estimators.trajectory_is(ratios, seconds),
        ("weighted trajectory is", of): estimators.trajectory_is_weighted(ratios, seconds),
        ("per-decision is", of): estimators.per_decision_is(ratios, seconds),
        ("weighted per-decision is", of): estimators.per_decision_is_weighted(ratios, seconds),
        ("doubly robust", of): float(doubly_robust_s(simulator, order).mean()),
    }
