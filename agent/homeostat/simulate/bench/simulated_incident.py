"""One incident in a simulated world: a cause strikes, and actions change what signals show."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, NamedTuple

from homeostat.model.policy import Policy
from homeostat.model.signals import Absence, Condition
from homeostat.simulate.bench.draws import lognormal, uniform
from homeostat.simulate.bench.scripted_actuator import Conduct, Ending, Run
from homeostat.simulate.bench.series import Sample
from homeostat.simulate.bench.signal_state import SignalState
from homeostat.simulate.bench.world import NO_CHANGE, Cause, Change, World
from homeostat.simulate.bench.world_schema import DurationFields, WorldActionFields

EARLY_S = 1e-3
"""So shortly before a change nothing is taken for granted: sums of times are rounded."""


class _Steady(NamedTuple):
    """What a signal shows, and from when until when it shows at least that, unless a run ends."""

    sample: Sample
    since: float
    until: float


class SimulatedIncident:
    """One incident in a world: implements `stage.World`.

    Args:
        begin: Unix seconds at which the cause strikes.
    """

    def __init__(self, world: World, policy: Policy, seed: int, number: int, begin: float) -> None:
        self._world = world
        self._policy = policy
        self._luck = (seed, number)
        self._begin = begin
        self._uses: Counter[str] = Counter()
        self._use: dict[str, int] = {}
        self._missing: dict[str, tuple[int, int]] = {}
        """Per signal: the tick of the next sample that never comes, and how many draws that took."""
        self._known: dict[str, _Steady] = {}
        self._interval_s = world.fields.interval
        self.cause = self._drawn_cause()
        self.state = SignalState(world.healthy, begin, self._interval_s)
        self._of_cause = set(self.cause.sets)
        """Signals that no action has set since the strike; they go back when the cause ends."""
        self._heals_at = begin
        self._strikes_again_at = begin
        self._late_s: dict[str, float] = {}
        self._lies: dict[str, bool] = {}
        for name, series in self.cause.sets.items():
            self.state.set(name, series, begin)
        self._heal()

    def _drawn_cause(self) -> Cause:
        causes = self._world.causes
        left = uniform(*self._luck, "cause") * sum(cause.fields.weight for cause in causes)
        for cause in causes:
            left -= cause.fields.weight
            if left < 0.0:
                return cause
        return causes[-1]

    def _heal(self) -> None:
        heals = self.cause.fields.heals
        if heals is not None and uniform(*self._luck, "heals") < heals.probability:
            self._heals_at = self._begin + self.draw(heals.after, "heals after")
            for name in self.cause.sets:
                self.state.set(name, self._world.healthy[name], self._heals_at)

    def draw(self, duration: DurationFields | float, *about: object) -> float:
        """A duration of this incident, in seconds."""
        if not isinstance(duration, DurationFields):
            return duration
        return lognormal(duration.mean, duration.spread, *self._luck, *about)

    def luck(self, *about: object) -> float:
        """A draw of this incident, from 0 to below 1."""
        return uniform(*self._luck, *about)

    def sample(self, signal: str, now: float) -> Sample:
        """What a signal shows, by the world's faults: late, untrue or not at all."""
        known = self._known.get(signal)
        return (
            known.sample if known is not None and known.since <= now < known.until else self._look(signal, now).sample
        )

    def unchanged_until(self, now: float) -> float:
        """Until when every signal of the policy shows what it shows now, unless a run ends."""
        until = math.inf
        for signal in self._policy.signals:
            known = self._known.get(signal)
            if known is None or not known.since <= now < known.until:
                known = self._look(signal, now)
            until = min(until, known.until)
        return until

    def _look(self, signal: str, now: float) -> _Steady:
        sample = self._shown(signal, now)
        if self._is_missing(signal, now):
            known = _Steady(Sample(sample.value, Absence.MISSING), now, now)
        else:
            known = _Steady(sample, now, self._unchanged_until(signal, now) - EARLY_S)
        self._known[signal] = known
        return known

    def _shown(self, signal: str, now: float) -> Sample:
        healthy = self._world.healthy.get(signal)
        if healthy is None:
            return self.state.sample(signal, now)
        late_s = self._late_by_s(signal)
        seen_at = now - late_s
        if seen_at < self._begin or self._is_lying(signal):
            sample = healthy.at(max(seen_at - self._begin, 0.0), self._interval_s)
        else:
            sample = self.state.sample(signal, seen_at)
        return Sample(sample.value, sample.absence, late_s) if late_s > 0.0 else sample

    def _late_by_s(self, signal: str) -> float:
        late = self._world.fields.faults.late
        if late is None:
            return 0.0
        if signal not in self._late_s:
            is_late = self.luck("late", signal) < late.share
            self._late_s[signal] = self.draw(late.by, "late by", signal) if is_late else 0.0
        return self._late_s[signal]

    def _is_lying(self, signal: str) -> bool:
        lying = self._world.fields.faults.lying
        if lying is None or (lying.signals is not None and signal not in lying.signals):
            return False
        if signal not in self._lies:
            self._lies[signal] = self.luck("lying", signal) < lying.share
        return self._lies[signal]

    def _unchanged_until(self, signal: str, now: float) -> float:
        missing_tick = self._missing.get(signal, (math.inf, 0))[0]
        until = self._begin + missing_tick * self._interval_s
        healthy = self._world.healthy.get(signal)
        if healthy is None:
            return min(until, self.state.unchanged_until(signal, now))
        late_s = self._late_by_s(signal)
        seen_at = now - late_s
        if seen_at < self._begin or self._is_lying(signal):
            seen_s = max(seen_at - self._begin, 0.0)
            until = min(until, self._begin + late_s + healthy.unchanged_until_s(seen_s, self._interval_s))
            return until if seen_at >= self._begin else min(until, self._begin + late_s)
        return min(until, late_s + self.state.unchanged_until(signal, seen_at))

    def holds(self, condition: Condition, at: float) -> bool:
        """Whether a condition is true of the signals as they really are."""
        values = self.state.values(at)
        return condition.evaluate({name: values.get(name) for name in condition.signals}) is True

    @property
    def restarts_at(self) -> float | None:
        """When the agent is stopped; None: it is not."""
        restarts = self._world.fields.faults.restarts
        if restarts is None or self.luck("restarts") >= restarts.share:
            return None
        return self._begin + self.draw(restarts.after, "restarts after")

    def _is_missing(self, signal: str, now: float) -> bool:
        """Whether this sample never comes. Gaps between missing ones are geometric, so that few draws are needed."""
        share = self._world.fields.faults.missing
        if share <= 0.0 or share >= 1.0:
            return share >= 1.0
        tick = int((now - self._begin) / self._interval_s)
        missing_tick, draws = self._missing.get(signal, (-1, 0))
        while missing_tick < tick:
            draws += 1
            missing_tick += 1 + int(math.log1p(-self.luck("missing", signal, draws)) / math.log1p(-share))
            self._missing[signal] = missing_tick, draws
        return missing_tick == tick

    def conduct(self, run: Run) -> Conduct:
        """How a run goes: as the world says, or as the policy declares."""
        about = _about(run)
        self._uses[about] += 1
        self._use[run.key] = use = self._uses[about]
        terms = self._terms(run)
        takes_s = self._takes_s(run, terms.takes, about, use)
        slow = self._world.fields.faults.slow
        if slow is not None and self.luck(about, use, "slow") < slow.share:
            takes_s *= slow.factor
        well = terms.succeeds is None or self.luck(about, use, "succeeds") < terms.succeeds
        failing = self._world.fields.faults.failing
        well = well and (failing <= 0.0 or self.luck(about, use, "failing") >= failing)
        return Conduct(takes_s, Ending.OK if well else Ending.ERROR)

    def _takes_s(self, run: Run, takes: DurationFields | float | None, about: str, use: int) -> float:
        if takes is None:
            declared_s = self._policy.leaf(run.node).takes_s
            takes = run.takes_s if declared_s is None else declared_s
        change = self._change(run)
        if change.takes_s is not None:
            spread = takes.spread if isinstance(takes, DurationFields) else 0.0
            takes = DurationFields.model_construct(mean=change.takes_s, spread=spread)
        return self.draw(takes, about, use, "takes") * change.takes_times

    def _change(self, run: Run) -> Change:
        changes = self._world.changes
        return next((changes[name] for name in run.names if name in changes), NO_CHANGE)

    def _terms(self, run: Run) -> WorldActionFields:
        """What is said of a run: by the cause first, then by the world; of each key, under the most exact name."""
        actions = (self.cause.fields.actions, self._world.fields.actions)
        said = [of[name] for of in actions for name in run.names if name in of]
        terms: dict[str, Any] = {}
        for fields in reversed(said):
            terms |= {key: getattr(fields, key) for key in fields.model_fields_set}
        return WorldActionFields.model_construct(**terms)

    def succeeded(self, run: Run, at: float) -> None:
        """Cure the cause, perhaps, and set what the action sets, where it has what it needs."""
        self._known.clear()
        terms = self._terms(run)
        if terms.requires is not None and terms.requires.evaluate(self.state.values(at)) is not True:
            return
        at += terms.delay or 0.0
        self._cure(run, terms, at)
        for effects in (self.cause.effects, self._world.effects):
            name = next((name for name in run.names if name in effects), None)
            if name is not None:
                for signal, series in effects[name].items():
                    if signal in self._of_cause and at < self._heals_at:
                        self.state.unset(signal, self._heals_at)
                    if at < self._strikes_again_at:
                        self.state.unset(signal, self._strikes_again_at)
                    self._of_cause.discard(signal)
                    self.state.set(signal, series, at)
                return

    def _cure(self, run: Run, terms: WorldActionFields, at: float) -> None:
        cures = self.cause.fields.cures
        chance = next((cures[name] for name in run.names if name in cures), terms.cures)
        about = _about(run), self._use[run.key]
        change = self._change(run)
        if chance is not None:
            chance = change.cures_times * (chance if change.cures is None else change.cures)
        if chance is None or at < self._strikes_again_at or self.luck(*about, "cures") >= chance:
            return
        for signal in self._of_cause:
            self.state.set(signal, self._world.healthy[signal], at)
        relapses = self._world.fields.faults.relapses
        if relapses is None or self.luck(*about, "relapses") >= relapses.probability:
            self._of_cause = set()
            return
        strikes_at = at + self.draw(relapses.after, *about, "relapses after")
        if at < self._heals_at <= strikes_at:
            self._of_cause = set()
            return
        self._strikes_again_at = strikes_at
        for signal in self._of_cause:
            self.state.set(signal, self.cause.sets[signal], strikes_at)


def _about(run: Run) -> str:
    """What draws of a run are about: what is done to what, whatever the policy calls its step."""
    return run.node if run.is_manual else f"{run.action} {run.target}"
