"""Orders of candidates, as they would have been followed in logged incidents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from homeostat.learn.evaluation.logged import Logged
from homeostat.learn.features import Floats, feature_columns
from homeostat.learn.samples import Bools, Ints
from homeostat.learn.scoring import indices
from homeostat.model.ranking import NodeRanking


class Order(Protocol):
    """Which candidate next."""

    def scores(self, rows: Ints, failed: Bools, left: Bools) -> Floats:
        """(n, M): the highest among those left is tried next; of equal ones, the one written first.

        Args:
            rows: (n,) of `Logged.trials`, whose signals are seen.
            failed: (n, M), what has failed in the incident.
            left: (n, M), what is eligible and has not been tried.
        """


class FixedOrder:
    """One order, whatever is seen; without `names` the written one. Candidates that are not named come last."""

    def __init__(self, candidates: Sequence[str], names: Sequence[str] | None = None) -> None:
        places = {name: place for place, name in enumerate(candidates if names is None else names)}
        self._scores = -np.array([places.get(name, len(candidates)) for name in candidates], dtype="float64")

    def scores(self, rows: Ints, failed: Bools, left: Bools) -> Floats:  # noqa: ARG002 - an `Order`
        """See `Order`."""
        return np.tile(self._scores, (len(rows), 1))


class RankedOrder:
    """A ranking's order, as `decide.ranking.rank` gives it: written, where it does not know all that are left."""

    def __init__(self, model: NodeRanking, logged: Logged) -> None:
        self._model = model
        self._columns = feature_columns(logged.trials, model.features)
        self._known = np.array([name in model.places for name in logged.candidates])
        self._places = np.array([model.places.get(name, 0) for name in logged.candidates], dtype=np.intp)
        self._written = FixedOrder(logged.candidates)

    def scores(self, rows: Ints, failed: Bools, left: Bools) -> Floats:
        """See `Order`."""
        failed_there = np.zeros((len(rows), len(self._model.candidates)), dtype=bool)
        failed_there[:, self._places[self._known]] = failed[:, self._known]
        ranked = indices(self._model, self._columns[rows], failed_there)[:, self._places]
        all_known = ~(left & ~self._known).any(axis=1, keepdims=True)
        scores: Floats = np.where(all_known, ranked, self._written.scores(rows, failed, left))
        return scores


@dataclass(frozen=True, slots=True)
class HeldOutOrder:
    """In each part of the rows another order: that of a model which has not seen this part.

    Attributes:
        part: (n,), the part of each row of `Logged.trials`.
    """

    orders: tuple[Order, ...]
    part: Ints

    def scores(self, rows: Ints, failed: Bools, left: Bools) -> Floats:
        """See `Order`."""
        scores = np.zeros(left.shape)
        for number, order in enumerate(self.orders):
            own = self.part[rows] == number
            if own.any():
                scores[own] = order.scores(rows[own], failed[own], left[own])
        return scores


def next_choice(order: Order, rows: Ints, failed: Bools, left: Bools) -> Ints:
    """(n,): what is tried next, -1 where nothing is left."""
    scores = np.where(left, order.scores(rows, failed, left), -np.inf)
    choice: Ints = np.where(left.any(axis=1), scores.argmax(axis=1), -1)
    return choice
