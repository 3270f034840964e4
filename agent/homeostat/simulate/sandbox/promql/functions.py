"""Functions of instant vectors and scalars, and of none."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from homeostat.simulate.sandbox.promql import arithmetic
from homeostat.simulate.sandbox.promql.arithmetic import NAN, divide, larger, smaller
from homeostat.simulate.sandbox.promql.errors import ExecutionFailed
from homeostat.simulate.sandbox.promql.evaluation import Evaluation, ScalarNode, Times, Vector, VectorNode, unique
from homeostat.simulate.sandbox.promql.labels import (
    NO_LABELS,
    Labels,
    is_label_name,
    label_value,
    with_label,
    without_metric_name,
)
from homeostat.simulate.sandbox.promql.ordering import Worse, best_first
from homeostat.simulate.sandbox.promql.regex import expand
from homeostat.simulate.sandbox.promql.selectors import Selector


@dataclass(frozen=True, slots=True)
class Number(ScalarNode):
    """A number literal."""

    value: float

    def _scalars(self, run: Evaluation, times: Times) -> list[float]:  # noqa: ARG002 - the base's signature
        return [self.value] * len(times)


@dataclass(frozen=True, slots=True)
class Now(ScalarNode):
    """`time()`: the step's time in seconds."""

    def _scalars(self, run: Evaluation, times: Times) -> list[float]:  # noqa: ARG002 - the base's signature
        return [time / 1000 for time in times]


@dataclass(frozen=True, slots=True)
class FromVector(ScalarNode):
    """`scalar(vector)`: the value of the only element; NaN when there is none or are several."""

    vector: VectorNode

    def _scalars(self, run: Evaluation, times: Times) -> list[float]:
        return [vector[0][1] if len(vector) == 1 else NAN for vector in self.vector.vectors(run, times)]


@dataclass(frozen=True, slots=True)
class FromScalar(VectorNode):
    """`vector(scalar)`: one element without labels."""

    scalar: ScalarNode

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        return [[(NO_LABELS, value)] for value in self.scalar.scalars(run, times)]


@dataclass(frozen=True, slots=True)
class Elementwise(VectorNode):
    """A function of each value and of scalars; the name goes. An element whose result is None goes too."""

    function: Callable[..., float | None]
    vector: VectorNode
    parameters: tuple[ScalarNode, ...] = ()

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        found: list[Vector] = []
        parameters = [parameter.scalars(run, times) for parameter in self.parameters]
        for index, vector in enumerate(self.vector.vectors(run, times)):
            arguments = [values[index] for values in parameters]
            results = [(without_metric_name(labels), self.function(value, *arguments)) for labels, value in vector]
            found.append([(labels, value) for labels, value in results if value is not None])
        return unique(found)


@dataclass(frozen=True, slots=True)
class Timestamp(VectorNode):
    """`timestamp(vector)`: of a selector the time of each sample, of anything else the step's time; in seconds."""

    vector: VectorNode

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        if isinstance(self.vector, Selector):
            return unique(
                [
                    [(without_metric_name(each.labels), each.time_ms / 1000) for each in step]
                    for step in self.vector.sampled(run, times)
                ]
            )
        return unique(
            [
                [(without_metric_name(labels), time / 1000) for labels, _ in vector]
                for time, vector in zip(times, self.vector.vectors(run, times), strict=True)
            ]
        )


@dataclass(frozen=True, slots=True)
class Absent(VectorNode):
    """`absent(vector)`: 1 when the vector is empty."""

    vector: VectorNode
    labels: Labels

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        return [[] if vector else [(self.labels, 1.0)] for vector in self.vector.vectors(run, times)]


@dataclass(frozen=True, slots=True)
class Sorted(VectorNode):
    """`sort(vector)` and `sort_desc(vector)`; NaN comes last either way."""

    vector: VectorNode
    worse: Worse

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        return [best_first(vector, self.worse) for vector in self.vector.vectors(run, times)]


@dataclass(frozen=True, slots=True)
class LabelReplace(VectorNode):
    """`label_replace(vector, target, template, source, pattern)`: sets `target` where the source label matches."""

    vector: VectorNode
    target: str
    template: str
    source: str
    pattern: re.Pattern[str]

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        return unique(
            [
                [(self._replaced(labels), value) for labels, value in vector]
                for vector in self.vector.vectors(run, times)
            ]
        )

    def _replaced(self, labels: Labels) -> Labels:
        found = self.pattern.fullmatch(label_value(labels, self.source))
        return labels if found is None else with_label(labels, self.target, expand(self.template, found))


@dataclass(frozen=True, slots=True)
class LabelJoin(VectorNode):
    """`label_join(vector, target, separator, source, ...)`: the source labels' values, joined."""

    vector: VectorNode
    target: str
    separator: str
    sources: tuple[str, ...]

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        return unique(
            [[(self._joined(labels), value) for labels, value in vector] for vector in self.vector.vectors(run, times)]
        )

    def _joined(self, labels: Labels) -> Labels:
        return with_label(labels, self.target, self.separator.join(label_value(labels, name) for name in self.sources))


def clamp(value: float, lowest: float, highest: float) -> float | None:
    """`value` within bounds; nothing when the bounds are crossed."""
    return None if highest < lowest else larger(lowest, smaller(highest, value))


def round_to(value: float, nearest: float = 1.0) -> float:
    """The nearest multiple of `nearest`, halves up."""
    inverse = divide(1.0, nearest)
    return divide(arithmetic.floor(value * inverse + 0.5), inverse)


ELEMENTWISE: dict[str, Callable[..., float | None]] = {
    "abs": abs,
    "ceil": arithmetic.ceil,
    "floor": arithmetic.floor,
    "round": round_to,
    "exp": arithmetic.exponential,
    "ln": arithmetic.logarithm(math.log),
    "log2": arithmetic.logarithm(math.log2),
    "log10": arithmetic.logarithm(math.log10),
    "sqrt": arithmetic.square_root,
    "sgn": arithmetic.sign,
    "clamp": clamp,
    "clamp_min": lambda value, lowest: larger(lowest, value),
    "clamp_max": lambda value, highest: smaller(highest, value),
}


def check_label_name(name: str, function: str, role: str = "destination") -> None:
    """Refuse what cannot name a label.

    Raises:
        ExecutionFailed: `name` is no label name.
    """
    if not is_label_name(name):
        raise ExecutionFailed(f"invalid {role} label name in {function}(): {name}")
