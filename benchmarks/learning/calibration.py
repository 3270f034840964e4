"""Are foretold chances right? Of what is foretold after 1,000 incidents, on incidents that were held out.

Two questions. Of the choices made: in groups of like chance, do as many work as foretold (expected calibration error
over ten groups of equal width; Naeini, Cooper, Hauskrecht, AAAI 2015)? And does the 90% interval of every candidate
hold the true chance, which the world knows?
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from benchmarks.learning.stream import play
from benchmarks.learning.worlds import STREAM, Context, World

GROUPS = 10
Calibration = dict[str, list[float]]
"""Of each group: how many choices, the sum of their chances, how many worked; of intervals: how many, how many hold."""


class Foretells(Protocol):
    """A method that says what it expects."""

    def foretell(self, context: Context, failed: tuple[int, ...]) -> list[tuple[float, float, float]]:
        """(M,) chance of success, and the bounds between which it lies nine times in ten."""
        ...

    def choose(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...], *, frozen: bool) -> int:
        """See `stream.Method`."""
        ...


def calibration_of(method: Foretells, world: World) -> Calibration:
    """Foretell the held-out incidents, and look."""
    groups = np.zeros((3, GROUPS))
    intervals = np.zeros(2)
    for number in range(STREAM, len(world.draws.works)):
        context = world.context(number)
        true = world.truth.posterior[number] @ world.truth.success[number]
        for (_, low, high), chance in zip(method.foretell(context, ()), true, strict=True):
            intervals += (1.0, float(low <= chance <= high))
        failed: tuple[int, ...] = ()
        incident = play(world, number, lambda *situation: method.choose(*situation, frozen=True))
        for attempt in incident.attempts:
            chance, _, _ = method.foretell(context, failed)[attempt.candidate]
            groups[:, min(int(chance * GROUPS), GROUPS - 1)] += (1.0, chance, float(attempt.worked))
            failed = (*failed, attempt.candidate)
    return {"groups": groups.ravel().tolist(), "intervals": intervals.tolist()}


def table(rows: Iterable[Mapping[str, Any]], worlds: Iterable[str]) -> str:
    """Of each world, over all seeds, and of all worlds together."""
    of = [(str(row["world"]), row["calibration"]) for row in rows if row.get("calibration")]
    lines = ["| world | expected calibration error | 90% intervals that hold |", "|---|---|---|"]
    for world in (*worlds, "all"):
        found = [each for name, each in of if world in (name, "all")]
        if found:
            count, chances, worked = np.sum([each["groups"] for each in found], axis=0).reshape(3, GROUPS)
            error = float(np.abs(chances - worked).sum() / count.sum())
            total, held = np.sum([each["intervals"] for each in found], axis=0)
            lines.append(f"| {world} | {error:.3f} | {held / total:.1%} |")
    return "\n".join(lines)
