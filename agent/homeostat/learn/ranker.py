"""Train a ranking: one `fit_node` for each `choose` node of a policy, exported as plain numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from msgspec import to_builtins

from homeostat.learn.costs import HARM_S, declared_cost, longest_s
from homeostat.learn.features import feature_columns, fit_features, named_flags
from homeostat.learn.fitting import Declared, fit_node
from homeostat.learn.members.registry import all_members
from homeostat.learn.samples import Samples
from homeostat.learn.trials import leaves_below
from homeostat.model.policy import Choose, Escalate, Node, Policy
from homeostat.model.ranking import Feature, NodeRanking, Ranking
from homeostat.model.reasons import AttemptVerdict
from homeostat.parallel import IN_PROCESS, Workers


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
    incidents = pd.concat([trials["incident"] for trials in by_node.values()]).nunique() if by_node else 0
    return versioned(
        Ranking("", policy.name, trained_at, incidents, sum(len(trials) for trials in by_node.values()), nodes)
    )


def choose_nodes(policy: Policy) -> Iterator[Choose]:
    """The policy's `choose` nodes, in written order."""
    return (node for node in policy.nodes() if isinstance(node, Choose))


def labelled_trials(decisions: pd.DataFrame, node: Choose) -> pd.DataFrame:
    """The rows a node can learn from: mature, with a weight, and made by the very candidates it has today.

    Under an older version of the policy the same id may have stood for another action or target. What was tried when
    the node was still a `try` counts: a label does not depend on who chose the order.
    """
    picked = np.flatnonzero((decisions["node"] == node.id) & decisions["mature"] & (decisions["weight"] > 0))
    # Over many trials there are few different candidates and runs: each is looked at once.
    chosen, candidates = pd.factorize(decisions["chosen"].to_numpy(dtype=object)[picked])
    runs, made_by = pd.factorize(decisions["runs"].to_numpy()[picked])
    today = {child.id: _runs(child) for child in node.children}
    same = [[name in today and set(made) <= today[name] for made in made_by] for name in candidates]
    is_same = np.array(same, dtype=bool).reshape(len(candidates), len(made_by))[chosen, runs]
    trials: pd.DataFrame = decisions.iloc[picked[is_same]].reset_index(drop=True)
    return trials


def _runs(candidate: Node) -> set[tuple[str, str, str]]:
    return {(leaf.id, leaf.action.name, leaf.target) for leaf in leaves_below(candidate)}


def _train(policy: Policy, of_node: tuple[pd.DataFrame, Choose]) -> NodeRanking:
    trials, node = of_node
    return train_node(trials, node, policy)


def train_node(trials: pd.DataFrame, node: Choose, policy: Policy) -> NodeRanking:
    """Train one node on its `labelled_trials`, at least one."""
    features = fit_features(trials, policy)
    harm_s = HARM_S if policy.harm is not None else 0.0
    samples = samples_of(trials, node, features)
    return fit_node(samples, features, declared_of(node, policy), harm_s=harm_s, members=all_members())


def declared_of(node: Choose, policy: Policy) -> tuple[Declared, ...]:
    """What the policy declares of a node's candidates, in written order."""
    return tuple(
        Declared(child.id, declared_cost(child, policy), longest_s(child), certain=isinstance(child, Escalate))
        for child in node.children
    )


def samples_of(trials: pd.DataFrame, node: Choose, features: tuple[Feature, ...]) -> Samples:
    """A node's `labelled_trials` as arrays, candidates in written order."""
    candidates = [child.id for child in node.children]
    failed, kinds = pd.factorize(trials["failed"].to_numpy())
    return Samples(
        columns=feature_columns(trials, features),
        failed=named_flags(list(kinds), candidates)[failed],
        candidate=pd.Categorical(trials["chosen"], categories=candidates).codes.astype(np.intp),
        succeeded=trials["succeeded"].to_numpy(dtype=bool),
        weight=trials["weight"].to_numpy(dtype="float64"),
        incident=pd.factorize(trials["incident"])[0],
        seconds=trials["total_s"].to_numpy(dtype="float64"),
        verified=(trials["verdict"] == AttemptVerdict.EFFECTIVE.value).to_numpy(dtype=bool),
        harmful=(trials["verdict"] == AttemptVerdict.HARMFUL.value).to_numpy(dtype=bool),
        candidates=len(candidates),
    )


def versioned(ranking: Ranking) -> Ranking:
    """Give a ranking its version: SHA-256 of the canonical JSON (sorted keys, no spaces) of all other fields.

    Where nothing is deferred that field is left out: rankings journalled before there was one keep their versions.
    """
    body = to_builtins(ranking)
    del body["version"]
    for node in body["nodes"].values():
        if not node["deferred"]:
            del node["deferred"]
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return replace(ranking, version=hashlib.sha256(text.encode()).hexdigest())
