"""Notice that an action has changed: a CUSUM of how well its successes were foretold (Page, Biometrika 41, 1954).

For each candidate and each direction, the log-likelihood ratio of what happened, between the foretold chance with its
logit shifted and the chance as foretold, is summed up and never falls below 0. Above `THRESHOLD` the action is held to
have changed where the sum was last 0, and what it did before then counts little.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, log1p

from homeostat.learn.features import Floats
from homeostat.learn.samples import Samples

SHIFT_LOGIT = 2.5
THRESHOLD = 7.0
DIRECTIONS = (True,)
OLD_WEIGHT = 0.05
"""What an action did before it changed counts this much."""


@dataclass(frozen=True, slots=True)
class Change:
    """An action works otherwise than it did.

    Attributes:
        candidate: its place.
        since: row of its first trial after the change, as far as can be told.
        noticed: row of the trial by which it was noticed.
        worse: whether it works less often than before.
    """

    candidate: int
    since: int
    noticed: int
    worse: bool


@dataclass(slots=True)
class Cusum:
    """Sums of each (candidate, direction) that is above 0, with the row of the first trial in the sum."""

    sums: dict[tuple[int, bool], tuple[float, int]] = field(default_factory=dict)

    def copy(self) -> Cusum:
        """One that goes on from here by itself."""
        return Cusum(dict(self.sums))

    def first_change(self, samples: Samples, start: int, end: int, logits: Floats) -> Change | None:
        """Take in rows `start` to `end`, whose foretold logits are given, up to the first that shows a change."""
        candidates, succeeded = samples.candidate[start:end].tolist(), samples.succeeded[start:end].tolist()
        weights = samples.weight[start:end].tolist()
        rows = zip(candidates, succeeded, weights, logits.tolist(), strict=True)
        for row, (candidate, worked, weight, logit) in enumerate(rows, start):
            for worse in DIRECTIONS:
                before, since = self.sums.pop((candidate, worse), (0.0, row))
                sum_now = before + weight * _log_ratio(logit, worked=worked, worse=worse)
                if sum_now > THRESHOLD:
                    self.sums.pop((candidate, not worse), None)
                    return Change(candidate, since, row, worse)
                if sum_now > 0.0:
                    self.sums[candidate, worse] = (sum_now, since)
        return None


def _log_ratio(logit: float, *, worked: bool, worse: bool) -> float:
    """The logarithm of P(outcome | logit shifted) / P(outcome | logit)."""
    shifted = logit - SHIFT_LOGIT if worse else logit + SHIFT_LOGIT
    sign = -1.0 if worked else 1.0
    return _log1p_exp(sign * logit) - _log1p_exp(sign * shifted)


def _log1p_exp(value: float) -> float:
    return value + log1p(exp(-value)) if value > 0.0 else log1p(exp(value))
