"""The scorer of `decide/ranking.py` over whole frames: the same numbers for many logged decisions at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from homeostat.learn.features import Floats, feature_matrix
from homeostat.model.ranking import CandidateModel, NodeRanking

LOGIT_BOUND = 30.0
"""As `decide/ranking.py` bounds them, so that both give the same numbers."""


def success_probabilities(node: NodeRanking, decisions: pd.DataFrame) -> Floats:
    """P(success) of every candidate at every decision: (rows of `decisions_frame`, candidates in the node's order)."""
    candidates = list(node.candidates)
    models = list(node.candidates.values())
    failures = _failures_named(models)
    columns = feature_matrix(decisions, node.features, failures).columns()
    weights = np.array([_weights(model, failures) for model in models]).reshape(len(candidates), columns.shape[1])
    intercepts = np.array([model.intercept for model in models])
    logits = np.clip(columns @ weights.T + intercepts, -LOGIT_BOUND, LOGIT_BOUND)
    probabilities: Floats = 1.0 / (1.0 + np.exp(-logits))
    return probabilities


def indices(node: NodeRanking, decisions: pd.DataFrame) -> Floats:
    """The index p / c by which candidates are ordered, in the shape of `success_probabilities`."""
    probabilities = success_probabilities(node, decisions)
    success_s = np.array([model.cost_success_s for model in node.candidates.values()])
    failure_s = np.array([model.cost_failure_s for model in node.candidates.values()])
    costs_s = probabilities * success_s + (1.0 - probabilities) * failure_s
    ratio: Floats = probabilities / costs_s
    return ratio


def _failures_named(models: Sequence[CandidateModel]) -> list[str]:
    return sorted({candidate for model in models for candidate in model.failed})


def _weights(model: CandidateModel, failures: Sequence[str]) -> list[float]:
    return [*model.weights, *model.missing, *(model.failed.get(candidate, 0.0) for candidate in failures)]
