"""The levels of a dag and the order within them.

After Sugiyama, Tagawa and Toda ("Methods for visual understanding of hierarchical system structures", 1981):
longest-path levels, lanes for edges that skip levels, barycentre ordering, from several starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from homeostat.policy.bounds import needed_first

SWEEPS = 4
"""Passes down and up over the levels; more change little."""

STARTS_MAX = 8
"""Orders of the first level that are tried; the one with the fewest crossings is drawn."""

EDGES_MAX = 200

Place = str | tuple[str, str, int]
"""A child's id, or a lane: (from, to, level) of an edge that passes through a level."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Where the children of a dag stand.

    Attributes:
        levels: top to bottom, the places in each, left to right.
        chains: per edge (from, to), the places it runs through, both ends included.
    """

    levels: list[list[Place]]
    chains: dict[tuple[str, str], list[Place]]


def layered(children: Sequence[str], needs: Mapping[str, Sequence[str]]) -> Layers:
    """Give every child a level below all it needs, and an order in which few edges cross."""
    level: dict[str, int] = {}
    for child in needed_first(tuple(children), {child: tuple(wanted) for child, wanted in needs.items()}):
        level[child] = 1 + max((level[need] for need in needs.get(child, ())), default=-1)
    levels: list[list[Place]] = [[] for _ in range(1 + max(level.values(), default=0))]
    for child in children:
        levels[level[child]].append(child)
    chains: dict[tuple[str, str], list[Place]] = {}
    for child in children:
        for need in _direct(child, needs):
            lanes: list[Place] = [(need, child, between) for between in range(level[need] + 1, level[child])]
            for lane, between in zip(lanes, range(level[need] + 1, level[child]), strict=True):
                levels[between].append(lane)
            chains[need, child] = [need, *lanes, child]
    return Layers(_ordered(levels, chains), chains)


def _direct(child: str, needs: Mapping[str, Sequence[str]]) -> list[str]:
    """The needs of a child that none of its other needs already waits for: an arrow for the others says nothing new."""
    wanted = needs.get(child, ())
    implied: set[str] = set()
    pending = [far for need in wanted for far in needs.get(need, ())]
    while pending:
        far = pending.pop()
        if far not in implied:
            implied.add(far)
            pending.extend(needs.get(far, ()))
    return [need for need in wanted if need not in implied]


def _ordered(levels: list[list[Place]], chains: Mapping[tuple[str, str], list[Place]]) -> list[list[Place]]:
    above: dict[Place, list[Place]] = {}
    below: dict[Place, list[Place]] = {}
    for chain in chains.values():
        for upper, lower in pairwise(chain):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    starts = [[levels[0][turn:] + levels[0][:turn], *levels[1:]] for turn in range(min(len(levels[0]), STARTS_MAX))]
    tried = [_swept(start, above, below) for start in starts]
    return min(tried, key=lambda order: _crossings(order, below))


def _crossings(levels: list[list[Place]], below: Mapping[Place, list[Place]]) -> int:
    """How many pairs of edges between neighbouring levels cross. Of a level, `EDGES_MAX` are looked at."""
    count = 0
    for upper, lower in pairwise(levels):
        at = {place: index for index, place in enumerate(lower)}
        ends = [sorted(at[end] for end in below.get(place, ())) for place in upper]
        edges = [(index, end) for index, of_place in enumerate(ends) for end in of_place][:EDGES_MAX]
        count += sum(a < b and x > y for a, x in edges for b, y in edges)
    return count


def _swept(
    levels: list[list[Place]], above: Mapping[Place, list[Place]], below: Mapping[Place, list[Place]]
) -> list[list[Place]]:
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        order = range(1, len(levels)) if down else range(len(levels) - 2, -1, -1)
        for number in order:
            beside = levels[number - 1] if down else levels[number + 1]
            linked = above if down else below
            at = {place: index / max(len(beside) - 1, 1) for index, place in enumerate(beside)}
            levels[number] = _by_middle(levels[number], linked, at)
    return levels


def _by_middle(level: list[Place], linked: Mapping[Place, list[Place]], at: Mapping[Place, float]) -> list[Place]:
    """Sort by the mean place of what each is linked to; what is linked to nothing keeps its own."""
    keys: dict[Place, float] = {}
    for index, place in enumerate(level):
        ends = [at[other] for other in linked.get(place, ())]
        keys[place] = sum(ends) / len(ends) if ends else index / max(len(level) - 1, 1)
    return sorted(level, key=lambda place: keys[place])
