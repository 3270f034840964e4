"""Methods that need no library of their own: fixed orders, luck, Beta-Thompson, and a logistic model a candidate."""

from __future__ import annotations

import warnings

import numpy as np
from benchmarks.learning.costs import Costs
from benchmarks.learning.features import Encoder
from benchmarks.learning.stream import Incident
from benchmarks.learning.worlds import Context, Facts, Floats


class WrittenOrder:
    """The candidates in the order in which they were written down."""

    def begin(self, seed: int, facts: Facts) -> None:
        """Nothing to know."""

    def choose(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...], *, frozen: bool) -> int:  # noqa: ARG002 # a `Method`
        return eligible[0]

    def learn(self, incident: Incident) -> None:
        """Nothing is learnt."""


class CheapestFirst:
    """The shortest declared run time first."""

    def begin(self, seed: int, facts: Facts) -> None:  # noqa: ARG002 # a `Method`
        self._declared_s = facts.declared_s

    def choose(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...], *, frozen: bool) -> int:  # noqa: ARG002 # a `Method`
        return min(eligible, key=self._declared_s.__getitem__)

    def learn(self, incident: Incident) -> None:
        """Nothing is learnt."""


class AtRandom:
    """Any, evenly."""

    def begin(self, seed: int, facts: Facts) -> None:  # noqa: ARG002 # a `Method`
        self._random = np.random.default_rng(seed)

    def choose(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...], *, frozen: bool) -> int:  # noqa: ARG002 # a `Method`
        return int(self._random.choice(eligible))

    def learn(self, incident: Incident) -> None:
        """Nothing is learnt."""


class BetaThompson:
    """A Beta posterior of each candidate's success for each pattern; one draw of each decides.

    Args:
        per_second: the draw is divided by the expected time of the attempt; else success alone counts.
    """

    def __init__(self, *, per_second: bool) -> None:
        self._per_second = per_second

    def begin(self, seed: int, facts: Facts) -> None:
        self._random = np.random.default_rng(seed)
        self._counts = {pattern: np.ones((2, len(facts.candidates))) for pattern in facts.patterns}
        self._costs = Costs(facts)

    def choose(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...], *, frozen: bool) -> int:  # noqa: ARG002 # a `Method`
        worked, not_worked = self._counts[context.pattern]
        chances = worked / (worked + not_worked) if frozen else self._random.beta(worked, not_worked)
        success = {each: float(chances[each]) for each in eligible}
        return self._costs.best(success) if self._per_second else max(success, key=success.__getitem__)

    def learn(self, incident: Incident) -> None:
        self._costs.learn(incident)
        counts = self._counts[incident.context.pattern]
        for attempt in incident.attempts:
            counts[0 if attempt.worked else 1, attempt.candidate] += 1


class LogisticPerCandidate:
    """scikit-learn's LogisticRegression, one for each candidate, by success a second.

    Refitted as soon as there are 3% more incidents than at the last fit. A candidate that has only worked or only
    failed so far has the posterior mean of Beta(1, 1).
    """

    REFIT_GROWTH = 1.03

    def begin(self, seed: int, facts: Facts) -> None:  # noqa: ARG002 # a `Method`
        self._encoder = Encoder(facts)
        self._costs = Costs(facts)
        self._seen: list[tuple[list[Floats], list[bool]]] = [([], []) for _ in facts.candidates]
        self._weights = np.zeros((len(facts.candidates), self._encoder.size))
        self._incidents = self._fitted_at = 0

    def choose(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...], *, frozen: bool) -> int:  # noqa: ARG002 # a `Method`
        success = 1 / (1 + np.exp(-self._weights @ self._encoder.encode(context, failed)))
        return self._costs.best({each: float(success[each]) for each in eligible})

    def learn(self, incident: Incident) -> None:
        self._costs.learn(incident)
        failed: tuple[int, ...] = ()
        for attempt in incident.attempts:
            rows, worked = self._seen[attempt.candidate]
            rows.append(self._encoder.encode(incident.context, failed))
            worked.append(attempt.worked)
            failed = (*failed, attempt.candidate)
        self._incidents += 1
        if self._incidents >= self._fitted_at * self.REFIT_GROWTH:
            self._fit()
            self._fitted_at = self._incidents

    def _fit(self) -> None:
        from sklearn.linear_model import LogisticRegression

        for candidate, (rows, worked) in enumerate(self._seen):
            if len(set(worked)) < 2:
                mean = (sum(worked) + 1) / (len(worked) + 2)
                self._weights[candidate] = 0.0
                self._weights[candidate, 0] = np.log(mean / (1 - mean))
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a fit that stopped early is good enough here
                model = LogisticRegression(max_iter=200).fit(np.array(rows)[:, 1:], worked)
            self._weights[candidate] = np.concatenate([model.intercept_, model.coef_[0]])
