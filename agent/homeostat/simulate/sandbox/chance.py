"""Seeded draws the standard library of Python 3.11 lacks. Every function takes its generator."""

from __future__ import annotations

import math
from random import Random

GAUSSIAN_FROM = 30.0
"""Above this mean a rounded normal draw stands for the Poisson one (their quantiles differ by less than one)."""


def stream(seed: int, name: str) -> Random:
    """Give an independent generator; the same seed and name always give the same draws."""
    return Random(f"{seed}/{name}")


def poisson(rng: Random, mean: float) -> int:
    """Draw a Poisson count (Knuth, "The Art of Computer Programming" 2, 3.4.1, algorithm Q)."""
    if mean <= 0.0:
        return 0
    if mean > GAUSSIAN_FROM:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit = math.exp(-mean)
    product = rng.random()
    count = 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def binomial(rng: Random, trials: int, share: float) -> int:
    """Draw about how many of `trials` come true when each does with probability `share`."""
    if trials <= 0 or share <= 0.0:
        return 0
    if share >= 1.0:
        return trials
    if share > 0.5:
        return trials - binomial(rng, trials, 1.0 - share)
    mean = trials * share
    if mean > GAUSSIAN_FROM:
        return min(trials, max(0, round(rng.gauss(mean, math.sqrt(mean * (1.0 - share))))))
    return min(trials, poisson(rng, mean))


def lognormal(rng: Random, median: float, sigma: float) -> float:
    """Draw a lognormal value by its median."""
    return median * math.exp(rng.gauss(0.0, sigma))
