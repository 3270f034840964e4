"""The context as numbers, for methods that have no encoding of their own."""

from __future__ import annotations

import numpy as np
from benchmarks.learning.worlds import Context, Facts, Floats

CLIP = 5.0


class Encoder:
    """Signals scaled by the monitoring's quartiles, flags for missing ones, one-hot categories and pattern, failures.

    A signal becomes asinh(1.35 (x - median) / IQR) within +-5, and 0 where it is missing. 1.35 makes the IQR of a
    Gaussian a standard deviation. A constant 1 stands first.
    """

    def __init__(self, facts: Facts) -> None:
        low, self._median, high = facts.quartiles
        self._iqr = np.where(high > low, high - low, 1.0)
        self._candidates = len(facts.candidates)
        self._levels = [{level: i for i, level in enumerate(names)} for names in (*facts.categories, facts.patterns)]
        self.without_failures = 1 + 2 * len(facts.numbers) + sum(len(each) for each in self._levels)
        self.size = self.without_failures + self._candidates

    def encode(self, context: Context, failed: tuple[int, ...]) -> Floats:
        """(size,); the last (candidates,) are 1 for what failed."""
        scaled = np.clip(np.arcsinh(1.35 * (context.numbers - self._median) / self._iqr), -CLIP, CLIP)
        missing = np.isnan(scaled)
        flags = np.zeros(sum(len(each) for each in self._levels) + self._candidates)
        at = 0
        for levels, value in zip(self._levels, (*context.categories, context.pattern), strict=True):
            flags[at + levels[value]] = 1.0
            at += len(levels)
        flags[[at + each for each in failed]] = 1.0
        return np.concatenate([[1.0], np.where(missing, 0.0, scaled), missing, flags])
