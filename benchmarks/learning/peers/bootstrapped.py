"""contextualbandits' BootstrappedUCB over logistic regressions."""

from __future__ import annotations

import warnings

import numpy as np
from benchmarks.learning.costs import Costs
from benchmarks.learning.features import Encoder
from benchmarks.learning.stream import Incident
from benchmarks.learning.worlds import Context, Facts, Floats
from contextualbandits.online import (  # type: ignore[import-not-found] # lives in the peers' own environment
    BootstrappedUCB,
)
from sklearn.linear_model import LogisticRegression


class _UncheckedLogistic(LogisticRegression):  # type: ignore[misc] # shipped without types
    """Predicts without scikit-learn's checks of its input: there are eighty predictions of one row in a decision."""

    def predict_proba(self, X: Floats) -> Floats:  # noqa: N803 # scikit-learn's name
        chance = 1 / (1 + np.exp(-(X @ self.coef_[0] + self.intercept_[0])))
        return np.stack([1 - chance, chance], axis=1)


class BootstrappedLogistic:
    """The upper percentile of success, divided by the expected time of an attempt.

    Its models are fitted anew as soon as there are `REFIT_GROWTH` times as many incidents: a fit takes a second.
    """

    REFIT_GROWTH = 1.1

    def begin(self, seed: int, facts: Facts) -> None:
        self._encoder = Encoder(facts)
        self._costs = Costs(facts)
        self._bandit = BootstrappedUCB(
            _UncheckedLogistic(max_iter=100),
            len(facts.candidates),
            nsamples=10,
            percentile=80,
            random_state=seed + 1,  # it takes no 0
            njobs_arms=1,  # its threads cost more than what they share
            njobs_samples=1,
        )
        self._contexts: list[Floats] = []
        self._candidates: list[int] = []
        self._worked: list[float] = []
        self._incidents = self._fitted_at = 0

    def choose(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...], *, frozen: bool) -> int:  # noqa: ARG002 # a `Method`
        if not self._fitted_at:
            return self._costs.best(dict.fromkeys(eligible, 0.5))
        encoded = self._encoder.encode(context, failed)[None, 1:]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bounds = self._bandit.decision_function(encoded)[0]
        return self._costs.best({each: max(float(bounds[each]), 1e-3) for each in eligible})

    def learn(self, incident: Incident) -> None:
        self._costs.learn(incident)
        failed: tuple[int, ...] = ()
        for attempt in incident.attempts:
            self._contexts.append(self._encoder.encode(incident.context, failed)[1:])
            self._candidates.append(attempt.candidate)
            self._worked.append(float(attempt.worked))
            failed = (*failed, attempt.candidate)
        self._incidents += 1
        if self._incidents >= max(self._fitted_at * self.REFIT_GROWTH, 10):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # fits that stop early, and arms with one label
                self._bandit.fit(np.array(self._contexts), np.array(self._candidates), np.array(self._worked))
            self._fitted_at = self._incidents
