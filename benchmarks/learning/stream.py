"""A method in a world: 2,000 incidents one after the other, and frozen at some points on 500 others."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from benchmarks.learning.worlds import (
    ESCALATION_S,
    INCIDENTS,
    STREAM,
    TRIES_MAX,
    VERIFY_FAILED_S,
    VERIFY_OK_S,
    Codes,
    Context,
    Facts,
    Floats,
    World,
)

FROZEN_AT = (50, 200, 1000)
BLOCK = 50
"""Incidents that are summed up in one number of `Measured.blocks_s`."""
DRIFT_WINDOWS = ((1000, 1100), (1100, 1300), (1000, 1200), (1300, 2000))


@dataclass(frozen=True)
class Attempt:
    """A candidate that was tried, and what came of it."""

    candidate: int
    """Index into `Facts.candidates`."""
    worked: bool
    runs_s: float
    verifies_s: float
    harmed: bool


@dataclass(frozen=True)
class Incident:
    """One that is over, as its journal shows it. Without a success in the end it was escalated."""

    context: Context
    attempts: tuple[Attempt, ...]


class Method(Protocol):
    """What chooses the next candidate. It sees contexts and the incidents that it had, and nothing of the truth."""

    def begin(self, seed: int, facts: Facts) -> None:
        """Start from nothing. Every random number comes from `seed`."""

    def choose(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...], *, frozen: bool) -> int:
        """Give one of `eligible`, without learning anything.

        Args:
            context: of the incident.
            failed: what was tried in it so far, in order.
            eligible: the other candidates, in written order.
            frozen: nothing will be learnt from this choice, so there is no use in exploring.
        """

    def learn(self, incident: Incident) -> None:
        """Take in an incident that is over. The next call may be for any other."""


@dataclass(frozen=True)
class Measured:
    """What one method did in one world."""

    mttr_ratio: float
    """Mean time to recovery over the stream, the oracle's being 1."""
    frozen_ratios: dict[int, float]
    """The same over the held-out incidents, after so many incidents of the stream; none in a world that drifts."""
    window_ratios: dict[str, float]
    """The same over parts of the stream around `DRIFT_AT`."""
    blocks_s: tuple[float, ...]
    oracle_blocks_s: tuple[float, ...]
    harms_per_100: float
    decision_ms: float
    learn_ms: float
    """A call of `learn`, on average over the stream."""


class BadChoice(Exception):
    """A method chose what was not eligible."""


def measure(world: World, oracle_s: Floats, method: Method) -> Measured:
    """Run a method through a world.

    Args:
        world: the same for every method.
        oracle_s: (N,) seconds to recovery of the oracle on the same draws.
        method: not yet begun.
    """
    method.begin(world.seed, world.facts)
    clock = _Clock()
    spent_s = np.empty(STREAM)
    harms = 0
    frozen: dict[int, float] = {}
    for at in range(STREAM):
        if at in FROZEN_AT and world.name != "drift":
            frozen[at] = _frozen(world, oracle_s, method)
        incident = play(world, at, _timed(method, clock))
        spent_s[at] = seconds_of(incident)
        harms += sum(attempt.harmed for attempt in incident.attempts)
        with clock.learning:
            method.learn(incident)
    oracle = oracle_s[:STREAM]
    return Measured(
        mttr_ratio=float(spent_s.sum() / oracle.sum()),
        frozen_ratios=frozen,
        window_ratios={
            f"{start}-{end}": float(spent_s[start:end].sum() / oracle[start:end].sum()) for start, end in DRIFT_WINDOWS
        },
        blocks_s=_blocks(spent_s),
        oracle_blocks_s=_blocks(oracle),
        harms_per_100=100 * harms / STREAM,
        decision_ms=clock.deciding.mean_ms,
        learn_ms=clock.learning.mean_ms,
    )


class Order(Protocol):
    """Which candidate next, after these have failed; as `Method.choose`."""

    def __call__(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...]) -> int: ...


def play(world: World, number: int, order: Order) -> Incident:
    """Try candidates until one works or `TRIES_MAX` have failed.

    Raises:
        BadChoice: the order gave one that is not eligible.
    """
    draws, context = world.draws, world.context(number)
    eligible = tuple(range(len(world.facts.candidates)))
    attempts: list[Attempt] = []
    failed: tuple[int, ...] = ()
    while eligible and len(attempts) < TRIES_MAX:
        chosen = order(context, failed, eligible)
        if chosen not in eligible:
            raise BadChoice(f"incident {number}: {chosen!r} is not one of {eligible}")
        worked = bool(draws.works[number, chosen])
        verifies_s = VERIFY_OK_S if worked else VERIFY_FAILED_S
        runs_s, harmed = float(draws.runs_s[number, chosen]), bool(draws.harms[number, chosen])
        attempts.append(Attempt(chosen, worked, runs_s, verifies_s, harmed))
        if worked:
            break
        failed = (*failed, chosen)
        eligible = tuple(each for each in eligible if each != chosen)
    return Incident(context, tuple(attempts))


def seconds_of(incident: Incident) -> float:
    """To recovery: all attempts, and people's time when none worked."""
    spent_s = sum(attempt.runs_s + attempt.verifies_s for attempt in incident.attempts)
    return spent_s if incident.attempts[-1].worked else spent_s + ESCALATION_S


def play_orders(world: World, orders: Codes) -> Floats:
    """(N,) seconds to recovery when each incident's candidates are tried in its row of `orders` (N, tries)."""

    def spent_s(number: int) -> float:
        row = tuple(int(each) for each in orders[number])
        return seconds_of(play(world, number, lambda context, failed, eligible: row[len(failed)]))  # noqa: ARG005 # an `Order`

    return np.array([spent_s(number) for number in range(INCIDENTS)])


def _frozen(world: World, oracle_s: Floats, method: Method) -> float:
    def order(context: Context, failed: tuple[int, ...], eligible: tuple[int, ...]) -> int:
        return method.choose(context, failed, eligible, frozen=True)

    spent_s = sum(seconds_of(play(world, number, order)) for number in range(STREAM, INCIDENTS))
    return float(spent_s / oracle_s[STREAM:].sum())


def _timed(method: Method, clock: _Clock) -> Order:
    def order(context: Context, failed: tuple[int, ...], eligible: tuple[int, ...]) -> int:
        with clock.deciding:
            return method.choose(context, failed, eligible, frozen=False)

    return order


class _Stopwatch:
    def __init__(self) -> None:
        self._spent_s = 0.0
        self._calls = 0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._spent_s += time.perf_counter() - self._started
        self._calls += 1

    @property
    def mean_ms(self) -> float:
        return 1000 * self._spent_s / max(self._calls, 1)


class _Clock:
    def __init__(self) -> None:
        self.deciding, self.learning = _Stopwatch(), _Stopwatch()


def _blocks(seconds: Floats) -> tuple[float, ...]:
    return tuple(float(each) for each in seconds.reshape(-1, BLOCK).sum(axis=1))
