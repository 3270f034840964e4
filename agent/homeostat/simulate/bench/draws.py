"""Luck that does not depend on who asks first: every draw is a hash of what it is about.

Two policies that do the same thing in the same incident meet the same luck (common random numbers: Law, "Simulation
Modeling and Analysis", chapter 11), whatever else they do before.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from statistics import NormalDist

_STANDARD = NormalDist()


def uniform(*about: object) -> float:
    """A number from 0 to below 1, the same for the same arguments."""
    digest = blake2b("/".join(map(str, about)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / float(1 << 53)


def lognormal(mean: float, spread: float, *about: object) -> float:
    """A lognormal draw with this mean, and a standard deviation of `spread` times the mean."""
    if spread <= 0.0 or mean <= 0.0:
        return mean
    variance = math.log1p(spread * spread)
    quantile = min(max(uniform(*about), 1e-12), 1.0 - 1e-12)
    return mean * math.exp(math.sqrt(variance) * _STANDARD.inv_cdf(quantile) - variance / 2.0)
