"""What was logged at one `choose` node, by incident: facts that any order is judged against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from homeostat.learn.costs import declared_cost
from homeostat.learn.features import Floats, fit_features
from homeostat.learn.fitting import Declared
from homeostat.learn.ranker import declared_of, samples_of
from homeostat.learn.samples import Bools, Ints, Samples
from homeostat.model.policy import Choose, Policy


@dataclass(frozen=True, slots=True)
class Logged:
    """N incidents in which at most S of M candidates were tried, oldest first; candidates in written order.

    Attributes:
        trials: the node's `labelled_trials`, n rows.
        samples: the same as arrays.
        declared: of each candidate.
        people_s: what it costs when none works.
        rows: (N, S), the row of each step, -1 after the last.
        chosen: (N, S), the candidate of each step, -1 after the last.
        eligible: (N, M), what could have been tried.
        outcome: (N, M), 1.0 worked, 0.0 did not, NaN not tried.
        verified: (N, M), whether it ended as a success does, even if it did not last.
        seconds: (N, M), NaN where unknown or not tried.
        harmful: (N, M), 1.0 or 0.0, NaN not tried.
        propensity: (N, S), of each step's choice, 1.0 after the last, NaN where unknown.
        first: (N, M), propensities of the first choice, 0.0 for what was not eligible, NaN where unknown.
    """

    trials: pd.DataFrame
    samples: Samples
    declared: tuple[Declared, ...]
    people_s: float
    rows: Ints
    chosen: Ints
    eligible: Bools
    outcome: Floats
    verified: Bools
    seconds: Floats
    harmful: Floats
    propensity: Floats
    first: Floats

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def candidates(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(declared.id for declared in self.declared)

    @property
    def certain(self) -> Bools:
        """(M,), which of them always end the search."""
        return np.array([declared.certain for declared in self.declared], dtype=bool)

    def without_facts(self) -> Logged:
        """The same as if nothing were known of what came of it."""
        unknown = np.full_like(self.outcome, np.nan)
        return replace(self, outcome=unknown, seconds=unknown, harmful=unknown)


def logged_incidents(trials: pd.DataFrame, node: Choose, policy: Policy) -> Logged:
    """Put a node's `labelled_trials` together by incident."""
    samples = samples_of(trials, node, fit_features(trials, policy))
    declared = declared_of(node, policy)
    names = [one.id for one in declared]
    number = samples.incident
    incidents = int(number.max()) + 1 if len(number) else 0
    starts = np.searchsorted(number, np.arange(incidents))
    step = np.arange(len(number)) - starts[number] if len(number) else np.zeros(0, dtype=np.intp)
    steps = int(step.max()) + 1 if len(step) else 0
    candidate = samples.candidate
    possible, first = _first_choices(trials.iloc[starts], names)
    possible[number, candidate] = True
    limit_s = np.array([one.limit_s for one in declared])
    seconds = np.clip(samples.seconds, 0.0, limit_s[candidate])
    shape, cells = (incidents, len(names)), (number, candidate)
    propensity = trials["propensity"].to_numpy(dtype="float64")
    return Logged(
        trials,
        samples,
        declared,
        declared_cost(policy.escalate, policy).failure_s,
        rows=_spread((incidents, steps), (number, step), np.arange(len(number)), -1),
        chosen=_spread((incidents, steps), (number, step), candidate, -1),
        eligible=possible,
        outcome=_spread(shape, cells, samples.succeeded.astype("float64"), np.nan),
        verified=_spread(shape, cells, samples.verified, fill=False),
        seconds=_spread(shape, cells, seconds, np.nan),
        harmful=_spread(shape, cells, samples.harmful.astype("float64"), np.nan),
        propensity=_spread((incidents, steps), (number, step), propensity, 1.0),
        first=first,
    )


def newest_trials(trials: pd.DataFrame, incidents_max: int) -> pd.DataFrame:
    """The rows of the newest so many incidents."""
    incidents = trials["incident"].unique()
    return trials[trials["incident"].isin(incidents[-incidents_max:])].reset_index(drop=True)


def _spread(shape: tuple[int, int], cells: tuple[Ints, Ints], values: np.ndarray, fill: float) -> np.ndarray:
    spread = np.full(shape, fill, dtype=values.dtype)
    spread[cells] = values
    return spread


def _first_choices(firsts: pd.DataFrame, names: Sequence[str]) -> tuple[Bools, Floats]:
    """What was eligible at each incident's first labelled decision, and with what propensity."""
    places = {name: place for place, name in enumerate(names)}
    eligible = np.zeros((len(firsts), len(names)), dtype=bool)
    propensities = np.zeros((len(firsts), len(names)))
    for row, (options, chances) in enumerate(zip(firsts["eligible"], firsts["propensities"], strict=True)):
        for option, chance in zip(options, chances, strict=True):
            if option in places:
                eligible[row, places[option]] = True
                propensities[row, places[option]] = np.nan if chance is None else chance
    return eligible, propensities
