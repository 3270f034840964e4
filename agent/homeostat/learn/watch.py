"""Watch a ranking that rules: roll it back when it turns out worse than what it replaced.

Every retraining may look, so the test is sequential. Looks are taken at fixed counts of incidents since the promotion,
every `LOOK_EVERY` of them, and the j-th may err with probability `ERROR_RATE` / (j (j + 1)); these sum up to
`ERROR_RATE` however long the ranking rules (alpha spending by the union bound). Looking again before the next count
gives the same answer.
"""

from __future__ import annotations

import pandas as pd

from homeostat.learn.evaluation import ASSUMPTION
from homeostat.learn.evaluation.comparison import Comparison, compare
from homeostat.learn.evaluation.logged import logged_incidents, newest_trials
from homeostat.learn.evaluation.orders import Order
from homeostat.learn.gate import BOUNDS, Bounds, ruling_order
from homeostat.learn.promotion import fits
from homeostat.learn.ranker import choose_nodes, labelled_trials
from homeostat.model.policy import Choose, Policy
from homeostat.model.ranking import NodeRanking, Ranking

LOOK_EVERY = 20
WINDOW = 120
"""The newest so many incidents are looked at: a ranking that has ruled well for long may have turned bad lately."""
ERROR_RATE = 0.05

_RULING, _REPLACED = "ruling", "replaced"


def watch_promoted(
    decisions: pd.DataFrame,
    policy: Policy,
    ruling: Ranking,
    replaced: Ranking | None,
    since: float,
    *,
    bounds: Bounds = BOUNDS,
) -> str | None:
    """Say what the ruling ranking does worse than what it replaced, or None.

    Args:
        decisions: mature ones count; from `decision_rows`.
        policy: the version in use.
        ruling: what rules.
        replaced: what would rule again; None for the written order.
        since: Unix seconds from which it rules; incidents that opened later are looked at.
        bounds: `replicates`, `seed` and `time_is_up` are used.

    Raises:
        TimeIsUp: see `Bounds`.
    """
    nodes = [node for node in choose_nodes(policy) if fits(ruling.nodes.get(node.id), node)]
    for node in nodes:
        before = replaced.nodes.get(node.id) if replaced is not None else None
        trials = labelled_trials(decisions[decisions["opened_at"] >= _time(since)], node)
        why = _look(trials, ruling.nodes[node.id], before, node, policy, ERROR_RATE / len(nodes), bounds)
        if why is not None:
            return f"'{node.id}' {why}"
    return None


def _look(
    trials: pd.DataFrame,
    ruling: NodeRanking,
    replaced: NodeRanking | None,
    node: Choose,
    policy: Policy,
    error_rate: float,
    bounds: Bounds,
) -> str | None:
    look = trials["incident"].nunique() // LOOK_EVERY
    if look == 0 or ruling == replaced:
        return None
    seen = trials[trials["incident"].isin(trials["incident"].unique()[: look * LOOK_EVERY])]
    logged = logged_incidents(newest_trials(seen, WINDOW), node, policy)
    orders: dict[str, Order] = {_RULING: ruling_order(ruling, logged), _REPLACED: ruling_order(replaced, logged)}
    compared = compare(orders, logged, replicates=bounds.replicates, seed=bounds.seed, time_is_up=bounds.time_is_up)
    confidence = 1.0 - error_rate / (look * (look + 1))
    harmed = bool((logged.harmful == 1.0).any())
    return worse(compared, confidence, "the written order" if replaced is None else "what it replaced", harmed=harmed)


def worse(compared: Comparison, confidence: float, other: str, *, harmed: bool) -> str | None:
    """Say what the ruling order does worse than the replaced one, or None; `harmed`: harm was logged at all."""
    lost_s, harms = compared.gain_s(_REPLACED, _RULING), compared.more_harms(_RULING, _REPLACED)
    where = f"in the last {compared.incidents} incidents under it"
    sure = f"at least {{}}, with {confidence:.1%} confidence, assumed {ASSUMPTION}"
    if lost_s.low(confidence) > 0.0:
        least = sure.format(f"{lost_s.low(confidence):.0f} s")
        return f"recovered {lost_s.value:.0f} s later than {other} would have {where} ({least})"
    if harmed and harms.low(confidence) > 0.0:
        least = sure.format(f"{100 * harms.low(confidence):.1f}")
        return f"did {100 * harms.value:.1f} more harm in 100 incidents than {other} would have {where} ({least})"
    return None


def _time(seconds: float) -> pd.Timestamp:
    return pd.Timestamp(seconds, unit="s", tz="UTC")
