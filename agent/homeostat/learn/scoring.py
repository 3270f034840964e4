"""The scorer of `decide/scoring.py` over many decisions at once: the same numbers."""

from __future__ import annotations

import numpy as np

from homeostat.decide.scoring import LOGIT_BOUND
from homeostat.learn.features import Floats
from homeostat.learn.samples import Bools
from homeostat.model.ranking import LatentModel, LinearModel, MemberModel, NodeRanking

_CHANCE_MIN = 1e-12

_DEFERRED = 2.0**-300
"""Below any ratio of two indices; times a power of two nothing is rounded, so the order among them stays."""


def success_probabilities(node: NodeRanking, columns: Floats, failed: Bools) -> Floats:
    """P(each candidate verifies) at n decisions: (n, M), from (n, D) columns and (n, M) failures so far."""
    logits = np.full((len(columns), len(node.candidates)), node.stack.intercept)
    for weight, member in zip(node.stack.weights, node.members, strict=True):
        if weight:
            logits += weight * member_logits(member, columns, failed)
    certain = np.array([candidate.certain for candidate in node.candidates])
    probabilities: Floats = np.where(certain, 1.0, expit(logits))
    return probabilities


def member_logits(model: MemberModel, columns: Floats, failed: Bools) -> Floats:
    """What one member says: (n, M), bounded."""
    if isinstance(model, LinearModel):
        weights = np.reshape(model.weights, (len(model.intercepts), columns.shape[1]))
        linear = np.asarray(model.intercepts) + columns @ weights.T + failed @ np.asarray(model.failed).T
        return _bounded(linear)
    chances = np.clip(cause_beliefs(model, columns, failed) @ np.asarray(model.success), _CHANCE_MIN, 1 - _CHANCE_MIN)
    return _bounded(np.log(chances / (1.0 - chances)))


def cause_beliefs(model: LatentModel, columns: Floats, failed: Bools) -> Floats:
    """P(each hidden cause) at n decisions: (n, K)."""
    success = np.asarray(model.success)
    gate = np.reshape(model.gate_weights, (len(model.gate_intercepts), columns.shape[1]))
    heights = np.asarray(model.gate_intercepts) + columns @ gate.T
    heights = heights + failed @ np.log(np.maximum(1.0 - success, _CHANCE_MIN)).T
    shares = np.exp(heights - heights.max(axis=1, keepdims=True))
    beliefs: Floats = shares / shares.sum(axis=1, keepdims=True)
    return beliefs


def indices(node: NodeRanking, columns: Floats, failed: Bools) -> Floats:
    """The index by which candidates are ordered, in the shape of `success_probabilities`.

    That of a candidate which is deferred is lowered below all others where nothing has failed.
    """
    probabilities = success_probabilities(node, columns, failed)
    success_s = np.array([candidate.cost_success_s for candidate in node.candidates])
    failure_s = np.array([candidate.cost_failure_s for candidate in node.candidates])
    harms_s = node.harm_s * np.array([candidate.harm for candidate in node.candidates])
    ratio: Floats = probabilities / (probabilities * success_s + (1.0 - probabilities) * failure_s + harms_s)
    if not node.deferred:
        return ratio
    deferred = np.array([candidate.id in node.deferred for candidate in node.candidates])
    lowered: Floats = ratio * np.where(deferred & ~failed.any(axis=1, keepdims=True), _DEFERRED, 1.0)
    return lowered


def expit(logits: Floats) -> Floats:
    """Probabilities of logits, which are bounded first."""
    probabilities: Floats = 1.0 / (1.0 + np.exp(-_bounded(logits)))
    return probabilities


def _bounded(logits: Floats) -> Floats:
    bounded: Floats = np.clip(logits, -LOGIT_BOUND, LOGIT_BOUND)
    return bounded
