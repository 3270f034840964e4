"""Vowpal Wabbit: contextual bandit with action-dependent features, and online logistic regression."""

from __future__ import annotations

import numpy as np
from benchmarks.learning.costs import Costs
from benchmarks.learning.features import Encoder
from benchmarks.learning.stream import Incident, seconds_of
from benchmarks.learning.worlds import Context, Facts
from vowpalwabbit import Workspace  # type: ignore[import-not-found] # lives in the peers' own environment


class Text:
    """Contexts in Vowpal Wabbit's text format: namespace `s` for what is seen, `a` for a candidate."""

    def __init__(self, facts: Facts) -> None:
        self._encoder = Encoder(facts)

    def shared(self, context: Context, failed: tuple[int, ...]) -> str:
        numbers = self._encoder.encode(context, failed)[1:]
        return "|s " + " ".join(f"{at}:{numbers[at]:.4g}" for at in np.flatnonzero(numbers))

    def candidate(self, candidate: int) -> str:
        return f"|a c{candidate}"


class SquareCB:
    """`--cb_explore_adf --squarecb`. The cost of a choice is time.

    Args:
        options: beside those.
        unit_s: costs are in so many seconds.
        failure_s: what a failure adds to the attempt's own time; None for all the time that then passed to recovery.
    """

    def __init__(self, options: str = "", *, unit_s: float = 300.0, failure_s: float | None = 300.0) -> None:
        self._options = options
        self._unit_s = unit_s
        self._failure_s = failure_s

    def begin(self, seed: int, facts: Facts) -> None:
        self._random = np.random.default_rng(seed)
        self._text = Text(facts)
        self._workspace = Workspace(
            f"--cb_explore_adf --squarecb -q sa --quiet --random_seed {seed + 1} {self._options}"
        )
        self._candidates = range(len(facts.candidates))
        self._probabilities: list[float] = []

    def choose(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...], *, frozen: bool) -> int:
        probabilities = np.array(self._workspace.predict(self._lines(context, failed, eligible)))
        if frozen:
            return eligible[int(probabilities.argmax())]
        at = int(self._random.choice(len(eligible), p=probabilities / probabilities.sum()))
        self._probabilities.append(float(probabilities[at]))
        return eligible[at]

    def learn(self, incident: Incident) -> None:
        failed: tuple[int, ...] = ()
        costs = self.costs(incident)
        for attempt, probability, cost in zip(incident.attempts, self._probabilities, costs, strict=True):
            eligible = tuple(each for each in self._candidates if each not in failed)
            lines = self._lines(incident.context, failed, eligible)
            at = eligible.index(attempt.candidate)
            lines[1 + at] = f"0:{cost:.5g}:{probability:.5g} {lines[1 + at]}"
            self._workspace.learn(lines)
            failed = (*failed, attempt.candidate)
        self._probabilities = []

    def costs(self, incident: Incident) -> list[float]:
        """Of each attempt."""
        own_s = [attempt.runs_s + attempt.verifies_s for attempt in incident.attempts]
        if self._failure_s is None:
            left_s = seconds_of(incident) - np.cumsum([0.0, *own_s[:-1]])
            return [float(each / self._unit_s) for each in left_s]
        failures_s = [0.0 if attempt.worked else self._failure_s for attempt in incident.attempts]
        return [(own + failure) / self._unit_s for own, failure in zip(own_s, failures_s, strict=True)]

    def _lines(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...]) -> list[str]:
        return [f"shared {self._text.shared(context, failed)}", *(self._text.candidate(each) for each in eligible)]


class SuccessSquareCB(SquareCB):
    """The same with success alone: a choice costs 1 if it does not work, however long it takes."""

    def costs(self, incident: Incident) -> list[float]:
        return [0.0 if attempt.worked else 1.0 for attempt in incident.attempts]


class OnlineLogistic:
    """`--loss_function logistic` on every attempt, by success a second.

    Args:
        options: beside that.
    """

    def __init__(self, options: str = "") -> None:
        self._options = options

    def begin(self, seed: int, facts: Facts) -> None:
        self._text = Text(facts)
        self._costs = Costs(facts)
        self._workspace = Workspace(
            f"--loss_function logistic --link logistic -q sa --quiet --random_seed {seed + 1} {self._options}"
        )

    def choose(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...], *, frozen: bool) -> int:  # noqa: ARG002 # a `Method`
        shared = self._text.shared(context, failed)
        success = {each: float(self._workspace.predict(f"{shared} {self._text.candidate(each)}")) for each in eligible}
        return self._costs.best(success)

    def learn(self, incident: Incident) -> None:
        self._costs.learn(incident)
        failed: tuple[int, ...] = ()
        for attempt in incident.attempts:
            shared, label = self._text.shared(incident.context, failed), 1 if attempt.worked else -1
            self._workspace.learn(f"{label} {shared} {self._text.candidate(attempt.candidate)}")
            failed = (*failed, attempt.candidate)
