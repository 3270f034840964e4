"""Ranks of values in which NaN has a place, and the sort that Prometheus answers `sort` and `topk` with."""

from __future__ import annotations

import math
from collections.abc import Callable

from homeostat.simulate.sandbox.promql.evaluation import Vector

Worse = Callable[[float, float], bool]
"""Whether the first value ranks below the second. NaN ranks below everything, itself included."""

_INSERTION_MAX = 12


def smaller_is_worse(left: float, right: float) -> bool:
    """The rank of `topk` and `sort_desc`."""
    return math.isnan(left) or left < right


def larger_is_worse(left: float, right: float) -> bool:
    """The rank of `bottomk` and `sort`."""
    return math.isnan(left) or left > right


def best_first(vector: Vector, worse: Worse) -> Vector:
    """Sort as Go does: by insertion up to 12 elements; beyond that Go leaves the order of ties open."""
    if len(vector) > _INSERTION_MAX:
        numbers = [element for element in vector if not math.isnan(element[1])]
        numbers.sort(key=lambda element: element[1], reverse=worse(0.0, 1.0))
        return numbers + [element for element in vector if math.isnan(element[1])]
    ordered = list(vector)
    for start in range(1, len(ordered)):
        at = start
        while at > 0 and worse(ordered[at - 1][1], ordered[at][1]):
            ordered[at], ordered[at - 1] = ordered[at - 1], ordered[at]
            at -= 1
    return ordered
