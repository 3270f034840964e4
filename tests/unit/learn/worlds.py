"""A small world to learn in: hidden causes, candidates that cure some of them, and signals that hint at the cause.

Every cause has one candidate that mostly works and one that half works; the rest rarely do, but for a broad one that
works for almost every cause and takes half an hour. Signals are noisy functions of the cause and sometimes missing,
execution times are lognormal (sigma 0.5), a success verifies in 30 s and a failure in 90 s, and people take an hour
once everything has failed. Whoever chooses the order meets the same draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tests.unit.learn.incident_streams import EFFECTIVE, INEFFECTIVE, START, Stream, do, policy_of

from homeostat.decide.ranking import rank
from homeostat.model.entries import Option
from homeostat.model.policy import Choose, Policy
from homeostat.model.ranking import NodeRanking
from homeostat.model.reasons import Result
from homeostat.model.signals import Value

CAUSES, SIGNALS = 6, 4
NARROW = ("narrow0", "narrow1", "narrow2", "narrow3", "narrow4", "narrow5")
BROAD = "broad"
CANDIDATES = (*NARROW, BROAD)
VERIFIES_S, GIVES_UP_S, PEOPLE_S = 30.0, 90.0, 3600.0
BETWEEN_INCIDENTS_S = 86_400.0

Order = Callable[[dict[str, Value], tuple[str, ...]], str]
"""Which candidate next, given the context and what has failed."""


@dataclass(frozen=True)
class Draw:
    """One incident as nature made it, before anybody tries anything."""

    context: dict[str, Value]
    cured_by: frozenset[str]
    runs_s: dict[str, float]


class World:
    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._cause_shares = self._random.dirichlet([2.0] * CAUSES)
        self._cures = self._random.uniform(0.02, 0.08, size=(CAUSES, len(CANDIDATES)))
        for cause in range(CAUSES):
            self._cures[cause, cause] = 0.9
            self._cures[cause, (cause + 1) % CAUSES] = 0.5
        self._cures[:, -1] = 0.9
        self._runs_s = np.array([*self._random.uniform(20.0, 60.0, len(NARROW)), 1500.0])
        narrow_rates = self._cause_shares @ self._cures[:, :-1]
        self.bad_order = (*(NARROW[i] for i in np.argsort(narrow_rates)), BROAD)
        """The candidate that helps least often first."""
        self._centres: NDArray[np.float64] = self._random.normal(0.0, 1.6, size=(CAUSES, SIGNALS))

    def draws(self, count: int) -> list[Draw]:
        return [self._draw() for _ in range(count)]

    def _draw(self) -> Draw:
        cause = self._random.choice(CAUSES, p=self._cause_shares)
        values = np.exp(self._random.normal(self._centres[cause], 1.0))
        known = self._random.random(SIGNALS) > 0.1
        cured = self._random.random(len(CANDIDATES)) < self._cures[cause]
        runs_s = self._runs_s * self._random.lognormal(0.0, 0.5, len(CANDIDATES))
        return Draw(
            {f"signal{i}": float(values[i]) if known[i] else None for i in range(SIGNALS)},
            frozenset(name for name, works in zip(CANDIDATES, cured, strict=True) if works),
            dict(zip(CANDIDATES, runs_s.tolist(), strict=True)),
        )


def world_policy(written: Sequence[str]) -> Policy:
    children = tuple(do(name, takes_s=900.0 if name == BROAD else 60.0) for name in written)
    return policy_of(Choose("remedy", children), signals=[f"signal{i}" for i in range(SIGNALS)])


def play(draw: Draw, order: Order) -> tuple[list[str], float]:
    """Try candidates until one works; what was tried, and the time to recovery in seconds."""
    tried: list[str] = []
    spent_s = 0.0
    while len(tried) < len(CANDIDATES):
        chosen = order(draw.context, tuple(tried))
        tried.append(chosen)
        spent_s += draw.runs_s[chosen]
        if chosen in draw.cured_by:
            return tried, spent_s + VERIFIES_S
        spent_s += GIVES_UP_S
    return tried, spent_s + PEOPLE_S


def mttr_s(draws: Sequence[Draw], order: Order) -> float:
    return float(np.mean([play(draw, order)[1] for draw in draws]))


def fixed(written: Sequence[str]) -> Order:
    return lambda _, failed: next(name for name in written if name not in failed)


def learned(node: NodeRanking, written: Sequence[str]) -> Order:
    """The live scorer's order."""

    def order(context: dict[str, Value], failed: tuple[str, ...]) -> str:
        options = [Option(id=name, eligible=name not in failed) for name in written]
        return str(rank(node, options, context, failed)[1])

    return order


def likeliest(node: NodeRanking, written: Sequence[str]) -> Order:
    """The same model with costs ignored."""

    def order(context: dict[str, Value], failed: tuple[str, ...]) -> str:
        options = [Option(id=name, eligible=name not in failed) for name in written]
        ranked = [option for option in rank(node, options, context, failed)[0] if option.eligible]
        return max(ranked, key=lambda option: option.probability or 0.0).id

    return order


def journalled(draws: Sequence[Draw], order: Order) -> list[Stream]:
    """What the journal would hold of these incidents under this order."""
    streams = []
    for count, draw in enumerate(draws):
        stream = Stream(f"incident{count:05d}", START + count * BETWEEN_INCIDENTS_S).confirm()
        tried, _ = play(draw, order)
        for place, name in enumerate(tried):
            left = [other for other in CANDIDATES if other not in tried[:place]]
            works = name in draw.cured_by
            stream.choose(name, draw.context, eligible=left)
            verdict, verifies_s = (EFFECTIVE, VERIFIES_S) if works else (INEFFECTIVE, GIVES_UP_S)
            stream.attempt(name, verdict, runs_s=draw.runs_s[name], verifies_s=verifies_s)
        if tried[-1] in draw.cured_by:
            streams.append(stream.close())
        else:
            streams.append(stream.escalate().close(Result.ESCALATED, PEOPLE_S))
    return streams
