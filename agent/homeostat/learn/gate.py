"""The promotion gate: may this ranking decide? Its answer is a sentence for every node.

A node's learnt order is refused when there is too little evidence behind it, when it would put a candidate first that
was never tried, and when its model foretells the logged outcomes no better than each candidate's plain success rate.
The last is judged on incidents the model was not trained on (cross-validation by incident).

What it does not do: estimate the time to recovery under the new order. It compares predictions, not consequences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold

from homeostat.learn.features import Floats
from homeostat.learn.ranker import choose_nodes, labelled_trials, samples_of, train_node
from homeostat.learn.scoring import indices, success_probabilities
from homeostat.model.policy import Choose, Policy
from homeostat.model.ranking import NodeRanking, Ranking
from homeostat.parallel import IN_PROCESS, Workers

ATTEMPTS_MIN = 20
INCIDENTS_MIN = 5
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """What the gate says of one node, and why, in one sentence without its full stop."""

    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What the gate says of a ranking: by id of the `choose` node."""

    nodes: Mapping[str, NodeVerdict] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether at least one node may take its learnt order."""
        return any(node.passed for node in self.nodes.values())

    @property
    def text(self) -> str:
        """All of it in words."""
        if not self.nodes:
            return "Refused: the policy has no 'choose' node, so there is no order to learn."
        return " ".join(
            f"{'Passed' if verdict.passed else 'Refused'}: '{node}' {verdict.sentence}."
            for node, verdict in self.nodes.items()
        )


def judge(
    ranking: Ranking,
    decisions: pd.DataFrame,
    policy: Policy,
    *,
    attempts_min: int = ATTEMPTS_MIN,
    incidents_min: int = INCIDENTS_MIN,
    workers: Workers = IN_PROCESS,
) -> GateVerdict:
    """Judge each node of a ranking.

    Args:
        ranking: from `train_ranking`.
        decisions: what it was trained on.
        policy: whose candidates are ordered.
        attempts_min: labelled trials a node needs.
        incidents_min: incidents they must come from; at least 2, else nothing can be held out.
        workers: what trains on each part of the incidents.
    """
    floor = max(2, incidents_min)
    return GateVerdict(
        {
            node.id: _judge_node(ranking.nodes.get(node.id), node, decisions, policy, attempts_min, floor, workers)
            for node in choose_nodes(policy)
        }
    )


def _judge_node(
    trained: NodeRanking | None,
    node: Choose,
    decisions: pd.DataFrame,
    policy: Policy,
    attempts_min: int,
    incidents_min: int,
    workers: Workers,
) -> NodeVerdict:
    trials = labelled_trials(decisions, node)
    incidents = trials["incident"].nunique()
    if trained is None or len(trials) < attempts_min or incidents < incidents_min:
        return NodeVerdict(
            passed=False,
            sentence=f"has {len(trials)} labelled attempts in {incidents} incidents,"
            f" and needs {attempts_min} in {incidents_min}",
        )
    untried = _untried_put_first(trained, trials, node)
    if untried is not None:
        return NodeVerdict(passed=False, sentence=f"would put '{untried}' first, which was never tried")
    return _compare_with_base_rate(trials, node, policy, workers)


def _untried_put_first(trained: NodeRanking, trials: pd.DataFrame, node: Choose) -> str | None:
    """The candidate without an attempt that would lead in a logged decision, where another was tried."""
    candidates = list(trained.places)
    tried = np.array([candidate.attempts > 0 for candidate in trained.candidates])
    samples = samples_of(trials, node, trained.features)
    eligible = np.array([[candidate in row for candidate in candidates] for row in trials["eligible"]], dtype=bool)
    first = np.argmax(np.where(eligible, indices(trained, samples.columns, samples.failed), -np.inf), axis=1)
    wrong = ~tried[first]
    return candidates[first[np.argmax(wrong)]] if wrong.any() else None


def _compare_with_base_rate(trials: pd.DataFrame, node: Choose, policy: Policy, workers: Workers) -> NodeVerdict:
    succeeded = trials["succeeded"].to_numpy(dtype=bool)
    weight = trials["weight"].to_numpy(dtype="float64")
    predicted, base_rate = np.empty(len(trials)), np.empty(len(trials))
    folds = GroupKFold(n_splits=min(_FOLDS, trials["incident"].nunique()))
    parts = list(folds.split(trials, groups=trials["incident"]))
    tasks = [
        (f"{policy.name}: part {number} held out of '{node.id}'", (trials.iloc[seen], trials.iloc[held_out]))
        for number, (seen, held_out) in enumerate(parts, start=1)
    ]
    for (_, held_out), (foretold, rates) in zip(
        parts, workers.run(partial(_foretold, node, policy), tasks), strict=True
    ):
        predicted[held_out], base_rate[held_out] = foretold, rates
    model_loss = float(log_loss(succeeded, predicted, sample_weight=weight, labels=[False, True]))
    base_loss = float(log_loss(succeeded, base_rate, sample_weight=weight, labels=[False, True]))
    losses = f"log loss {model_loss:.3f} against {base_loss:.3f} on held-out incidents"
    if model_loss < base_loss:
        return NodeVerdict(passed=True, sentence=f"foretells outcomes better than plain success rates ({losses})")
    return NodeVerdict(passed=False, sentence=f"foretells outcomes no better than plain success rates ({losses})")


def _foretold(node: Choose, policy: Policy, split: tuple[pd.DataFrame, pd.DataFrame]) -> tuple[Floats, Floats]:
    """What a model of the past, and its plain success rates, say of the future."""
    past, future = split
    return _chosen_probability(train_node(past, node, policy), future, node), _success_rates(past, future)


def _chosen_probability(model: NodeRanking, trials: pd.DataFrame, node: Choose) -> Floats:
    samples = samples_of(trials, node, model.features)
    foretold = success_probabilities(model, samples.columns, samples.failed)
    probabilities: Floats = foretold[np.arange(len(trials)), samples.candidate]
    return probabilities


def _success_rates(past: pd.DataFrame, future: pd.DataFrame) -> Floats:
    """(successes + 2 x overall rate) / (attempts + 2) of each chosen candidate; the overall rate is shrunk to 1/2."""
    worked = past["weight"].where(past["succeeded"], 0.0)
    overall = (float(worked.sum()) + 1.0) / (float(past["weight"].sum()) + 2.0)
    by_candidate = past["chosen"]
    rates = (worked.groupby(by_candidate).sum() + 2.0 * overall) / (past["weight"].groupby(by_candidate).sum() + 2.0)
    expected: Floats = future["chosen"].map(rates).fillna(overall).to_numpy(dtype="float64")
    return expected
