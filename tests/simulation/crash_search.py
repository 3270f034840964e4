"""All sets of crashes at every boundary of a run.

Every life of the agent is watched: at each boundary what a crash would leave is copied, and from each copy the next
life begins. Copies that are the same in all that decisions depend on are lived through once, and counted as often as
they came up: nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Protocol

from tests.simulation.crash_world import (
    POLL_S,
    START,
    Clock,
    Disk,
    Fault,
    Hands,
    Post,
    Scenario,
    Sensor,
    Silent,
    State,
    World,
)

from homeostat.decide.projection import fold
from homeostat.loop import Loop, Outside
from homeostat.model import entries as e
from homeostat.model.errors import JournalError
from homeostat.model.incident import Incident
from homeostat.model.policy import Effect, Policy
from homeostat.model.ports import Executor
from homeostat.model.reasons import Phase

CRASHES = (Fault.AGENT_DIES, Fault.HOST_REBOOTS)
LIES = (Fault.APPEND_REFUSED, Fault.ANSWER_LOST)
TICKS_MAX = 200
SEED = 7


class Agent(Protocol):
    """What is tried: the loop, or something that takes its place."""

    @property
    def incidents(self) -> list[Incident]: ...

    def recover(self, version: str) -> None: ...

    def tick(self) -> None: ...


class MakeAgent(Protocol):
    def __call__(
        self,
        outside: Outside,
        policies: Mapping[str, Policy],
        agent: str,
        seed: int,
        *,
        people: Mapping[str, frozenset[str]],
    ) -> Agent: ...


Lies = tuple[tuple[int, Fault], ...]
MakeHands = Callable[[World], Executor]


@dataclass(slots=True)
class Leftover:
    """What a crash would leave, and at how many boundaries it is just that."""

    state: State
    times: int = 1


class Life:
    """One agent process, from its start to the end of all incidents, or to its death while it comes up."""

    def __init__(self, state: State, lies: Lies, watch_from: int, *, watched: bool) -> None:
        self.state = state.copy()
        self.leftovers: dict[tuple[object, ...], Leftover] = {}
        self.appends: list[tuple[int, int]] = []
        self.died = False
        self._boundaries = 0
        self._watch_from = watch_from
        self._watched = watched
        self.state.disk.lies = dict(lies)
        self.wrongs: list[str] = []

    def live(self, make_agent: MakeAgent, make_hands: MakeHands) -> Life:
        world, disk, lies = self.state.world, self.state.disk, self.state.disk.lies
        world.reach = disk.reach = self._reach
        observer = Silent()
        outside = Outside(Clock(world), Sensor(world), make_hands(world), disk, observer, None, Post(world))
        scenario = world.scenario
        loop = make_agent(outside, scenario.policies, "agent", SEED, people=scenario.people)
        try:
            loop.recover("0")
        except JournalError:
            self.died = True
            return self
        over = False
        for _ in range(TICKS_MAX):
            loop.tick()
            incidents = self._folded()
            # After a lie the live state may lag behind until the journal has been read again.
            if not lies and {i.id: i for i in loop.incidents} != {i.id: i for i in incidents}:
                self.wrongs.append("the live state is not what the journal says")
            world.say(incidents)
            if over:
                break  # one tick after the last incident has closed: a loop in doubt has read the journal again
            over = self._over()
            world.advance(world.now + POLL_S)
        else:
            self.wrongs.append("no end")
        if not lies:
            self.wrongs += [f"{what}: {error!r}" for what, error in observer.failures]
        if isinstance(loop, Loop):
            self.wrongs += [f"{target} stays locked" for target in loop.ledger.locks]
        return self

    def _reach(self, name: str) -> None:
        number = self._boundaries
        self._boundaries += 1
        if not self._watched or number < self._watch_from:
            return
        if name.startswith("before append"):
            self.appends.append((number, self.state.disk.appends))
        key = self.state.key()
        known = self.leftovers.get(key)
        if known is None:
            self.leftovers[key] = Leftover(self.state.copy())
        else:
            known.times += 1

    def _folded(self) -> list[Incident]:
        disk = self.state.disk
        return [fold(record.entry for record in disk.read(stream)) for stream in disk.open_incidents()]

    def _over(self) -> bool:
        disk, world = self.state.disk, self.state.world
        return bool(disk.incidents()) and not disk.open_incidents() and world.well and not world.at_work


@dataclass(slots=True)
class Search:
    """Lives through all sets of up to `len(shares)` faults of a scenario.

    Args:
        shares: of the first, second, ... faults of a set, how many are lived through; chosen by a seed, 1.0 for all.
        make_agent, make_hands: what is tried.
        lies: whether appends may also fail without a crash.
        has_claims: whether a key has at most one runner.

    Attributes:
        schedules: sets of faults covered. lives: runs it took.
        last: how the life that was looked at last ended.
    """

    scenario: Scenario
    make_hands: MakeHands = Hands
    make_agent: MakeAgent = Loop
    shares: tuple[float, ...] = (1.0, 1.0, 1.0)
    lies: bool = True
    has_claims: bool = True
    schedules: int = 0
    lives: int = 0
    wrongs: list[str] = field(default_factory=list)
    last: State = field(init=False)
    _known: dict[tuple[object, ...], int] = field(default_factory=dict)
    _checked: set[tuple[object, ...]] = field(default_factory=set)
    _random: Random = field(default_factory=lambda: Random(SEED))

    def run(self) -> Search:
        self.last = start = State(World(self.scenario, START, has_claims=self.has_claims), Disk())
        self.schedules = self._explore(start, (), 0, len(self.shares), "")
        return self

    def _explore(self, state: State, lies: Lies, watch_from: int, left: int, told: str) -> int:
        identity = (state.key(), lies)
        if left == 0 and identity in self._checked:
            return 1
        known = self._known.get((identity, left))
        if known is not None:
            return known
        life = Life(state, lies, watch_from, watched=left > 0).live(self.make_agent, self.make_hands)
        self.lives += 1
        self.last = life.state
        self._checked.add(identity)
        count = 1
        if life.died:
            life.state.world.go_down(Fault.AGENT_DIES)
            count = self._explore(life.state, (), 0, left, told)
        else:
            self.wrongs += [f"{wrong} [{told}]" for wrong in (*life.wrongs, *judge(life.state))]
        for leftover in life.leftovers.values():
            for crash in CRASHES:
                if self._drawn(left):
                    after = leftover.state.copy()
                    at = f"{told} {crash} at {after.world.now - START:g} s;"
                    after.world.go_down(crash)
                    count += leftover.times * self._explore(after, (), 0, left - 1, at)
        for boundary, append in life.appends if self.lies else ():
            for lie in LIES:
                if self._drawn(left):
                    at = f"{told} {lie}: number {append};"
                    count += self._explore(state, (*lies, (append, lie)), boundary + 1, left - 1, at)
        self._known[identity, left] = count
        return count

    def _drawn(self, left: int) -> bool:
        share = self.shares[-left]
        return share >= 1.0 or self._random.random() < share


def judge(state: State) -> list[str]:
    """Say what must never be and is, at the end of a life."""
    world, disk = state.world, state.disk
    wrongs = world.wrongs[:]
    entries = disk.entries()
    intents = {entry.key: entry for entry in entries if isinstance(entry, e.ActionIntended)}
    granted = {entry.node for entry in entries if isinstance(entry, e.ApprovalGranted)}
    leaves = {name: leaf for p in world.scenario.policies.values() for name, leaf in {**p.leaves, **p.undos}.items()}
    seen: dict[str, int] = {}
    steps: dict[tuple[str, str | None], int] = {}
    for key, _ in world.effects:
        seen[key] = seen.get(key, 0) + 1
        intent = intents.get(key)
        if intent is None:
            wrongs.append(f"{key} had an effect without an intent")
            continue
        steps[intent.node, intent.undoes] = steps.get((intent.node, intent.undoes), 0) + 1
        if leaves[intent.node].approval is not None and intent.node not in granted:
            wrongs.append(f"{key} had an effect without a yes")
    wrongs += [f"{key} had its effect {times} times" for key, times in seen.items() if times > 1]
    for (node, _), times in steps.items():
        leaf = leaves[node]
        times_max = leaf.retry.times_max
        if leaf.effect is Effect.SAFE:
            times_max = max(times_max, 1)
        elif leaf.effect is not Effect.KEYED and not leaf.retry.explicit:
            times_max = 0
        allowed = 1 + times_max
        if times > allowed:
            wrongs.append(f"the step {node} ({leaf.effect}) had its effect {times} times")
    for stream in disk.incidents():
        incident = fold(record.entry for record in disk.read(stream))
        if incident.phase is not Phase.CLOSED or incident.result is None:
            wrongs.append(f"{stream} is left {incident.phase}")
        wrongs += [f"{attempt.key} has no verdict" for attempt in incident.open_attempts()]
        wrongs += _repeated_in_doubt(incident)
    if not disk.incidents():
        wrongs.append("nothing was noticed")
    wrongs += [f"the answer {answer.id} was never settled" for answer in world.inbox]
    return wrongs + disk.verify()


def _repeated_in_doubt(incident: Incident) -> list[str]:
    """What may have half happened is not begun again, whatever its author allowed for plain failures."""
    return [
        f"{later.key} began although nobody knows what {earlier.key} has done"
        for attempts in incident.attempts.values()
        for earlier, later in pairwise(attempts)
        if not earlier.effect.repeatable and earlier.happened is not False
        if earlier.in_doubt or (earlier.is_uncertain and earlier.started_at is not None)
    ]
