"""A stage: the agent's loop with a scripted sensor, actuator and inbox, on a clock of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from homeostat.act.executor import Executor
from homeostat.loop import Loop, Outside
from homeostat.model import entries as e
from homeostat.model.answers import Answer
from homeostat.model.guards import NO_GUARDS, Guards
from homeostat.model.incident import Incident
from homeostat.model.policy import Mode, Policy
from homeostat.model.ports import Journal
from homeostat.model.signals import Absence, Reading, SignalSpec, Snapshot
from homeostat.record.unsealed import UnsealedJournal
from homeostat.simulate.bench.scripted_actuator import Script, ScriptedActuator
from homeostat.simulate.bench.series import Sample
from homeostat.version import __version__

BEGIN = 1_767_225_600.0
"""Where no clock is given, time begins at 2026-01-01T00:00:00Z."""

AGENT = "bench"
STALE_BY_S = 1.0
"""By how much a stale sample is older than its signal allows."""


EARLY_S = 1e-3
"""Ticks so shortly before a moment are not passed over: sums of times are rounded."""


class World(Script, Protocol):
    """Everything that is scripted: what signals show, how runs go, and what they change."""

    def sample(self, signal: str, now: float) -> Sample:
        """What a signal shows."""
        ...


class BenchClock:
    """Implements `model.ports.Clock`: time passes only by waiting."""

    def __init__(self, begin: float) -> None:
        self._now = begin

    def now(self) -> float:
        """Virtual Unix seconds."""
        return self._now

    def wait(self, seconds: float) -> bool:
        """Let time pass; nobody ever asks it to stop."""
        self._now += seconds
        return False


class ScriptedSensor:
    """Implements `model.ports.Sensor`: asks the script for every signal, by name."""

    def __init__(self, world: World) -> None:
        self._world = world

    def read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        """Read every signal as the script has it now."""
        sample = self._world.sample
        return Snapshot(now, {key: reading(sample(spec.name, now), spec, now) for key, spec in specs.items()})

    def looks(self, specs: Mapping[str, SignalSpec], at: Sequence[float]) -> list[Snapshot]:
        """Read signals that stay as they are at several moments, by their own names."""
        samples = [(name, self._world.sample(spec.name, at[0]), spec) for name, spec in specs.items()]
        return [Snapshot(now, {name: reading(sample, spec, now) for name, sample, spec in samples}) for now in at]


def reading(sample: Sample, spec: SignalSpec, now: float) -> Reading:
    """A sample as a sensor finds it: a stale one is there, and too old."""
    if sample.absence is None:
        return Reading(sample.value, now - sample.age_s)
    if sample.absence is Absence.STALE:
        value = 0.0 if sample.value is None else sample.value
        return Reading(value=value, sampled_at=now - spec.max_age_s - STALE_BY_S)
    return Reading(absence=sample.absence)


class ScriptedInbox:
    """Implements `model.ports.Inbox`: what people will say, delivered when its time has come."""

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}

    def say(self, answer: Answer) -> None:
        """Put an answer in."""
        self._answers[answer.id] = answer

    def collect(self) -> Sequence[Answer]:
        """Every answer that was not settled."""
        return tuple(self._answers.values())

    def settle(self, answers: Sequence[str]) -> None:
        """Forget answers."""
        for answer in answers:
            self._answers.pop(answer, None)


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that went wrong inside the loop while it went on: a refused start, or a bug."""

    at: float
    what: str
    error: Exception


class _Witness:
    """Implements `model.ports.Observer`: keeps what became durable, in order."""

    def __init__(self, clock: BenchClock) -> None:
        self._clock = clock
        self.entries: list[tuple[str, e.Entry]] = []
        self.failures: list[Failure] = []

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """Nothing to keep of a tick itself."""

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """Keep entries."""
        self.entries.extend((stream, entry) for entry in entries)

    def failed(self, what: str, error: Exception) -> None:
        """Keep a failure."""
        self.failures.append(Failure(self._clock.now(), what, error))


@dataclass(frozen=True, slots=True)
class _Terms:
    mode: Mode
    guards: Guards
    people: Mapping[str, frozenset[str]] | None


class Stage:
    """One policy in one scripted world.

    Args:
        policy: under test.
        world: what is scripted.
        seed: origin of incident ids.
        begin: Unix seconds at which the clock starts.
        mode, guards, people: as `Loop` takes them.
        journal: None: one that keeps entries as they are.
    """

    def __init__(
        self,
        policy: Policy,
        world: World,
        seed: int,
        *,
        begin: float = BEGIN,
        mode: Mode = Mode.AUTO,
        guards: Guards = NO_GUARDS,
        people: Mapping[str, frozenset[str]] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.policy = policy
        self.begin = begin
        self._sensor = ScriptedSensor(world)
        self._seed = seed
        self._terms = _Terms(mode, guards, people)
        self.clock = BenchClock(begin)
        self.actuator = ScriptedActuator(self.clock, world)
        self.inbox = ScriptedInbox()
        self.journal = UnsealedJournal() if journal is None else journal
        self._witness = _Witness(self.clock)
        self._loop = self._begun()

    def pass_by(self, interval_s: float, until: float) -> None:
        """Wait for the next tick, and pass over those that bring nothing new but the look itself, which is journalled.

        Args:
            interval_s: between ticks.
            until: Unix seconds before which signals stay as they are unless a run ends, and nobody says anything.
        """
        quiet = self._loop.quiet(self.policy)
        until = min(until, self.actuator.next_end())
        self.clock.wait(interval_s)
        if quiet is None or interval_s + EARLY_S > quiet.looks_apart_s_max or self.inbox.collect():
            return
        until, looks = min(until, quiet.until) - EARLY_S, []
        while self.clock.now() < until:
            looks.append(self.clock.now())
            self.clock.wait(interval_s)
        if looks and quiet.observes:
            self._loop.look_on(self.policy, self._sensor.looks(self.policy.signals, looks))

    def _begun(self) -> Loop:
        """An agent that has just begun: all it knows is in the journal."""
        policy, terms = self.policy, self._terms
        leaves = (*policy.leaves.values(), *policy.undos.values())
        executor = Executor({leaf.action.actuator: self.actuator for leaf in leaves}, self._witness.failed)
        outside = Outside(self.clock, self._sensor, executor, self.journal, self._witness, inbox=self.inbox)
        loop = Loop(
            outside, {policy.name: policy}, AGENT, self._seed, mode=terms.mode, guards=terms.guards, people=terms.people
        )
        loop.recover(__version__)
        return loop

    @property
    def entries(self) -> Sequence[tuple[str, e.Entry]]:
        """Every entry that became durable, with its stream, in order."""
        return self._witness.entries

    @property
    def failures(self) -> Sequence[Failure]:
        """What went wrong inside the loop."""
        return self._witness.failures

    @property
    def incident(self) -> Incident | None:
        """The incident that is open, if one is."""
        return next(iter(self._loop.incidents), None)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return self.clock.now() - self.begin

    def tick(self) -> None:
        """Let what has ended take effect, then let the loop turn once."""
        self.actuator.settle()
        self._loop.tick()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.wait(seconds)

    def restart(self, down_s: float) -> None:
        """Stop the agent, let time pass, and begin it again; what it started outside goes on."""
        self.clock.wait(down_s)
        self._seed += 1
        self._loop = self._begun()
