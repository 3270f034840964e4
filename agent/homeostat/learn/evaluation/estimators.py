"""Off-policy estimators: what another policy would have earned, from logged propensities.

The formulas are those of the Open Bandit Pipeline (Saito, Aihara, Matsutani, Narita: "Open Bandit Dataset and
Pipeline", NeurIPS 2021); for trajectories, importance sampling per decision is Precup, Sutton, Singh ("Eligibility
Traces for Off-Policy Policy Evaluation", ICML 2000) and doubly robust is Jiang and Li ("Doubly Robust Off-policy Value
Evaluation", ICML 2016).

N incidents, S steps. A weight is the probability of the logged choice under the judged policy over its propensity.
Rewards may be costs. A trajectory that is shorter than S has rewards 0 and ratios 1 at its end.
"""

from __future__ import annotations

import math

import numpy as np

from homeostat.learn.features import Floats

SWITCH_AT = 20.0
"""Weights above this are not used by switch-DR."""

_STANDARD_ERRORS = 3.0


def ips(weight: Floats, reward: Floats) -> float:
    """Inverse propensity scoring: mean of w r."""
    return float(np.mean(weight * reward))


def snips(weight: Floats, reward: Floats) -> float:
    """Self-normalised: sum of w r over sum of w; NaN where no logged choice is the judged policy's."""
    total = float(weight.sum())
    return float(weight @ reward) / total if total > 0 else float("nan")


def doubly_robust(weight: Floats, reward: Floats, predicted: Floats, expected: Floats) -> float:
    """Mean of `expected` + w (r - `predicted`), where `predicted` is the model's reward of the logged choice."""
    return float(np.mean(expected + weight * (reward - predicted)))


def switch_doubly_robust(
    weight: Floats, reward: Floats, predicted: Floats, expected: Floats, switch_at: float = SWITCH_AT
) -> float:
    """Doubly robust where w <= `switch_at`, the model's word elsewhere."""
    return doubly_robust(np.where(weight <= switch_at, weight, 0.0), reward, predicted, expected)


def trajectory_is(ratios: Floats, rewards: Floats) -> float:
    """Importance sampling of whole trajectories: mean of the product of ratios times the sum of rewards; (N, S)."""
    return ips(ratios.prod(axis=1), rewards.sum(axis=1))


def trajectory_is_weighted(ratios: Floats, rewards: Floats) -> float:
    """The same, self-normalised."""
    return snips(ratios.prod(axis=1), rewards.sum(axis=1))


def per_decision_is(ratios: Floats, rewards: Floats) -> float:
    """Each reward weighted by the ratios up to its own step."""
    return float(np.mean((np.cumprod(ratios, axis=1) * rewards).sum(axis=1)))


def per_decision_is_weighted(ratios: Floats, rewards: Floats) -> float:
    """The same, self-normalised at every step."""
    weights = np.asarray(np.cumprod(ratios, axis=1), dtype="float64")
    return math.fsum(snips(weights[:, step], rewards[:, step]) for step in range(rewards.shape[1]))


def doubly_robust_trajectories(ratios: Floats, rewards: Floats, predicted: Floats, expected: Floats) -> Floats:
    """(N,), whose mean is the estimate: backwards, V_k = expected_k + ratio_k (r_k + V_(k+1) - predicted_k).

    Args:
        ratios: (N, S).
        rewards: (N, S).
        predicted: (N, S), the model's value of the logged choice at each step.
        expected: (N, S + 1), its value of each step under the judged policy; the last is where the log ends.
    """
    value = expected[:, -1]
    for step in reversed(range(rewards.shape[1])):
        ratio = ratios[:, step]
        value = expected[:, step] + ratio * (rewards[:, step] + value - predicted[:, step])
    return value


def effective_sample_size(weight: Floats) -> float:
    """(sum of w)^2 over sum of w^2 (Kish); 0 without any weight."""
    squares = float(weight @ weight)
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def mean_weight_is_off(weight: Floats, propensity: Floats) -> bool:
    """Whether the mean weight, which should be 1, is farther from it than three standard errors.

    Then the propensities do not describe the log: they are wrong. The standard error is the one that they imply
    themselves. The sample's own would be far too small wherever a rare choice happens not to have come up. A single
    tiny propensity would allow for any mean, so the number of choices that are the judged policy's is held against them
    as well: there such a choice counts for next to nothing.

    Args:
        weight: (N,), of the logged choices: 1 over the propensity where the judged policy chooses the same, else 0.
        propensity: (N,), of the judged policy's own choices, all above 0. Such a weight has the variance 1/q - 1.
    """
    if weight.size < 2:
        return True
    chance: Floats = np.minimum(propensity, 1.0)  # a sum of shares may be a rounding above it
    off, same_off = float((weight - 1.0).sum()), float((weight > 0.0).sum() - chance.sum())
    variance, same_variance = float((1.0 / chance - 1.0).sum()), float((chance * (1.0 - chance)).sum())
    return _is_far(off, variance, weight.size) or _is_far(same_off, same_variance, weight.size)


def _is_far(off: float, variance: float, counted: int) -> bool:
    """Whether a sum is farther from what is expected than chance allows; what is no number is."""
    return not abs(off) <= max(_STANDARD_ERRORS * math.sqrt(variance), 1e-9 * counted)
