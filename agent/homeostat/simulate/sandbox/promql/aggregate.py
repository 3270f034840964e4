"""Aggregations over the elements of a vector: `sum by (...)`, `topk`, `quantile` and the rest."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from homeostat.simulate.sandbox.promql.arithmetic import format_plain, quantile, square_root
from homeostat.simulate.sandbox.promql.errors import ExecutionFailed
from homeostat.simulate.sandbox.promql.evaluation import Evaluation, ScalarNode, Times, Vector, VectorNode, unique
from homeostat.simulate.sandbox.promql.labels import (
    METRIC_NAME,
    NO_LABELS,
    Labels,
    only_labels,
    with_label,
    without_labels,
)
from homeostat.simulate.sandbox.promql.ordering import Worse, best_first, larger_is_worse, smaller_is_worse


@dataclass(frozen=True, slots=True)
class Grouping:
    """`by (labels)`, or `without (labels)`."""

    labels: frozenset[str] = frozenset()
    without: bool = False

    def key(self, labels: Labels) -> Labels:
        """The labels of the group that an element belongs to."""
        if self.without:
            return without_labels(labels, self.labels | {METRIC_NAME})
        return only_labels(labels, self.labels) if self.labels else NO_LABELS

    def groups(self, vector: Vector) -> dict[Labels, Vector]:
        """The elements of each group, groups in order of their first element."""
        groups: dict[Labels, Vector] = {}
        for element in vector:
            groups.setdefault(self.key(element[0]), []).append(element)
        return groups


@dataclass(frozen=True, slots=True)
class Aggregation(VectorNode):
    """One value for each group."""

    function: Callable[[Sequence[float]], float]
    vector: VectorNode
    grouping: Grouping

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        return [self._step(vector) for vector in self.vector.vectors(run, times)]

    def _step(self, vector: Vector) -> Vector:
        groups = self.grouping.groups(vector)
        return [(key, self.function([value for _, value in members])) for key, members in groups.items()]


@dataclass(frozen=True, slots=True)
class Quantile(VectorNode):
    """`quantile(rank, vector)`."""

    rank: ScalarNode
    vector: VectorNode
    grouping: Grouping

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        ranks = self.rank.scalars(run, times)
        return [
            [
                (key, quantile(rank, [value for _, value in members]))
                for key, members in self.grouping.groups(vector).items()
            ]
            for rank, vector in zip(ranks, self.vector.vectors(run, times), strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Ranked(VectorNode):
    """`topk(k, vector)` and `bottomk(k, vector)`: whole elements, best first; NaN comes last."""

    count: ScalarNode
    vector: VectorNode
    grouping: Grouping
    largest: bool

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        counts = self.count.scalars(run, times)
        return [
            self._step(_whole(count), vector)
            for count, vector in zip(counts, self.vector.vectors(run, times), strict=True)
        ]

    def _step(self, count: int, vector: Vector) -> Vector:
        if count < 1:
            return []
        worse = smaller_is_worse if self.largest else larger_is_worse
        groups = self.grouping.groups(vector).values()
        return [element for members in groups for element in best_first(_best(members, count, worse), worse)]


@dataclass(frozen=True, slots=True)
class CountValues(VectorNode):
    """`count_values("label", vector)`: how many elements have each value."""

    label: str
    vector: VectorNode
    grouping: Grouping

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        return unique([self._step(vector) for vector in self.vector.vectors(run, times)])

    def _step(self, vector: Vector) -> Vector:
        counts: dict[Labels, float] = {}
        for labels, value in vector:
            key = self.grouping.key(with_label(labels, self.label, format_plain(value)))
            if not self.grouping.without:
                key = with_label(key, self.label, format_plain(value))
            counts[key] = counts.get(key, 0.0) + 1.0
        return list(counts.items())


def _whole(count: float) -> int:
    if math.isnan(count) or not -(2.0**63) <= count <= 2.0**63:
        raise ExecutionFailed(f"Scalar value {format_plain(count)} overflows int64")
    return int(count)


def _best(members: Vector, count: int, worse: Worse) -> Vector:
    """The `count` best, as a binary heap keeps them, so that ties fall as in Prometheus (Go's container/heap)."""
    heap: Vector = []
    for element in members:
        if len(heap) == count:
            if not worse(heap[0][1], element[1]):
                continue
            heap[0] = heap[-1]
            heap.pop()
            _sift_down(heap, worse)
        heap.append(element)
        _sift_up(heap, worse)
    return heap


def _sift_up(heap: Vector, worse: Worse) -> None:
    child = len(heap) - 1
    while child > 0:
        parent = (child - 1) // 2
        if not worse(heap[child][1], heap[parent][1]):
            return
        heap[child], heap[parent] = heap[parent], heap[child]
        child = parent


def _sift_down(heap: Vector, worse: Worse) -> None:
    parent = 0
    while (child := 2 * parent + 1) < len(heap):
        if child + 1 < len(heap) and worse(heap[child + 1][1], heap[child][1]):
            child += 1
        if not worse(heap[child][1], heap[parent][1]):
            return
        heap[child], heap[parent] = heap[parent], heap[child]
        parent = child


def _sum(values: Sequence[float]) -> float:
    total = values[0]
    for value in values[1:]:
        total += value
    return total


def _average(values: Sequence[float]) -> float:
    mean = values[0]
    for count, value in enumerate(values[1:], start=2):
        if math.isinf(mean) and (value == mean or math.isfinite(value)):
            continue  # an infinite mean stays; subtracting would make it NaN
        mean += value / count - mean / count
    return mean


def _variance(values: Sequence[float]) -> float:
    """Welford's method (Technometrics 4, 1962)."""
    mean, squares = values[0], 0.0
    for count, value in enumerate(values[1:], start=2):
        delta = value - mean
        mean += delta / count
        squares += delta * (value - mean)
    return squares / len(values)


def _lowest(values: Sequence[float]) -> float:
    best = values[0]
    for value in values:
        if value < best or math.isnan(best):
            best = value
    return best


def _highest(values: Sequence[float]) -> float:
    best = values[0]
    for value in values:
        if value > best or math.isnan(best):
            best = value
    return best


AGGREGATIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": _sum,
    "avg": _average,
    "min": _lowest,
    "max": _highest,
    "count": lambda values: float(len(values)),
    "group": lambda values: 1.0,  # noqa: ARG005 - one signature for all
    "stdvar": _variance,
    "stddev": lambda values: square_root(_variance(values)),
}
