"""Worlds made up: a mixture of hidden causes, one that drifts, and one where success depends smoothly on the context.

Every cause has one candidate that mostly works and another that half works; the rest rarely do. Two broad ones work
for almost everything and run long. Causes 0 and 1 look alike, and so do 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from benchmarks.learning.worlds import (
    DRIFT_AT,
    INCIDENTS,
    Bools,
    Codes,
    Draws,
    Facts,
    Floats,
    Truth,
    World,
    mean_run_s,
    outcomes,
)

CAUSES, NARROW, BROAD = 6, 6, 2
SIGNALS, NOISE_SIGNALS = 8, 2
SIGNAL_SPREAD = 1.0
"""How far the causes' mean signals lie apart, in standard deviations of a signal given its cause."""
ALIKE = 0.25
"""How far causes that look alike are apart, as a share of that."""
MISSING = 0.1
CATEGORY_LEVELS = (3, 4)
PATTERNS = 4
HISTORY = 4000
"""Snapshots in the monitoring's history, for its quartiles."""


@dataclass(frozen=True)
class Candidates:
    """What is true of them whatever the cause. M of each."""

    names: tuple[str, ...]
    median_s: Floats
    declared_s: tuple[float, ...]
    harm: Floats


def draw_candidates(random: np.random.Generator, narrow: int, broad: int) -> Candidates:
    """`narrow` quick candidates, then `broad` slow ones; two of the narrow do harm now and then."""
    median_s = np.concatenate(
        [np.exp(random.uniform(np.log(20), np.log(200), narrow)), random.uniform(800, 1500, broad)]
    )
    declared_s = median_s * random.lognormal(0.0, 0.3, len(median_s))
    harm = np.zeros(len(median_s))
    harm[random.choice(narrow, 2, replace=False)] = random.uniform(0.02, 0.08, 2)
    names = (*(f"narrow{i}" for i in range(narrow)), *(f"broad{i}" for i in range(broad)))
    return Candidates(names, median_s, tuple(declared_s.tolist()), harm)


def draw_success(random: np.random.Generator, causes: int, narrow: int, broad: int) -> Floats:
    """(causes, narrow + broad) probabilities of a cure; cause k's best candidate is k modulo `narrow`."""
    success = random.uniform(0.01, 0.10, (causes, narrow + broad))
    for cause in range(causes):
        best = cause % narrow
        success[cause, best] = random.uniform(0.75, 0.95)
        others = [other for other in range(narrow) if other != best]
        success[cause, random.choice(others)] = random.uniform(0.4, 0.6)
    success[:, narrow:] = random.uniform(0.7, 0.9, (causes, broad))
    return success


def in_written_order(random: np.random.Generator, candidates: Candidates, success: Floats) -> tuple[Candidates, Floats]:
    """Shuffle the candidates: where one is written says nothing about it. `success` is (..., M)."""
    order = random.permutation(len(candidates.names))
    shuffled = Candidates(
        tuple(candidates.names[i] for i in order),
        candidates.median_s[order],
        tuple(candidates.declared_s[i] for i in order),
        candidates.harm[order],
    )
    return shuffled, success[..., order]


def draw_codes(random: np.random.Generator, shares: Floats, cause: Codes) -> Codes:
    """(N,) values of a categorical signal with `shares` (K, levels), given each incident's cause."""
    at_most = np.cumsum(shares, axis=1)[cause]
    return np.asarray(np.minimum((random.random((len(cause), 1)) > at_most).sum(axis=1), shares.shape[1] - 1))


def posterior(log_joint: Floats) -> Floats:
    """(N, K) probabilities from logarithms of prior times likelihood."""
    weights = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def raw_of(latent: Floats, missing: Bools) -> Floats:
    """Signals as a monitoring shows them: of any scale, every second one skewed, some missing."""
    scale = 10.0 ** (np.arange(latent.shape[1]) % 4)
    raw = np.where(np.arange(latent.shape[1]) % 2 == 0, np.exp(latent), latent) * scale
    raw[missing] = np.nan
    return np.asarray(raw)


def levels(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{i}" for i in range(count))


def facts_of(candidates: Candidates, history: Floats, patterns: int) -> Facts:
    return Facts(
        candidates.names,
        candidates.declared_s,
        levels("signal", history.shape[1]),
        np.nanpercentile(history, (25, 50, 75), axis=0),
        tuple(levels(f"category{i}_", count) for i, count in enumerate(CATEGORY_LEVELS)),
        levels("pattern", patterns),
    )


class Signs:
    """How the causes show: Gaussian signals, categories and a pattern, each independent given the cause."""

    def __init__(self, random: np.random.Generator) -> None:
        self.prior = random.dirichlet([3.0] * CAUSES)
        self._means = random.normal(0.0, SIGNAL_SPREAD, (CAUSES, SIGNALS))
        self._means[:, SIGNALS - NOISE_SIGNALS :] = 0.0
        for cause, like in ((1, 0), (3, 2)):
            self._means[cause] = self._means[like] + ALIKE * self._means[cause]
        self._shares = [random.dirichlet([1.5] * count, CAUSES) for count in (*CATEGORY_LEVELS, PATTERNS)]

    def draw(self, random: np.random.Generator, count: int) -> tuple[Codes, Floats, Codes, Floats]:
        """Draw causes (N,), raw signals (N, D), codes (N, C + 1) with the pattern last; and the posterior (N, K)."""
        cause = random.choice(CAUSES, count, p=self.prior)
        latent = random.normal(self._means[cause], 1.0)
        missing = random.random(latent.shape) < MISSING
        codes = np.stack([draw_codes(random, shares, cause) for shares in self._shares], axis=1)
        squares = np.where(missing[:, None, :], 0.0, (latent[:, None, :] - self._means) ** 2).sum(axis=2)
        log_joint = np.log(self.prior) - squares / 2
        for shares, values in zip(self._shares, codes.T, strict=True):
            log_joint += np.log(shares[:, values]).T
        return cause, raw_of(latent, missing), codes, posterior(log_joint)


def mixture(seed: int, name: str = "mixture") -> World:
    """A mixture of hidden causes; with `drift` as its name the most frequent cause changes its cure."""
    random = np.random.default_rng([seed, 1])
    candidates = draw_candidates(random, NARROW, BROAD)
    signs = Signs(random)
    before = draw_success(random, CAUSES, NARROW, BROAD)
    after = drifted(random, before, int(signs.prior.argmax())) if name == "drift" else before
    candidates, phases = in_written_order(random, candidates, np.stack([before, after]))
    cause, numbers, codes, chances = signs.draw(random, INCIDENTS)
    success = phases[(np.arange(INCIDENTS) >= DRIFT_AT).astype(int)]
    works, runs_s, harms = outcomes(random, success, candidates.median_s, candidates.harm, cause)
    _, history, _, _ = signs.draw(random, HISTORY)
    return World(
        name,
        seed,
        facts_of(candidates, history, PATTERNS),
        Draws(numbers, codes[:, :-1], codes[:, -1], works, runs_s, harms),
        Truth(chances, success, mean_run_s(candidates.median_s)),
    )


def drifted(random: np.random.Generator, success: Floats, cause: int) -> Floats:
    """The cure of `cause` stops working, and one that rarely worked takes its place."""
    after = success.copy()
    new = random.choice(np.flatnonzero(success[cause, :NARROW] < 0.2))
    after[cause, [cause, new]] = success[cause, [new, cause]]
    return after


def smooth(seed: int) -> World:
    """Success of each candidate is logistic in the signals, with bends and a shift for each pattern; no causes."""
    random = np.random.default_rng([seed, 2])
    candidates = draw_candidates(random, NARROW, BROAD)
    count = NARROW + BROAD
    slope = random.normal(0.0, 1.0, (SIGNALS, count)) * (random.random((SIGNALS, count)) < 0.6)
    bend = random.normal(0.0, 0.5, (SIGNALS, count)) * (random.random((SIGNALS, count)) < 0.3)
    shift = random.normal(0.0, 0.4, (PATTERNS, count))
    by_level = random.normal(0.0, 0.5, (CATEGORY_LEVELS[0], count))
    base = np.concatenate([random.uniform(-2.2, -0.8, NARROW), np.full(BROAD, 1.6)])
    strength = np.concatenate([np.ones(NARROW), np.full(BROAD, 0.25)])

    def draw(incidents: int) -> tuple[Floats, Codes, Floats]:
        latent = random.normal(0.0, 1.0, (incidents, SIGNALS))
        missing = random.random(latent.shape) < MISSING
        codes = np.stack([random.integers(0, size, incidents) for size in (*CATEGORY_LEVELS, PATTERNS)], axis=1)
        seen = np.where(missing, 0.0, latent)
        depends = seen @ slope + (seen**2 - 1) * ~missing @ bend + shift[codes[:, -1]] + by_level[codes[:, 0]]
        return raw_of(latent, missing), codes, 1 / (1 + np.exp(-(base + strength * depends)))

    numbers, codes, rates = draw(INCIDENTS)
    candidates, rates = in_written_order(random, candidates, rates)
    success = rates[:, None, :]
    cause = np.zeros(INCIDENTS, dtype=np.int64)
    works, runs_s, harms = outcomes(random, success, candidates.median_s, candidates.harm, cause)
    history, _, _ = draw(HISTORY)
    return World(
        "smooth",
        seed,
        facts_of(candidates, history, PATTERNS),
        Draws(numbers, codes[:, :-1], codes[:, -1], works, runs_s, harms),
        Truth(np.ones((INCIDENTS, 1)), success, mean_run_s(candidates.median_s)),
    )
