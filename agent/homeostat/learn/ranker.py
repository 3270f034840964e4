"""Train a ranking: one pooled logistic model and the mean costs per `choose` node, exported as plain numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pandas as pd

from homeostat.learn.costs import declared_cost, longest_s, shrunk_mean_s
from homeostat.learn.features import feature_matrix, fit_features, number_signals
from homeostat.learn.pooled_logistic import PooledLogistic, fit
from homeostat.learn.trials import leaves_below
from homeostat.model.policy import Choose, Escalate, Node, Policy
from homeostat.model.ranking import CandidateModel, NodeRanking, Ranking
from homeostat.model.reasons import AttemptVerdict
from homeostat.parallel import IN_PROCESS, Workers

_PEOPLE_LOGIT = 20.0
"""Escalating always ends the search, so it competes as an action that works for sure, at what people cost."""


def train_ranking(decisions: pd.DataFrame, policy: Policy, trained_at: float, workers: Workers = IN_PROCESS) -> Ranking:
    """Train on the labelled trials in a policy's decisions.

    Nodes without a single labelled trial are left out; of every other node all candidates get a model, also those
    that were never tried.

    Args:
        decisions: from `decisions_frame`, given the same policy.
        policy: whose candidates are to be ordered.
        trained_at: Unix seconds, kept in the ranking.
        workers: what trains each node.
    """
    by_node = {node.id: labelled_trials(decisions, node) for node in choose_nodes(policy)}
    by_node = {name: trials for name, trials in by_node.items() if len(trials)}
    learnt = [node for node in choose_nodes(policy) if node.id in by_node]
    tasks = [(f"{policy.name}: training '{node.id}'", (by_node[node.id], node)) for node in learnt]
    trained = workers.run(partial(_train, policy), tasks)
    nodes = {node.id: ranking for node, ranking in zip(learnt, trained, strict=True)}
    incidents = {incident for trials in by_node.values() for incident in trials["incident"]}
    return versioned(
        Ranking("", policy.name, trained_at, len(incidents), sum(len(trials) for trials in by_node.values()), nodes)
    )


def choose_nodes(policy: Policy) -> Iterator[Choose]:
    """The policy's `choose` nodes, in written order."""
    return (node for node in policy.nodes() if isinstance(node, Choose))


def labelled_trials(decisions: pd.DataFrame, node: Choose) -> pd.DataFrame:
    """The rows a node can learn from: mature, with a weight, and made by the very candidates it has today.

    Under an older version of the policy the same id may have stood for another action or target. What was tried when
    the node was still a `try` counts: a label does not depend on who chose the order.
    """
    today = {child.id: _runs(child) for child in node.children}
    picked = decisions[decisions["node"] == node.id]
    picked = picked[picked["mature"] & (picked["weight"] > 0) & picked["chosen"].isin(list(today))]
    same = [set(runs) <= today[chosen] for chosen, runs in zip(picked["chosen"], picked["runs"], strict=True)]
    return picked[np.array(same, dtype=bool)].reset_index(drop=True)


def _runs(candidate: Node) -> set[tuple[str, str, str]]:
    return {(leaf.id, leaf.action.name, leaf.target) for leaf in leaves_below(candidate)}


def _train(policy: Policy, of_node: tuple[pd.DataFrame, Choose]) -> NodeRanking:
    trials, node = of_node
    return train_node(trials, node, policy)


def train_node(trials: pd.DataFrame, node: Choose, policy: Policy) -> NodeRanking:
    """Train one node on its `labelled_trials`, at least one."""
    candidates = [child.id for child in node.children]
    features = fit_features(trials, number_signals(policy))
    columns = feature_matrix(trials, features, candidates).columns()
    chosen = pd.Categorical(trials["chosen"], categories=candidates).codes.astype(np.intp)
    weight = trials["weight"].to_numpy(dtype="float64")
    model = fit(columns, chosen, trials["succeeded"].to_numpy(dtype=bool), weight, len(candidates))
    models = {
        child.id: _export(model, place, child, policy, len(features), trials[chosen == place], candidates)
        for place, child in enumerate(node.children)
    }
    return NodeRanking(features, models)


def _export(
    model: PooledLogistic,
    place: int,
    child: Node,
    policy: Policy,
    features: int,
    own_trials: pd.DataFrame,
    candidates: list[str],
) -> CandidateModel:
    weights, missing, failed = np.split(model.weights[place], [features, 2 * features])
    declared, limit_s = declared_cost(child, policy), longest_s(child)
    verified = (own_trials["verdict"] == AttemptVerdict.EFFECTIVE.value).to_numpy(dtype=bool)
    times_s = own_trials["total_s"].to_numpy(dtype="float64")
    weight = own_trials["weight"].to_numpy(dtype="float64")
    exported = CandidateModel(
        intercept=float(model.intercepts[place]),
        weights=tuple(weights.tolist()),
        missing=tuple(missing.tolist()),
        failed=dict(zip(candidates, failed.tolist(), strict=True)),
        cost_success_s=shrunk_mean_s(times_s[verified], declared.success_s, limit_s),
        cost_failure_s=shrunk_mean_s(times_s[~verified], declared.failure_s, limit_s),
        attempts=float(weight.sum()),
        successes=float(weight[own_trials["succeeded"].to_numpy(dtype=bool)].sum()),
    )
    if not isinstance(child, Escalate):
        return exported
    nothing = (0.0,) * features
    return replace(exported, intercept=_PEOPLE_LOGIT, weights=nothing, missing=nothing, failed={})


def versioned(ranking: Ranking) -> Ranking:
    """Give a ranking its version: SHA-256 of the canonical JSON (sorted keys, no spaces) of all other fields."""
    body = asdict(ranking)
    del body["version"]
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return replace(ranking, version=hashlib.sha256(text.encode()).hexdigest())
