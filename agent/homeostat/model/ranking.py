"""A learnt order of candidates, as plain numbers. `learn/` makes them; `decide/ranking.py` uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Feature:
    """How one signal becomes a number: clip(asinh(1.35 (x - median) / spread), -5, 5); unknown gives 0 and a flag.

    Attributes:
        spread: interquartile range of the signal in training, never 0.
    """

    signal: str
    median: float
    spread: float


@dataclass(frozen=True, slots=True)
class CandidateModel:
    """What was learnt of one candidate: logit P(success) = intercept + weights . features.

    Attributes:
        weights: one per feature. missing: one per feature, added where the signal is unknown.
        failed: added when the named candidate has failed already in this incident.
        cost_success_s, cost_failure_s: expected seconds from the start of an attempt to its verdict.
        attempts, successes: weighted counts behind it, for people.
    """

    intercept: float
    weights: tuple[float, ...]
    missing: tuple[float, ...]
    failed: Mapping[str, float]
    cost_success_s: float
    cost_failure_s: float
    attempts: float
    successes: float


@dataclass(frozen=True, slots=True)
class NodeRanking:
    """The model behind one `choose` node; candidates by the id of the child."""

    features: tuple[Feature, ...]
    candidates: Mapping[str, CandidateModel]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Everything learnt for one policy.

    Attributes:
        version: SHA-256 of the canonical JSON of all other fields.
        nodes: by id of the `choose` node.
        incidents, attempts: what it was trained on.
    """

    version: str
    policy: str
    trained_at: float
    incidents: int
    attempts: int
    nodes: Mapping[str, NodeRanking] = field(default_factory=dict)
