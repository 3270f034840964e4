"""Score candidates by a learnt ranking: the plain numbers of `model/ranking.py`, in plain Python.

`learn/scoring.py` gives the same numbers for many decisions at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import asinh, exp, isnan, log, sqrt
from operator import mul

from homeostat.model.ranking import Feature, LatentModel, LinearModel, MemberModel, NodeRanking, Uncertainty
from homeostat.model.signals import Value

FEATURE_BOUND = 5.0
"""Features are clipped to +- this, so that no single reading can outshout all others."""

LOGIT_BOUND = 30.0
"""No probability is closer to 0 or 1 than this allows."""

INTERVAL_WIDTH_SDS = 1.6448536269514722
"""A normal variable lies within this many standard deviations nine times in ten."""


def feature_columns(features: Sequence[Feature], values: Mapping[str, Value]) -> list[float]:
    """Turn signal values into a node's D columns."""
    columns: list[float] = []
    for feature in features:
        value = values.get(feature.signal)
        if feature.categories:
            flags = [1.0 if value == category else 0.0 for category in feature.categories]
            columns += [*flags, 0.0 if any(flags) else 1.0]
        elif isinstance(value, (int, float)) and not isnan(value):
            scaled = asinh(1.35 * (value - feature.median) / feature.spread)
            columns += [_within(scaled, FEATURE_BOUND), 0.0]
        else:
            columns += [0.0, 1.0]
    return columns


def success_probabilities(node: NodeRanking, columns: Sequence[float], failed: Sequence[int]) -> list[float]:
    """P(each candidate verifies | the columns, the candidates at these places have failed in this incident)."""
    logits = [node.stack.intercept] * len(node.candidates)
    for weight, member in zip(node.stack.weights, node.members, strict=True):
        if weight:
            own = (
                _linear(member, columns, failed)
                if isinstance(member, LinearModel)
                else _latent(member, columns, failed)
            )
            logits = [logit + weight * added for logit, added in zip(logits, own, strict=True)]
    return [
        1.0 if candidate.certain else expit(logit) for candidate, logit in zip(node.candidates, logits, strict=True)
    ]


def expit(logit: float) -> float:
    """The probability of a logit, which is bounded first."""
    return 1.0 / (1.0 + exp(-_bounded(logit)))


def interval(probability: float, logit_sd: float) -> tuple[float, float]:
    """Where the chance of success lies nine times in ten."""
    logit = _logit(probability)
    return expit(logit - INTERVAL_WIDTH_SDS * logit_sd), expit(logit + INTERVAL_WIDTH_SDS * logit_sd)


def logit_sds(uncertainty: Uncertainty, columns: Sequence[float]) -> list[float]:
    """Standard deviation of each candidate's logit at these columns."""
    if not uncertainty.factors:
        return list(uncertainty.floors)
    point = (1.0, *columns)
    return [
        sqrt(floor * floor + sum(_dot(row, point) ** 2 for row in rows))
        for floor, rows in zip(uncertainty.floors, uncertainty.factors, strict=True)
    ]


def _member_logits(member: MemberModel, columns: Sequence[float], failed: Sequence[int]) -> list[float]:
    if isinstance(member, LinearModel):
        return _linear(member, columns, failed)
    return _latent(member, columns, failed)


def _linear(model: LinearModel, columns: Sequence[float], failed: Sequence[int]) -> list[float]:
    return [
        _bounded(intercept + _dot(weights, columns) + sum(by_failed[place] for place in failed))
        for intercept, weights, by_failed in zip(model.intercepts, model.weights, model.failed, strict=True)
    ]


def _latent(model: LatentModel, columns: Sequence[float], failed: Sequence[int]) -> list[float]:
    beliefs = cause_beliefs(model, columns, failed)
    chances = (sum(map(mul, beliefs, of_candidate)) for of_candidate in zip(*model.success, strict=True))
    return [_bounded(_logit(chance)) for chance in chances]


def cause_beliefs(model: LatentModel, columns: Sequence[float], failed: Sequence[int]) -> list[float]:
    """P(each hidden cause | the columns, what failed)."""
    heights = [
        intercept + _dot(weights, columns)
        for intercept, weights in zip(model.gate_intercepts, model.gate_weights, strict=True)
    ]
    for place in failed:
        heights = [
            height + log(max(1.0 - success[place], 1e-12))
            for height, success in zip(heights, model.success, strict=True)
        ]
    highest = max(heights)
    shares = [exp(height - highest) for height in heights]
    total = sum(shares)
    return [share / total for share in shares]


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-12), 1.0 - 1e-12)
    return log(bounded / (1.0 - bounded))


def _bounded(logit: float) -> float:
    return _within(logit, LOGIT_BOUND)


def _within(value: float, bound: float) -> float:
    """Between -bound and bound. Two comparisons take a fraction of what `min` and `max` do, and this is a decision."""
    if -bound <= value <= bound:
        return value
    return bound if value > 0.0 else -bound


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    total: float = sum(map(mul, left, right))
    return total
