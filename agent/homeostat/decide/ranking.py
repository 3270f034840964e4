"""Order candidates by the learnt index p / c, with propensities.

Sorting by success probability over expected cost minimises the expected time to the first success when attempts are
independent (an exchange argument); on probabilities conditioned on what has failed already it is the greedy
4-approximation of pipelined set cover (Munagala, Babu, Motwani, Widom: "The Pipelined Set Cover Problem", ICDT 2005).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import asinh, exp, isnan

from msgspec.structs import replace

from homeostat.model.entries import Option
from homeostat.model.ranking import CandidateModel, Feature, NodeRanking
from homeostat.model.signals import Value

FEATURE_BOUND = 5.0
"""Features are clipped to +- this, so that no single reading can outshout all others."""

_LOGIT_BOUND = 30.0


def feature_values(features: Sequence[Feature], values: Mapping[str, Value]) -> list[float | None]:
    """Turn signal values into model features, in the order of `features`; None where the signal is unknown."""
    numbers: list[float | None] = []
    for feature in features:
        value = values.get(feature.signal)
        if isinstance(value, (int, float)) and not isnan(value):
            scaled = asinh(1.35 * (value - feature.median) / feature.spread)
            numbers.append(max(-FEATURE_BOUND, min(FEATURE_BOUND, scaled)))
        else:
            numbers.append(None)
    return numbers


def success_probability(model: CandidateModel, features: Sequence[float | None], failed: Sequence[str]) -> float:
    """P(the candidate verifies | features, these candidates have failed already in this incident)."""
    logit = model.intercept
    for number, weight, missing in zip(features, model.weights, model.missing, strict=True):
        logit += missing if number is None else weight * number
    for candidate in failed:
        logit += model.failed.get(candidate, 0.0)
    return 1.0 / (1.0 + exp(-max(-_LOGIT_BOUND, min(_LOGIT_BOUND, logit))))


def rank(
    node: NodeRanking | None, options: Sequence[Option], values: Mapping[str, Value], failed: Sequence[str]
) -> tuple[list[Option], str | None]:
    """Score the eligible options; give all of them, best first and ineligible ones last, and the id of the chosen one.

    Without a model for the node, or for every eligible option, the written order stands: a half-known order would
    compare numbers with guesses. The first eligible option gets propensity 1; there is no exploration.
    """
    eligible = [option for option in options if option.eligible]
    if node is not None and all(option.id in node.candidates for option in eligible):
        features = feature_values(node.features, values)
        scored = [_scored(option, node.candidates[option.id], features, failed) for option in eligible]
        eligible = sorted(scored, key=lambda option: -(option.index or 0.0))
    ineligible = [option for option in options if not option.eligible]
    if not eligible:
        return ineligible, None
    eligible[0] = replace(eligible[0], propensity=1.0)
    return eligible + ineligible, eligible[0].id


def _scored(option: Option, model: CandidateModel, features: Sequence[float | None], failed: Sequence[str]) -> Option:
    probability = success_probability(model, features, failed)
    cost_s = probability * model.cost_success_s + (1.0 - probability) * model.cost_failure_s
    return replace(option, probability=probability, cost_s=cost_s, index=probability / cost_s)
