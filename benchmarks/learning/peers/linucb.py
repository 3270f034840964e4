"""MABWiser's LinUCB, an arm for each candidate."""

from __future__ import annotations

from benchmarks.learning.costs import Costs
from benchmarks.learning.features import Encoder
from benchmarks.learning.stream import Incident
from benchmarks.learning.worlds import Context, Facts
from mabwiser.mab import MAB, LearningPolicy  # type: ignore[import-not-found] # lives in the peers' own environment


class LinUCB:
    """The upper bound of success, divided by the expected time of an attempt.

    Args:
        alpha: how many deviations above the mean.
        l2_lambda: ridge.
    """

    def __init__(self, alpha: float, l2_lambda: float) -> None:
        self._alpha, self._l2_lambda = alpha, l2_lambda

    def begin(self, seed: int, facts: Facts) -> None:
        self._encoder = Encoder(facts)
        self._costs = Costs(facts)
        arms = list(range(len(facts.candidates)))
        policy = LearningPolicy.LinUCB(alpha=self._alpha, l2_lambda=self._l2_lambda)
        self._mab = MAB(arms, policy, seed=seed)
        self._fitted = False

    def choose(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...], *, frozen: bool) -> int:  # noqa: ARG002 # a `Method`
        if not self._fitted:
            return self._costs.best(dict.fromkeys(eligible, 0.5))
        expectations = self._mab.predict_expectations(self._encoder.encode(context, failed)[None, :])
        return self._costs.best({each: max(float(expectations[each]), 1e-3) for each in eligible})

    def learn(self, incident: Incident) -> None:
        self._costs.learn(incident)
        failed: tuple[int, ...] = ()
        contexts = []
        for attempt in incident.attempts:
            contexts.append(self._encoder.encode(incident.context, failed))
            failed = (*failed, attempt.candidate)
        learn = self._mab.partial_fit if self._fitted else self._mab.fit
        learn(
            [attempt.candidate for attempt in incident.attempts],
            [float(attempt.worked) for attempt in incident.attempts],
            contexts,
        )
        self._fitted = True
