"""What the time to recovery hangs on: the same incidents again, with one step or one action changed at a time.

Every run meets the luck of the first one (common random numbers, see `draws`), so a difference is the change's own. An
incident in which a step never began is the same whatever the step takes, and is not played again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Policy
from homeostat.parallel import IN_PROCESS, Workers
from homeostat.policy.units import parse_duration
from homeostat.simulate.bench.names import known_names, names_of
from homeostat.simulate.bench.trial import Trial, for_each, run_trial
from homeostat.simulate.bench.world import Change, World

STEP = 0.2
"""By which share a duration or a chance is changed."""

RESAMPLES = 1000
INTERVAL = (2.5, 97.5)
"""Percentiles of a paired bootstrap over incidents (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993)."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change comes to, incident by incident.

    Attributes:
        incidents: so many were played anew; the others cannot differ.
        pairs: recovered with and without the change. before_s, after_s: their mean time to recovery; None: no pair.
        difference_s: of these two, with its 95% interval.
        recovered_before, recovered_after, rto_before, rto_after: shares of all incidents; None: there is no RTO.
    """

    incidents: int
    pairs: int
    before_s: float | None
    after_s: float | None
    difference_s: float | None
    low_s: float | None
    high_s: float | None
    recovered_before: float
    recovered_after: float
    rto_before: float | None
    rto_after: float | None


@dataclass(frozen=True, slots=True)
class Factor:
    """One bar of the tornado: a duration or a chance that is smaller, and greater, by `STEP`.

    Attributes:
        kind: `duration` of a step, or `cures` of an action.
        elasticity: by how many percent the time to recovery changes when this changes by one percent. None: no pair.
        elasticity_low, elasticity_high: its 95% interval.
    """

    name: str
    kind: str
    less: Effect
    more: Effect
    elasticity: float | None
    elasticity_low: float | None
    elasticity_high: float | None

    @property
    def swing_s(self) -> float:
        """How far apart the two ends are, in seconds."""
        return abs((self.more.difference_s or 0.0) - (self.less.difference_s or 0.0))


class Sensitivity:
    """A policy in a world, and what becomes of the same incidents when something is changed.

    Args:
        count: the first so many incidents.
        rto_s: instead of the policy's own.
    """

    def __init__(
        self,
        policy: Policy,
        world: World,
        count: int,
        seed: int,
        workers: Workers = IN_PROCESS,
        rto_s: float | None = None,
    ) -> None:
        self._policy = policy
        self._world = world
        self._seed = seed
        self._workers = workers
        self._rto_s = policy.rto_s if rto_s is None else rto_s
        self.trials = self._played(world, range(1, count + 1))

    def factors(self) -> list[Factor]:
        """Every step's duration and every action's chance to cure that matter at all, the widest swing first."""
        names = [(leaf, "duration") for leaf in self._policy.leaves]
        names += [(action, "cures") for action in sorted(self._curing())]
        found = [self._factor(name, kind) for name, kind in names]
        return sorted(found, key=lambda factor: -factor.swing_s)

    def effect(self, changes: Mapping[str, Change]) -> Effect:
        """What changes come to."""
        return self._effect(self.trials, self._again(changes))

    def _curing(self) -> set[str]:
        """Actions of the policy that cure some cause."""
        fields = [*self._world.fields.actions.items()]
        fields += [item for cause in self._world.causes for item in cause.fields.actions.items()]
        named = {name for name, action in fields if action.cures} | {
            name for cause in self._world.causes for name in cause.fields.cures
        }
        leaves = self._policy.leaves.values()
        return {leaf.action.name for leaf in leaves if not leaf.is_manual and not named.isdisjoint(names_of(leaf))}

    def _factor(self, name: str, kind: str) -> Factor:
        ends = {
            by: self._again({name: Change(takes_times=by) if kind == "duration" else Change(cures_times=by)})
            for by in (1.0 - STEP, 1.0 + STEP)
        }
        less, more = (self._effect(self.trials, ends[by]) for by in sorted(ends))
        # A chance of 90% cannot grow by a fifth: its elasticity is that of the smaller one.
        above, width = (ends[1.0 + STEP], 2.0 * STEP) if kind == "duration" else (self.trials, STEP)
        elasticity, low, high = self._elasticity(ends[1.0 - STEP], above, width)
        return Factor(name, kind, less, more, elasticity, low, high)

    def _elasticity(
        self, below: Sequence[Trial], above: Sequence[Trial], width: float
    ) -> tuple[float | None, float | None, float | None]:
        rows = [
            (one.recovered_s, two.recovered_s, base.recovered_s)
            for one, two, base in zip(below, above, self.trials, strict=True)
            if one.recovered_s is not None and two.recovered_s is not None and base.recovered_s is not None
        ]
        if not rows:
            return None, None, None
        less, more, base = np.array(rows).T
        return _with_interval(
            rows=len(rows), of=lambda at: float(np.mean(more[at] - less[at]) / np.mean(base[at])) / width
        )

    def _again(self, changes: Mapping[str, Change]) -> list[Trial]:
        """The same incidents with a change: those in which a changed step began are played again."""
        nodes = {
            leaf.id
            for leaf in (*self._policy.leaves.values(), *self._policy.undos.values())
            if changes.keys() & names_of(leaf)
        }
        numbers = [trial.number for trial in self.trials if not nodes.isdisjoint(trial.starts)]
        played = {trial.number: trial for trial in self._played(replace(self._world, changes=changes), numbers)}
        return [played.get(trial.number, trial) for trial in self.trials]

    def _played(self, world: World, numbers: Sequence[int]) -> list[Trial]:
        return list(for_each(run_trial, self._policy, world, numbers, self._seed, self._workers))

    def _effect(self, before: Sequence[Trial], after: Sequence[Trial]) -> Effect:
        rows = [
            (one.recovered_s, two.recovered_s)
            for one, two in zip(before, after, strict=True)
            if one.recovered_s is not None and two.recovered_s is not None
        ]
        low = high = difference = before_s = after_s = None
        if rows:
            first, second = np.array(rows).T
            before_s, after_s = float(np.mean(first)), float(np.mean(second))
            difference, low, high = _with_interval(len(rows), lambda at: float(np.mean(second[at] - first[at])))
        return Effect(
            sum(one is not two for one, two in zip(before, after, strict=True)),
            len(rows),
            before_s,
            after_s,
            difference,
            low,
            high,
            *(sum(trial.recovered_s is not None for trial in trials) / len(trials) for trials in (before, after)),
            *(self._attained(trials) for trials in (before, after)),
        )

    def _attained(self, trials: Sequence[Trial]) -> float | None:
        if self._rto_s is None:
            return None
        times = [trial.recovered_s for trial in trials]
        return sum(time_s is not None and time_s <= self._rto_s for time_s in times) / len(times)


def _with_interval(rows: int, of: Callable[[object], float]) -> tuple[float, float, float]:
    """A statistic of all rows, and its bootstrap interval: the rows of an incident are drawn together."""
    generator = np.random.default_rng(rows)
    drawn = [of(generator.integers(0, rows, rows)) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, INTERVAL)
    return of(slice(None)), float(low), float(high)


def read_changes(said: Sequence[str], policy: Policy) -> dict[str, Change]:
    """Read `STEP=DURATION` and `ACTION.cures=SHARE`, by step; a step may be called by any of its names.

    Raises:
        UsageError: what is wrong with which, and what would be right.
    """
    changes: dict[str, Change] = {}
    names = known_names(policy)
    for text in said:
        name, is_given, value = text.rpartition("=")
        cures = name.endswith(".cures")
        name = name.removesuffix(".cures")
        if not is_given:
            raise UsageError(f"--what-if '{text}' says no value; write STEP=20m or ACTION.cures=90%")
        if name not in names:
            hint = did_you_mean(name, names)
            raise UsageError(f"--what-if '{text}': the policy '{policy.name}' does no '{name}'{hint}")
        try:
            change = Change(cures=_share(value)) if cures else Change(takes_s=parse_duration(value))
        except ValueError as error:
            raise UsageError(f"--what-if '{text}': {error}") from None
        for leaf in (*policy.leaves.values(), *policy.undos.values()):
            if name in names_of(leaf):
                known = changes.get(leaf.id, Change())
                changes[leaf.id] = (
                    replace(known, cures=change.cures) if cures else replace(known, takes_s=change.takes_s)
                )
    return changes


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / 100.0 if text.endswith("%") else math.nan
    except ValueError:
        share = math.nan
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"a probability from 0% to 100% is wanted, not '{text}'")
    return share
