"""A policy through the incidents of a simulated world, and what is measured of each. Every number is simulated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TypeVar

from homeostat.model import entries as e
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.errors import ActuatorError, InvariantError
from homeostat.model.policy import Policy
from homeostat.model.reasons import Phase, Reason
from homeostat.parallel import IN_PROCESS, Workers
from homeostat.record.memory import MemoryJournal
from homeostat.simulate.bench.course import Course
from homeostat.simulate.bench.simulated_incident import SimulatedIncident
from homeostat.simulate.bench.stage import BEGIN, Stage
from homeostat.simulate.bench.world import World

R = TypeVar("R")

QUIET_S = 600.0
"""An incident that has not been noticed, or has come back, so long after the last change of a signal is over."""

TRIALS_A_TASK = 50
"""Incidents that are simulated together in one process: up to a second's work."""

ASKED_PERSON = "on-call"
"""Who requests steps that are only suggested."""


class Fate(StrEnum):
    """How a simulated incident went.

    dismissed: the trigger did not hold, and nothing came after. unknown: never noticed, or still open at the end.
    mistaken: closed as recovered while `resolved` was not true of the world, as late or lying signals can have it.
    """

    RECOVERED = "recovered"
    ESCALATED = "escalated"
    DISMISSED = "dismissed"
    UNKNOWN = "unknown"
    MISTAKEN = "mistaken"


@dataclass(frozen=True, slots=True)
class Trial:
    """One simulated incident.

    Attributes:
        number: the incident's, from 1.
        recovered_s: from the strike to the moment from which `resolved` held until it was proved; None: it did not.
        over_s: from the strike until the incident was closed or handed to people, or was given up.
        actions: started, undos included.
        concurrency_max: actions in flight at once.
        wait_s_max: the longest time with nothing in flight, between confirmation and end.
        audit_steps: journal entries, snapshots not counted.
        why: for people: the reason of an escalation, or how it ended.
    """

    number: int
    cause: str
    fate: Fate
    recovered_s: float | None
    over_s: float
    actions: int
    concurrency_max: int
    wait_s_max: float
    audit_steps: int
    starts: tuple[str, ...]
    why: str


def run_trials(policy: Policy, world: World, count: int, seed: int, workers: Workers = IN_PROCESS) -> Iterator[Trial]:
    """Run a policy through the first `count` incidents of a world, in order.

    All luck of an incident is a hash of the seed and its number, so it does not matter where which of them is run.
    """
    yield from for_each(run_trial, policy, world, range(1, count + 1), seed, workers)


def for_each(
    one: Callable[[Policy, World, int, int], R],
    policy: Policy,
    world: World,
    numbers: Sequence[int],
    seed: int,
    workers: Workers,
) -> Iterator[R]:
    """Do one thing, like `run_trial`, for each of a world's incidents with these numbers, in order."""
    parts = [numbers[first : first + TRIALS_A_TASK] for first in range(0, len(numbers), TRIALS_A_TASK)]
    tasks = [(f"{policy.name}: simulated incidents {part[0]} to {part[-1]}", part) for part in parts]
    for results in workers.run(partial(_for_some, one, policy, world, seed), tasks):
        yield from results


def _for_some(
    one: Callable[[Policy, World, int, int], R], policy: Policy, world: World, seed: int, numbers: Sequence[int]
) -> list[R]:
    return [one(policy, world, number, seed) for number in numbers]


def run_trial(policy: Policy, world: World, number: int, seed: int) -> Trial:
    """Run a policy through one incident of a world."""
    return measured(policy, number, *play(policy, world, number, seed))


def course_of(policy: Policy, world: World, number: int, seed: int) -> Course:
    """The same incident, as everything that happened in it."""
    return play(policy, world, number, seed)[1]


def play(
    policy: Policy, world: World, number: int, seed: int, *, every_tick: bool = False
) -> tuple[SimulatedIncident, Course]:
    """The same incident: how its world went, and everything that happened in it.

    Args:
        policy: what acts.
        world: where.
        number: the incident's.
        seed: with the number, the origin of all luck.
        every_tick: let the loop turn also where nothing can come of it, on a journal that encodes and chains. Nothing
            is different then but the time it takes.
    """
    simulated = SimulatedIncident(world, policy, seed, number, BEGIN)
    return simulated, _run(policy, world, simulated, seed, every_tick=every_tick)


def _run(policy: Policy, world: World, simulated: SimulatedIncident, seed: int, *, every_tick: bool) -> Course:
    stage = Stage(policy, simulated, seed, journal=MemoryJournal() if every_tick else None)
    people = _People(stage, simulated, world)
    interval_s, restarts = world.fields.interval, world.fields.faults.restarts
    stage.wait(simulated.luck("poll") * interval_s)
    restarts_at = simulated.restarts_at
    while stage.elapsed_s < world.fields.incident_max:
        if restarts is not None and restarts_at is not None and stage.clock.now() >= restarts_at:
            restarts_at = None
            stage.restart(restarts.down)
        people.answer()
        stage.tick()
        if _is_over(stage, simulated):
            break
        if every_tick:
            stage.wait(interval_s)
            continue
        until = min(_nothing_until(stage, simulated, people), stage.begin + world.fields.incident_max)
        stage.pass_by(interval_s, until if restarts_at is None else min(until, restarts_at))
    for failure in stage.failures:
        if not isinstance(failure.error, ActuatorError):
            raise InvariantError(f"{failure.what}: {failure.error}") from failure.error
    return Course(stage.begin, stage.elapsed_s, tuple(stage.entries), (), policy.name)


def _is_over(stage: Stage, simulated: SimulatedIncident) -> bool:
    incident = stage.incident
    now = stage.clock.now()
    if incident is not None:
        return incident.phase is Phase.ESCALATED and not incident.open_attempts()
    changes_until = simulated.state.changes_until
    if now < changes_until:
        return False
    last = stage.entries[-1][1]
    return (isinstance(last, e.Closed) and last.at >= changes_until) or now >= changes_until + QUIET_S


def _nothing_until(stage: Stage, simulated: SimulatedIncident, people: _People) -> float:
    """Until when nothing happens by itself, nor does it turn out that the incident is over."""
    now, changes_until = stage.clock.now(), simulated.state.changes_until
    until = min(people.due_at, simulated.unchanged_until(now))
    if stage.incident is not None:
        return until
    return min(until, changes_until if now < changes_until else changes_until + QUIET_S)


class _People:
    """Answers what the agent asks, after a while, as the world has it."""

    def __init__(self, stage: Stage, simulated: SimulatedIncident, world: World) -> None:
        self._stage = stage
        self._simulated = simulated
        self._fields = world.fields.people
        self._read = 0
        self._due: list[tuple[float, Answer]] = []

    def answer(self) -> None:
        """Take in what was asked since, and say what is due by now."""
        entries = self._stage.entries
        for number in range(self._read, len(entries)):
            stream, entry = entries[number]
            answer = self._answer_to(stream, entry, number)
            if answer is not None:
                self._due.append((entry.at + self._simulated.draw(self._fields.answer, "answer", answer.node), answer))
        self._read = len(entries)
        now = self._stage.clock.now()
        for due_at, answer in [due for due in self._due if due[0] <= now]:
            self._due.remove((due_at, answer))
            self._stage.inbox.say(answer)

    @property
    def due_at(self) -> float:
        """When somebody says something next; infinity where nobody does."""
        return min((due_at for due_at, _ in self._due), default=math.inf)

    def _answer_to(self, stream: str, entry: e.Entry, number: int) -> Answer | None:
        if isinstance(entry, e.ApprovalRequested):
            agrees = self._simulated.luck("agree", entry.action, entry.target) < self._fields.agree
            kind = AnswerKind.APPROVE if agrees else AnswerKind.DENY
            return Answer(f"answer-{number}", kind, entry.approvers[0], entry.at, stream, entry.node)
        if isinstance(entry, e.DecisionWithheld) and entry.reason is Reason.MODE_SUGGEST:
            return Answer(f"answer-{number}", AnswerKind.REQUEST, ASKED_PERSON, entry.at, stream, entry.node)
        return None


def measured(policy: Policy, number: int, simulated: SimulatedIncident, course: Course) -> Trial:
    """What a course comes to."""
    streams = course.streams()
    newest: Sequence[e.Entry] = next(reversed(streams.values()), [])
    fate, why = _fate(newest)
    recovered = [entry.at for entry in newest if isinstance(entry, e.Recovered)]
    if fate is Fate.RECOVERED and not simulated.holds(policy.resolved.condition, recovered[-1]):
        fate, why = Fate.MISTAKEN, "recovered by the signals alone"
    proved = [entry for entry in newest if isinstance(entry, e.ConditionChanged) and entry.watch == "resolved"]
    recovered_s = course.after_s(proved[-1]) if fate is Fate.RECOVERED and proved else None
    entries = [entry for entries in streams.values() for entry in entries]
    intents = [entry for entry in entries if isinstance(entry, e.ActionIntended)]
    concurrency, wait_s = _in_flight(entries)
    return Trial(
        number,
        simulated.cause.fields.name,
        fate,
        recovered_s,
        _over_s(course, newest),
        len(intents),
        concurrency,
        wait_s,
        sum(not isinstance(entry, e.Observed) for entry in entries),
        tuple(intent.node for intent in intents),
        why,
    )


def _fate(newest: Sequence[e.Entry]) -> tuple[Fate, str]:
    for entry in reversed(newest):
        match entry:
            case e.Escalated():
                return Fate.ESCALATED, f"{entry.reason}{f' at {entry.node}' if entry.node else ''}"
            case e.Recovered():
                return Fate.RECOVERED, str(newest[-1].result) if isinstance(newest[-1], e.Closed) else ""
            case e.Dismissed():
                return Fate.DISMISSED, str(entry.reason)
    return Fate.UNKNOWN, "still open" if newest else "never noticed"


def _over_s(course: Course, newest: Sequence[e.Entry]) -> float:
    ends = [entry for entry in newest if isinstance(entry, e.Closed | e.Escalated)]
    return course.after_s(ends[0]) if ends else course.duration_s


def _in_flight(entries: Sequence[e.Entry]) -> tuple[int, float]:
    """The most actions in flight at once, and the longest time with none between confirmation and end."""
    flying: set[str] = set()
    most, longest_s, idle_since = 0, 0.0, None
    for entry in entries:
        match entry:
            case e.Confirmed():
                idle_since = entry.at
            case e.ActionIntended(key=key):
                if not flying and idle_since is not None:
                    longest_s = max(longest_s, entry.at - idle_since)
                flying.add(key)
                most = max(most, len(flying))
            case e.ActionEnded(key=key) | e.AttemptEnded(key=key):
                was_flying = bool(flying)
                flying.discard(key)
                idle_since = entry.at if was_flying and not flying else idle_since
            case e.Closed() | e.Escalated():
                if not flying and idle_since is not None:
                    longest_s = max(longest_s, entry.at - idle_since)
                idle_since = None
    return most, longest_s
