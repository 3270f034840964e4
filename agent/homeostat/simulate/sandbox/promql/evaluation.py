"""The parts that every node of a planned query shares: where samples come from, what a node gives, what it may cost.

A node is evaluated over all steps of a query at once: given the steps' times it gives one vector (or scalar) a step.
Times are whole milliseconds since the epoch, as in Prometheus.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from homeostat.simulate.sandbox.promql.errors import ExecutionFailed
from homeostat.simulate.sandbox.promql.labels import Labels, without_metric_name
from homeostat.simulate.sandbox.promql.matchers import Matcher

Vector = list[tuple[Labels, float]]
"""An instant vector: its labels are unique, its order is the one the API answers in."""

Times = Sequence[int]

_STALE_BITS = struct.pack("<Q", 0x7FF0000000000002)


def is_stale(value: float) -> bool:
    """Whether a value is Prometheus' staleness marker, a NaN of its own (prometheus, model/value)."""
    return value != value and struct.pack("<d", value) == _STALE_BITS


class Series(Protocol):
    """One series' samples, in order of time."""

    @property
    def labels(self) -> Labels:
        """The series' labels."""
        ...

    @property
    def times_ms(self) -> Sequence[int]:
        """When each sample was taken."""
        ...

    @property
    def values(self) -> Sequence[float]:
        """The samples' values."""
        ...


class SampleSource(Protocol):
    """What a query reads from."""

    @property
    def lock(self) -> AbstractContextManager[object]:
        """Held while a query reads, so that it sees one state."""
        ...

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Series]:
        """Series that pass every matcher and have a sample from `start_ms` to `end_ms`, sorted by labels."""
        ...


@dataclass(slots=True)
class Evaluation:
    """One run of a planned query.

    Attributes:
        start_ms, end_ms: the first and the last step of the whole query, for `@ start()` and `@ end()`.
        samples_left: how many samples and results it may still touch.
    """

    source: SampleSource
    lookback_ms: int
    subquery_step_ms: int
    start_ms: int
    end_ms: int
    samples_left: int

    def charge(self, samples: int) -> None:
        """Take `samples` off the budget.

        Raises:
            ExecutionFailed: the budget is spent.
        """
        self.samples_left -= samples
        if self.samples_left < 0:
            raise ExecutionFailed("query processing would load too many samples into memory in query execution")


class Window(NamedTuple):
    """A range vector's samples of one series at one step; both ends of the range count."""

    times_ms: Sequence[int]
    values: Sequence[float]
    start_ms: int
    end_ms: int

    def points(self) -> list[tuple[int, float]]:
        """The samples as pairs."""
        return list(zip(self.times_ms, self.values, strict=True))


class ScalarNode(ABC):
    """An expression that gives one number a step."""

    def scalars(self, run: Evaluation, times: Times) -> list[float]:
        """Give the number at each of `times`.

        Raises:
            ExecutionFailed: the query fails over these samples, or its budget is spent.
        """
        run.charge(len(times))
        return self._scalars(run, times)

    @abstractmethod
    def _scalars(self, run: Evaluation, times: Times) -> list[float]: ...


class VectorNode(ABC):
    """An expression that gives an instant vector a step."""

    def vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        """Give the vector at each of `times`.

        Raises:
            ExecutionFailed: the query fails over these samples, or its budget is spent.
        """
        found = self._vectors(run, times)
        run.charge(sum(map(len, found)))
        return found

    @abstractmethod
    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]: ...


class RangeNode(ABC):
    """An expression that gives a range vector a step."""

    def windows(self, run: Evaluation, times: Times) -> list[tuple[Labels, list[Window]]]:
        """Give each series, sorted by labels, with one window for each of `times`.

        Raises:
            ExecutionFailed: the query fails over these samples, or its budget is spent.
        """
        return self._windows(run, times)

    @abstractmethod
    def _windows(self, run: Evaluation, times: Times) -> list[tuple[Labels, list[Window]]]: ...


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal."""

    value: str


Node = ScalarNode | VectorNode | RangeNode | Text


def unique(vectors: list[Vector]) -> list[Vector]:
    """Check what a function or operator gave.

    Raises:
        ExecutionFailed: a step has two elements with the same labels.
    """
    for vector in vectors:
        if len(vector) > 1 and len({labels for labels, _ in vector}) != len(vector):
            raise ExecutionFailed("vector cannot contain metrics with the same labelset")
    return vectors


class NameDropping:
    """Takes the metric name off series; no two of them may end up with the same labels, at whatever step."""

    def __init__(self) -> None:
        self._origins: dict[Labels, Labels] = {}

    def __call__(self, labels: Labels) -> Labels:
        """Give `labels` without the name.

        Raises:
            ExecutionFailed: another series already has them.
        """
        named = without_metric_name(labels)
        if self._origins.setdefault(named, labels) != labels:
            raise ExecutionFailed("vector cannot contain metrics with the same labelset")
        return named
