"""The check of imputed replay: another kind of model, and the propensities where there are any.

The fitted simulator is the direct method with the pooled logistic member, cross-fitted by incident: it knows no hidden
causes and no facts. Where the log is randomised, doubly robust estimation corrects it by what was seen. A ranking can
be asked the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from homeostat.learn.evaluation.estimators import doubly_robust_trajectories
from homeostat.learn.evaluation.imputation import Costs
from homeostat.learn.evaluation.logged import Logged
from homeostat.learn.evaluation.orders import Order, next_choice
from homeostat.learn.features import Floats, feature_columns, named_flags
from homeostat.learn.members.pooled import PooledLogistic
from homeostat.learn.samples import Bools, Ints
from homeostat.learn.scoring import expit, member_logits, success_probabilities
from homeostat.model.ranking import NodeRanking


@dataclass(frozen=True, slots=True)
class Simulator:
    """What each candidate would do at each logged trial.

    Attributes:
        foretell: (n,) rows of `Logged.trials` and (n, M) what has failed -> (n, M) chances of success.
    """

    logged: Logged
    foretell: Callable[[Ints, Bools], Floats]
    costs: Costs

    def chances(self, rows: Ints, failed: Bools) -> Floats:
        """(n, M): how likely each candidate works at these rows, once `failed` have failed."""
        return np.where(self.logged.certain, 1.0, self.foretell(rows, failed))

    def expected_s(self, order: Order, rows: Ints, failed: Bools, eligible: Bools) -> Floats:
        """(n,): seconds from here to recovery when the order is followed."""
        numbers, failed = np.arange(len(rows)), failed.copy()
        alive, seconds = np.ones(len(rows)), np.zeros(len(rows))
        for _ in range(failed.shape[1]):
            choice = next_choice(order, rows, failed, eligible & ~failed)
            tried = choice >= 0
            if not (tried & (alive > 0)).any():
                break
            place = np.maximum(choice, 0)
            works = self.chances(rows, failed)[numbers, place] * tried
            seconds += tried * alive * self.trial_s(place, works)
            alive *= 1.0 - works
            failed[numbers[tried], place[tried]] = True
        return seconds + alive * self.logged.people_s

    def trial_s(self, candidate: Ints, works: Floats) -> Floats:
        """Expected seconds of a trial that works with this probability."""
        seconds: Floats = works * self.costs.success_s[candidate] + (1.0 - works) * self.costs.failure_s[candidate]
        return seconds


def fit_simulator(logged: Logged, part: Ints, costs: Costs) -> Simulator:
    """Fit it; `part` (N,) is what is held out together: each part is foretold by a model that has not seen it."""
    of_row = part[logged.samples.incident]
    several = int(part.max()) > 0
    models = tuple(
        PooledLogistic().fit(logged.samples.take(of_row != number) if several else logged.samples)
        for number in range(int(part.max()) + 1)
    )

    def foretell(rows: Ints, failed: Bools) -> Floats:
        chances = np.zeros(failed.shape)
        for number, model in enumerate(models):
            own = of_row[rows] == number
            if own.any():
                chances[own] = expit(member_logits(model, logged.samples.columns[rows[own]], failed[own]))
        return chances

    return Simulator(logged, foretell, costs)


def ranking_as_simulator(model: NodeRanking, logged: Logged, costs: Costs) -> Simulator:
    """What a ranking foretells; it knows all of the log's candidates."""
    columns = feature_columns(logged.trials, model.features)
    places = np.array([model.places[name] for name in logged.candidates], dtype=np.intp)

    def foretell(rows: Ints, failed: Bools) -> Floats:
        failed_there = np.zeros((len(rows), len(model.candidates)), dtype=bool)
        failed_there[:, places] = failed
        return success_probabilities(model, columns[rows], failed_there)[:, places]

    return Simulator(logged, foretell, costs)


def simulated_s(simulator: Simulator, order: Order) -> Floats:
    """(N,): the direct method."""
    logged = simulator.logged
    nothing = np.zeros(logged.eligible.shape, dtype=bool)
    return simulator.expected_s(order, logged.rows[:, 0], nothing, logged.eligible)


def doubly_robust_s(simulator: Simulator, order: Order) -> Floats:
    """(N,), whose mean is the doubly robust estimate of the seconds to recovery. Needs propensities everywhere."""
    logged = simulator.logged
    ratios = importance_ratios(logged, order)
    steps = logged.rows.shape[1]
    rewards, predicted = np.zeros(ratios.shape), np.zeros(ratios.shape)
    expected = np.zeros((len(logged), steps + 1))
    for step in range(steps):
        there = logged.rows[:, step] >= 0
        rows, choice, eligible = logged.rows[there, step], logged.chosen[there, step], logged.eligible[there]
        failed = logged.samples.failed[rows]
        after = failed.copy()
        after[np.arange(len(rows)), choice] = True
        works = simulator.chances(rows, failed)[np.arange(len(rows)), choice]
        beyond_s = simulator.expected_s(order, rows, after, eligible)
        predicted[there, step] = simulator.trial_s(choice, works) + (1.0 - works) * beyond_s
        expected[there, step] = simulator.expected_s(order, rows, failed, eligible)
        seconds = logged.seconds[there, choice]
        rewards[there, step] = np.where(np.isnan(seconds), simulator.trial_s(choice, works), seconds)
        last = there & (step + 1 == (logged.rows >= 0).sum(axis=1))
        lost = last[there] & ~logged.samples.succeeded[rows]
        rewards[np.flatnonzero(there)[lost], step] += beyond_s[lost]
    return doubly_robust_trajectories(ratios, rewards, predicted, expected)


def importance_ratios(logged: Logged, order: Order) -> Floats:
    """(N, S): 1 over the propensity where the order would have made the logged choice, else 0; 1 after the last.

    What the order chooses from is what could be chosen at that very decision: what was tried before with an end that
    nobody could judge has not failed, and is not tried twice.
    """
    ratios, open_then = np.ones(logged.rows.shape), _eligible_then(logged)
    for step in range(logged.rows.shape[1]):
        there = logged.rows[:, step] >= 0
        rows = logged.rows[there, step]
        failed = logged.samples.failed[rows]
        choice = next_choice(order, rows, failed, logged.eligible[there] & open_then[rows] & ~failed)
        same = choice == logged.chosen[there, step]
        ratios[there, step] = np.where(same, 1.0 / logged.propensity[there, step], 0.0)
    return ratios


def _eligible_then(logged: Logged) -> Bools:
    """(n, M): what was eligible at each logged decision, the logged choice among it."""
    kind, eligible = pd.factorize(logged.trials["eligible"].to_numpy())
    flags: Bools = named_flags(list(eligible), logged.candidates)[kind]
    flags[np.arange(len(flags)), logged.samples.candidate] = True
    return flags
