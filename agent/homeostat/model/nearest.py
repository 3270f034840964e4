"""The nearest right name to a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from heapq import nlargest
from itertools import pairwise

_LENGTH_MAX = 100
_COMPARED_MAX = 10
"""Comparing two names costs up to a millisecond, so of many names only those with the most letter pairs in common."""


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Give `; did you mean 'x'?` for the nearest known name, or nothing if none is near."""
    wrong, names = wrong[:_LENGTH_MAX], list(known)
    if len(names) > _COMPARED_MAX:
        pairs = _pairs(wrong)
        names = nlargest(_COMPARED_MAX, names, key=lambda name: _alike(pairs, _pairs(name)))
    nearest = get_close_matches(wrong, names, n=1, cutoff=0.6)
    return f"; did you mean '{nearest[0]}'?" if nearest else ""


def _pairs(name: str) -> set[str]:
    """The letters of a name, and each with the next."""
    return {*name[:_LENGTH_MAX], *map("".join, pairwise(name[:_LENGTH_MAX]))}


def _alike(one: set[str], other: set[str]) -> float:
    """Share of what they have in common (Dice, 1945)."""
    return 2.0 * len(one & other) / (len(one) + len(other) or 1)
