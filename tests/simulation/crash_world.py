"""A small world whose actions outlive the agent, and a witness that counts what they do.

It keeps the contract of the detached runner: a claim that only one runner of a key can have, a mark before the effect
can begin, an exit record after it. When the host goes down, what ran is gone, and what had begun is in doubt.
Everything that survives a crash is in `State`; it can be copied at any moment, and such a copy is a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from homeostat.model import entries as e
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.commands import Command, Done, InDoubt, NeverStarted, Report, Running, StartAction
from homeostat.model.errors import JournalWriteError
from homeostat.model.incident import Incident
from homeostat.model.policy import Effect, Policy
from homeostat.model.ports import Batch
from homeostat.model.reasons import OutcomeStatus, Phase
from homeostat.model.signals import Reading, SignalSpec, Snapshot
from homeostat.record.memory import MemoryJournal

START = 1_700_000_000.0
POLL_S = 10.0
STAGE_S = 2.0
"""A runner needs this long from each stage to the next."""
RESTART_S = 3.0
REBOOT_S = 45.0
REPAIR_S = 30.0
"""People who were called need this long."""

Reach = Callable[[str], None]


class Fault(StrEnum):
    """What may go wrong at a boundary; the last two only where the journal is appended to."""

    AGENT_DIES = "agent dies"
    HOST_REBOOTS = "host reboots"
    APPEND_REFUSED = "append refused"
    ANSWER_LOST = "append durable, its answer lost"


class Behaviour(StrEnum):
    """What an action does in the world."""

    CURES = "cures"
    USELESS = "useless"
    FAILS = "fails"
    HANGS = "hangs"


class Stage(IntEnum):
    LAUNCHED = 0
    CLAIMED = 1
    BEGUN = 2
    EFFECTIVE = 3
    ENDED = 4


@dataclass(frozen=True)
class Scenario:
    """Policies, and a world for them.

    Attributes:
        behaviours: by action, one for each time it begins; the last one stays.
        restart_s: how long the agent is away when it has died.
        needed: how many cures it takes until the system is well.
        answers: what people say to a question, by node.
    """

    name: str
    policies: Mapping[str, Policy]
    behaviours: Mapping[str, tuple[Behaviour, ...]]
    needed: int = 1
    restart_s: float = RESTART_S
    answers: Mapping[str, AnswerKind] = field(default_factory=dict)
    people: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Runner:
    """A process that carries one action out. `life` is the agent process that launched it."""

    command: StartAction
    life: int
    next_at: float
    stage: Stage = Stage.LAUNCHED
    alive: bool = True
    stopping: bool = False
    done: Done | None = None

    def copy(self) -> Runner:
        return Runner(self.command, self.life, self.next_at, self.stage, self.alive, self.stopping, self.done)

    def key(self) -> tuple[object, ...]:
        status = self.done.status if self.done else None
        return (self.command.key, self.next_at if self.alive else 0.0, self.stage, self.alive, self.stopping, status)


@dataclass(slots=True)
class World:
    """All that is real outside the agent and its journal.

    Attributes:
        effects: the witness: key and action of every effect, in order.
        cures: how many of them did some good. turns: by action, how often it has begun.
        seen_by_targets: the keys by which targets of keyed actions deduplicate.
        wrongs: what must never happen and did.
        claims: by key: the runner that has it, or the outcome of a key that was withdrawn.
        has_claims: whether a second runner of a key leaves without effect.
    """

    scenario: Scenario
    now: float = START
    life: int = 0
    runners: list[Runner] = field(default_factory=list)
    claims: dict[str, Runner | Done] = field(default_factory=dict)
    effects: list[tuple[str, str]] = field(default_factory=list)
    seen_by_targets: list[str] = field(default_factory=list)
    cures: int = 0
    turns: dict[str, int] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)
    inbox: list[Answer] = field(default_factory=list)
    asked: set[tuple[str, str]] = field(default_factory=set)
    repaired_at: float | None = None
    has_claims: bool = True
    reach: Reach = field(default=lambda _: None)

    def copy(self) -> World:
        twins = {id(runner): runner.copy() for runner in self.runners}
        claims = {k: c if isinstance(c, Done) else twins[id(c)] for k, c in self.claims.items()}
        return World(
            self.scenario,
            self.now,
            self.life,
            list(twins.values()),
            claims,
            self.effects[:],
            self.seen_by_targets[:],
            self.cures,
            dict(self.turns),
            self.wrongs[:],
            self.inbox[:],
            set(self.asked),
            self.repaired_at,
            self.has_claims,
        )

    def key(self) -> tuple[object, ...]:
        return (
            self.now,
            tuple(runner.key() for runner in self.runners),
            tuple(key for key, claim in self.claims.items() if isinstance(claim, Done)),
            tuple(self.effects),
            tuple(self.seen_by_targets),
            tuple(self.turns.items()),
            tuple(answer.id for answer in self.inbox),
            self.repaired_at,
        )

    @property
    def well(self) -> bool:
        people = self.repaired_at is not None and self.now >= self.repaired_at
        return people or self.cures >= self.scenario.needed

    @property
    def at_work(self) -> bool:
        return any(runner.alive for runner in self.runners)

    def advance(self, to: float) -> None:
        """Let time pass, and every runner do what is due."""
        while True:
            due = [runner for runner in self.runners if runner.alive and runner.next_at <= to]
            if not due:
                break
            runner = min(due, key=lambda one: one.next_at)
            self.now = max(self.now, runner.next_at)
            self.reach(f"runner of {runner.command.action.name}: {runner.stage.name}")
            self._go_on(runner)
        self.now = to

    def _go_on(self, runner: Runner) -> None:
        runner.next_at += STAGE_S
        key, name = runner.command.key, runner.command.action.name
        if runner.stopping:
            self._end(runner, OutcomeStatus.CANCELLED)
        elif runner.stage is Stage.LAUNCHED:
            if self.has_claims and key in self.claims:
                runner.alive = False
                return
            self.claims[key] = runner
            runner.stage = Stage.CLAIMED
        elif runner.stage is Stage.CLAIMED:
            self._two_hands(runner)
            runner.stage = Stage.BEGUN
        elif runner.stage is Stage.BEGUN:
            does = self._behaves(name)
            if does is Behaviour.HANGS:
                runner.next_at = float("inf")
            elif does is Behaviour.FAILS:
                self._end(runner, OutcomeStatus.ERROR)
            else:
                self._take_effect(runner.command, does)
                runner.stage = Stage.EFFECTIVE
        else:
            self._end(runner, OutcomeStatus.OK)

    def _take_effect(self, command: StartAction, does: Behaviour) -> None:
        """A target of a keyed action does nothing under a key that it has seen."""
        if command.action.effect is Effect.KEYED:
            if command.key_for_target in self.seen_by_targets:
                return
            self.seen_by_targets.append(command.key_for_target)
        self.effects.append((command.key, command.action.name))
        self.cures += does is Behaviour.CURES

    def _behaves(self, action: str) -> Behaviour:
        does = self.scenario.behaviours[action]
        turn = self.turns.get(action, 0)
        self.turns[action] = turn + 1
        return does[min(turn, len(does) - 1)]

    def _end(self, runner: Runner, status: OutcomeStatus) -> None:
        runner.alive, runner.stage, runner.done = False, Stage.ENDED, Done(status, 2 * STAGE_S)

    def _two_hands(self, runner: Runner) -> None:
        for other in self.runners:
            same = other.command.target == runner.command.target
            if other is not runner and other.alive and same and other.stage in (Stage.BEGUN, Stage.EFFECTIVE):
                self.wrongs.append(f"{runner.command.key} and {other.command.key} are at work on one target")

    def go_down(self, fault: Fault) -> None:
        """Let the agent die, or the whole host; time passes until the agent is there again."""
        if fault is Fault.HOST_REBOOTS:
            for runner in self.runners:
                runner.alive = False
        self.life += 1
        self.advance(self.now + (REBOOT_S if fault is Fault.HOST_REBOOTS else self.scenario.restart_s))

    def say(self, incidents: Sequence[Incident]) -> None:
        """People answer what they are asked, and repair by hand what they are called for."""
        for incident in incidents:
            for node, question in incident.questions.items():
                kind = self.scenario.answers.get(node)
                if kind is not None and question.granted is None and (incident.id, node) not in self.asked:
                    self.asked.add((incident.id, node))
                    self.inbox.append(Answer(f"{len(self.asked)}-{node}", kind, "ann", self.now, incident.id, node))
            if incident.phase is Phase.ESCALATED and self.repaired_at is None:
                self.repaired_at = self.now + REPAIR_S


class Disk(MemoryJournal):
    """A journal that can be copied as a crash would leave it.

    Attributes:
        lies: by the append's number in this life, what goes wrong with it.
        appends: in this life.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reach: Reach = lambda _: None
        self.lies: Mapping[int, Fault] = {}
        self.appends = 0

    def append(self, batches: Sequence[Batch], *, seen: int | None = None) -> int:
        self.appends += 1
        number = self.appends
        self.reach(f"before append {number}")
        lie = self.lies.get(number)
        if lie is Fault.APPEND_REFUSED:
            raise JournalWriteError("no space left on device")
        position = super().append(batches, seen=seen)
        self.reach(f"after append {number}")
        if lie is Fault.ANSWER_LOST:
            raise JournalWriteError("whether it was written is not known")
        return position

    def copy(self) -> Disk:
        twin = Disk()
        twin._written = self._written[:]
        twin._streams = {stream: records[:] for stream, records in self._streams.items()}
        twin._keys = set(self._keys)
        twin._incidents = self._incidents[:]
        twin._open = dict(self._open)
        return twin

    def key(self) -> tuple[object, ...]:
        """What decisions depend on: everything but how often an agent came up."""
        starts = sum(isinstance(record.entry, e.AgentStarted) for record in self._streams.get("agent", ()))
        heads = tuple(records[-1].hash for stream, records in self._streams.items() if stream != "agent")
        return (*heads, len(self._streams.get("agent", ())) - starts)

    def entries(self) -> list[e.Entry]:
        return [record.entry for record in self._written]


@dataclass(slots=True)
class State:
    """What is left when the agent is gone."""

    world: World
    disk: Disk

    def copy(self) -> State:
        return State(self.world.copy(), self.disk.copy())

    def key(self) -> tuple[object, ...]:
        return (self.world.key(), self.disk.key())


class Clock:
    """Implements `model.ports.Clock`; the world's time, which the agent does not move."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> float:
        return self._world.now

    def wait(self, seconds: float) -> bool:
        raise AssertionError(f"the loop waited {seconds} s within a tick")


class Sensor:
    """Implements `model.ports.Sensor`: `errors` until the system is well, and `hint` once anything took effect."""

    def __init__(self, world: World) -> None:
        self._world = world

    def read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        errors = 0.0 if self._world.well else 10.0
        told = {"errors": errors, "hint": 10.0 if self._world.effects else 0.0}
        values = {key: told.get(spec.name, 0.0) for key, spec in specs.items()}
        return Snapshot(now, {key: Reading(value, now) for key, value in values.items()})


class Hands:
    """Implements `model.ports.Executor` on the world's runners."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._life = world.life

    def carry_out(self, command: Command) -> None:
        world = self._world
        world.reach(f"before {type(command).__name__}")
        if isinstance(command, StartAction):
            if not self._is_settled(command.key):
                world.runners.append(Runner(command, self._life, world.now + STAGE_S))
        else:
            self._cancel(command.key)
        world.reach(f"after {type(command).__name__}")

    def report(self, key: str, actuator: str) -> Report | None:
        assert actuator == "fake"
        claim = self._world.claims.get(key)
        if claim is None:
            return Running() if self._launching(key) else NeverStarted()
        if isinstance(claim, Done):
            return claim
        if claim.done is not None:
            return claim.done
        if claim.alive:
            return Running(claim.command.action.name)
        if claim.stage < Stage.BEGUN:
            return Done(OutcomeStatus.ERROR, 0.0, detail="nothing was run")
        return InDoubt("the host was restarted while it ran")

    def artifact(self, key: str, actuator: str) -> bytes | None:
        return None

    def reaches_anywhere(self, actuator: str) -> bool:
        return False

    def _is_settled(self, key: str) -> bool:
        return key in self._world.claims or self._launching(key)

    def _launching(self, key: str) -> bool:
        return any(one.alive and one.life == self._life and one.command.key == key for one in self._world.runners)

    def _cancel(self, key: str) -> None:
        claim = self._world.claims.setdefault(key, Done(OutcomeStatus.CANCELLED, 0.0))
        if isinstance(claim, Runner) and claim.alive and claim.stage < Stage.EFFECTIVE and not claim.stopping:
            claim.stopping, claim.next_at = True, self._world.now + STAGE_S


class Post:
    """Implements `model.ports.Inbox` on the world's letters."""

    def __init__(self, world: World) -> None:
        self._world = world

    def collect(self) -> Sequence[Answer]:
        return tuple(self._world.inbox)

    def settle(self, answers: Sequence[str]) -> None:
        self._world.reach("before settle")
        self._world.inbox = [answer for answer in self._world.inbox if answer.id not in answers]
        self._world.reach("after settle")


class Silent:
    """Implements `model.ports.Observer`; remembers what the loop could not do."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, Exception]] = []

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        return None

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        return None

    def failed(self, what: str, error: Exception) -> None:
        self.failures.append((what, error))
