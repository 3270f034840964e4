"""What an attempt takes, learnt from the attempts so far."""

from __future__ import annotations

import numpy as np
from benchmarks.learning.stream import Incident
from benchmarks.learning.worlds import VERIFY_FAILED_S, VERIFY_OK_S, Facts

DECLARED_WEIGHT = 2.0


class Costs:
    """Each candidate's mean run time, the declared one counting as two attempts; verification comes on top."""

    def __init__(self, facts: Facts) -> None:
        self._sums_s = DECLARED_WEIGHT * np.array(facts.declared_s)
        self._counts = np.full(len(facts.declared_s), DECLARED_WEIGHT)

    def learn(self, incident: Incident) -> None:
        for attempt in incident.attempts:
            self._sums_s[attempt.candidate] += attempt.runs_s
            self._counts[attempt.candidate] += 1

    def best(self, success: dict[int, float]) -> int:
        """The candidate with the most success a second, given each one's probability of success."""
        return max(success, key=lambda each: success[each] / self.expected_s(each, success[each]))

    def expected_s(self, candidate: int, success: float) -> float:
        """The seconds of an attempt that works with probability `success`."""
        chance = min(max(success, 0.0), 1.0)
        run_s = float(self._sums_s[candidate] / self._counts[candidate])
        return run_s + chance * VERIFY_OK_S + (1 - chance) * VERIFY_FAILED_S
