"""An agent through days of virtual time, killed and restarted, on a disk and a clock that fail.

    Run(seed, hours, faults, journal).live()

The same seed gives the same journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.simulation.long_plans import GUARDS, PEOPLE, policies
from tests.simulation.long_world import START, World

from homeostat.act.executor import Executor
from homeostat.decide.projection import fold
from homeostat.loop import Loop, Outside
from homeostat.model import entries as e
from homeostat.model.answers import Answer
from homeostat.model.commands import Command, Report
from homeostat.model.errors import JournalError, JournalWriteError
from homeostat.model.incident import Incident
from homeostat.model.policy import Policy
from homeostat.model.ports import Batch, Observer, Record
from homeostat.model.reasons import Phase
from homeostat.model.signals import Snapshot
from homeostat.record.stored import StoredJournal

POLL_S = 15.0
DRAIN_S_MAX = 12 * 3600.0
"""After the last fault everything must be over within this."""
COMPARE_TICKS = 20
DEATHS_AN_HOUR = 1.0
REACHES_AN_HOUR = 400.0
"""About so many boundaries are passed in an hour; it only spreads deaths over the run."""


class Died(BaseException):
    """The agent's process is gone."""


@dataclass(slots=True)
class Hazards:
    """When the agent dies and the disk fails."""

    world: World
    random: Random
    kills: bool = True
    deaths: int = 0
    reboots: int = 0
    refused: int = 0
    answers_lost: int = 0
    bad_disk_until: float = 0.0

    def reach(self) -> None:
        """A boundary at which a process may end."""
        if self.kills and self.world.hazards and self.random.random() < DEATHS_AN_HOUR / REACHES_AN_HOUR:
            self.deaths += 1
            if self.random.random() < 0.25:
                self.reboots += 1
                self.world.reboot()
            raise Died

    def refuses(self) -> bool:
        """Whether an append fails now."""
        bad = self.world.now < self.bad_disk_until
        self.refused += bad
        return bad

    def loses_answer(self) -> bool:
        """Whether an append that became durable is reported as failed."""
        lost = self.world.hazards and self.random.random() < 0.003
        self.answers_lost += lost
        return lost


class FailingJournal:
    """Implements `model.ports.Journal` on another one."""

    def __init__(self, journal: StoredJournal, hazards: Hazards) -> None:
        self._journal = journal
        self._hazards = hazards
        self.position = journal.position
        self.after = journal.after
        self.read = journal.read
        self.head_seq = journal.head_seq
        self.open_incidents = journal.open_incidents
        self.incidents = journal.incidents
        self.since = journal.since
        self.keep = journal.keep
        self.verify = journal.verify
        self.close = journal.close

    def append(self, batches: Sequence[Batch], *, seen: int | None = None) -> int:
        self._hazards.reach()
        if self._hazards.refuses():
            raise JournalWriteError("no space left on device")
        position = self._journal.append(batches, seen=seen)
        self._hazards.reach()
        if self._hazards.loses_answer():
            raise JournalWriteError("whether it was written is not known")
        return position


class FailingHands:
    """Implements `model.ports.Executor` on the real one."""

    def __init__(self, world: World, hazards: Hazards) -> None:
        self._executor = Executor({"fake": world})
        self._hazards = hazards

    def carry_out(self, command: Command) -> None:
        self._hazards.reach()
        self._executor.carry_out(command)
        self._hazards.reach()

    def report(self, key: str, actuator: str) -> Report | None:
        return self._executor.report(key, actuator)

    def artifact(self, key: str, actuator: str) -> bytes | None:
        return self._executor.artifact(key, actuator)

    def reaches_anywhere(self, actuator: str) -> bool:
        return self._executor.reaches_anywhere(actuator)


class Post:
    """Implements `model.ports.Inbox`."""

    def __init__(self, world: World, hazards: Hazards) -> None:
        self._world = world
        self._hazards = hazards

    def collect(self) -> Sequence[Answer]:
        return tuple(self._world.inbox)

    def settle(self, answers: Sequence[str]) -> None:
        self._hazards.reach()
        self._world.inbox = [answer for answer in self._world.inbox if answer.id not in answers]


class WrongClock:
    """Implements `model.ports.Clock`: the world's time, and what is wrong with it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> float:
        return round(self._world.now + self._world.skew_s, 3)

    def wait(self, seconds: float) -> bool:
        raise AssertionError(f"the loop waited {seconds} s within a tick")


@dataclass(slots=True)
class Failures:
    """Implements `model.ports.Observer`: counts what went wrong, by what it was."""

    counts: Counter[str] = field(default_factory=Counter)

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        return None

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        return None

    def failed(self, what: str, error: Exception) -> None:
        del what
        self.counts[type(error).__name__] += 1


@dataclass
class Run:
    """A long run, and what came of it.

    Args:
        hours: of virtual time in which things go wrong; then everything must come to its end.
        faults: how often a service breaks. services: how many there are.
        dies: whether the agent is ever killed; one that never is must not grow.
        sample: called every `sample_ticks` ticks, for measurements.

    Attributes:
        wrongs: what must never be and was.
    """

    seed: int
    hours: float
    faults: int
    journal: StoredJournal
    services: int = 12
    dies: bool = True
    sample: Callable[[], None] | None = None
    sample_ticks: int = 200
    observer: Observer = field(default_factory=Failures)
    wrongs: list[str] = field(default_factory=list)
    ticks: int = 0
    lives: int = 0
    reloads: int = 0

    def __post_init__(self) -> None:
        self.world = World(self.seed, self.services)
        self.hazards = Hazards(self.world, Random(f"{self.seed}/hazards"), self.dies)
        self._random = Random(f"{self.seed}/run")
        self._versions = {False: policies(self.services)}
        self._changed = False
        self._loop: Loop | None = None

    def live(self) -> Run:
        """Live through it."""
        self._plan()
        end = START + 3600.0 * self.hours
        while self.world.now < end:
            self._tick()
        self.world.hazards = False
        self.hazards.bad_disk_until = 0.0
        while not self._is_over() and self.world.now < end + DRAIN_S_MAX:
            self._tick()
        self.wrongs += judged(self.world, self.journal)
        if self._loop is not None:
            self.wrongs += [f"{target} stays locked" for target in self._loop.ledger.locks]
        return self

    def _plan(self) -> None:
        """Draw beforehand when what goes wrong."""
        span_s, world, draw = 3600.0 * self.hours, self.world, self._random
        for number in range(self.faults):
            world.at(START + span_s * (number + draw.random()) / self.faults, world.strike)
        for happens, an_hour in (
            (world.disturb_telemetry, 4.0),
            (world.jump_clock, 0.4),
            (world.pull_switch, 0.4),
            (self._break_disk, 0.5),
            (self._change_policies, 0.5),
        ):
            for _ in range(round(an_hour * self.hours)):
                world.at(START + draw.uniform(0.0, span_s), happens)

    def _break_disk(self) -> None:
        self.hazards.bad_disk_until = self.world.now + self._random.uniform(10.0, 300.0)

    def _change_policies(self) -> None:
        self.reloads += 1
        self._changed = not self._changed
        if self._changed not in self._versions:
            self._versions[True] = policies(self.services, frozenset(self.world.services[::2]))
        if self._loop is not None:
            self._alive(lambda loop: loop.use_policies(self._policies, GUARDS))

    @property
    def _policies(self) -> dict[str, Policy]:
        return self._versions[self._changed]

    def _tick(self) -> None:
        self.ticks += 1
        if self._loop is None:
            self._come_up()
        self._alive(lambda loop: loop.tick())
        if self._loop is not None:
            self.world.say(self._loop.incidents)
            if self.ticks % COMPARE_TICKS == 0:
                self._compare(self._loop)
        if self.sample is not None and self.ticks % self.sample_ticks == 0:
            self.sample()
        self.world.advance(self.world.now + POLL_S)

    def _come_up(self) -> None:
        world, hazards = self.world, self.hazards
        self.lives += 1
        outside = Outside(
            WrongClock(world),
            world,
            FailingHands(world, hazards),
            FailingJournal(self.journal, hazards),
            self.observer,
            None,
            Post(world, hazards),
        )
        self._loop = Loop(outside, self._policies, "agent", self._random.getrandbits(48), guards=GUARDS, people=PEOPLE)
        self._alive(lambda loop: loop.recover("0"))

    def _alive(self, call: Callable[[Loop], None]) -> None:
        """Call the agent, which may die of it; it is there again at the next tick."""
        if self._loop is None:
            return
        try:
            call(self._loop)
        except Died:
            self._loop = None
        except JournalError:
            self._loop = None  # as the process does when it cannot come up, to be started again

    def _compare(self, loop: Loop) -> None:
        """Hold the live state against the journal, unless the loop knows that it lags behind."""
        if loop.trouble is None and {i.id: i for i in loop.incidents} != {i.id: i for i in _open(self.journal)}:
            self.wrongs.append(f"at {self.world.now - START:g} s the live state is not what the journal says")

    def _is_over(self) -> bool:
        return self.world.is_calm and not self.journal.open_incidents()


def _open(journal: StoredJournal) -> Iterator[Incident]:
    for stream in journal.open_incidents():
        yield fold(record.entry for record in journal.read(stream))


def judged(world: World, journal: StoredJournal) -> list[str]:
    """Say what is wrong at the end."""
    wrongs = [f"{key} began while another was at work on its target" for key in world.overlaps]
    wrongs += [f"{key} had its effect {times} times" for key, times in world.effects.items() if times > 1]
    intents: dict[str, e.ActionIntended] = {}
    for stream in journal.incidents():
        records = list(journal.read(stream))
        incident = fold(record.entry for record in records)
        if incident.phase is not Phase.CLOSED:
            wrongs.append(f"{incident.policy}: {stream} is left {incident.phase}")
        intents |= _intents(records)
    wrongs += [f"{key} had an effect without an intent" for key in world.effects if key not in intents]
    steps = Counter(
        (intent.incident, intent.node)
        for key, intent in intents.items()
        if world.effects[key] and not intent.effect.repeatable
    )
    wrongs += [
        f"the unsafe step {node} had its effect {times} times" for (_, node), times in steps.items() if times > 1
    ]
    return wrongs + journal.verify()


def _intents(records: Iterable[Record]) -> dict[str, e.ActionIntended]:
    return {record.entry.key: record.entry for record in records if isinstance(record.entry, e.ActionIntended)}


def results(journal: StoredJournal) -> Counter[str]:
    """How the incidents ended."""
    closed = journal.since(0.0, {e.Closed.TYPE})
    return Counter(str(record.entry.result) for record in closed if isinstance(record.entry, e.Closed))
