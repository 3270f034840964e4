"""Binary operators: arithmetic, comparisons and set operators, with Prometheus' vector matching."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from enum import Enum

from homeostat.simulate.sandbox.promql.arithmetic import ARITHMETIC, COMPARISONS
from homeostat.simulate.sandbox.promql.errors import ExecutionFailed
from homeostat.simulate.sandbox.promql.evaluation import (
    Evaluation,
    NameDropping,
    ScalarNode,
    Times,
    Vector,
    VectorNode,
    unique,
)
from homeostat.simulate.sandbox.promql.labels import (
    METRIC_NAME,
    Labels,
    label_value,
    only_labels,
    with_label,
    without_labels,
    without_metric_name,
)


class Cardinality(Enum):
    """How many elements of the left side may match how many of the right."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "group_left"
    ONE_TO_MANY = "group_right"


@dataclass(frozen=True, slots=True)
class Matching:
    """Which elements of two vectors belong together.

    Attributes:
        on: `labels` are those that count (`on`); else those that do not (`ignoring`).
        include: labels taken over from the side of the one (`group_left(include)`).
    """

    on: bool = False
    labels: frozenset[str] = frozenset()
    cardinality: Cardinality = Cardinality.ONE_TO_ONE
    include: tuple[str, ...] = ()
    _ignored: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ignored", self.labels | {METRIC_NAME})

    def signature(self, labels: Labels) -> Labels:
        """The labels by which an element is matched."""
        return only_labels(labels, self.labels) if self.on else without_labels(labels, self._ignored)


@dataclass(frozen=True, slots=True)
class Operator:
    """An arithmetic or comparison operator; `as_bool` makes a comparison give 0 or 1 instead of filtering."""

    symbol: str
    as_bool: bool = False

    @property
    def drops_name(self) -> bool:
        """Whether the result is another quantity than the left side, so that its name goes."""
        return self.as_bool or self.symbol in ARITHMETIC

    def apply(self, left: float, right: float) -> float | None:
        """The result's value; None: the element is filtered out. A comparison that holds gives the left value."""
        if self.symbol in ARITHMETIC:
            return ARITHMETIC[self.symbol](left, right)
        holds = COMPARISONS[self.symbol](left, right)
        if self.as_bool:
            return float(holds)
        return left if holds else None


@dataclass(frozen=True, slots=True)
class ScalarBinary(ScalarNode):
    """`scalar op scalar`; comparisons always with `bool`."""

    operator: Operator
    left: ScalarNode
    right: ScalarNode

    def _scalars(self, run: Evaluation, times: Times) -> list[float]:
        pairs = zip(self.left.scalars(run, times), self.right.scalars(run, times), strict=True)
        return [self._value(left, right) for left, right in pairs]

    def _value(self, left: float, right: float) -> float:
        value = self.operator.apply(left, right)
        assert value is not None, "the parser lets no comparison of scalars without bool pass"  # noqa: S101 - invariant
        return value


@dataclass(frozen=True, slots=True)
class VectorScalar(VectorNode):
    """`vector op scalar`, or `scalar op vector` when `scalar_first`."""

    operator: Operator
    vector: VectorNode
    scalar: ScalarNode
    scalar_first: bool

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        vectors = self.vector.vectors(run, times)
        scalars = self.scalar.scalars(run, times)
        return unique([self._step(vector, scalar) for vector, scalar in zip(vectors, scalars, strict=True)])

    def _step(self, vector: Vector, scalar: float) -> Vector:
        found: Vector = []
        operator = self.operator
        for labels, value in vector:
            result = operator.apply(scalar, value) if self.scalar_first else operator.apply(value, scalar)
            if result is None:
                continue
            if not operator.drops_name:
                result = value  # a filter keeps the vector's value, whichever side it stands on
            found.append((without_metric_name(labels) if operator.drops_name else labels, result))
        return found


@dataclass(frozen=True, slots=True)
class Negated(VectorNode):
    """`-vector`."""

    vector: VectorNode

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        drop_name = NameDropping()
        return [[(drop_name(labels), -value) for labels, value in vector] for vector in self.vector.vectors(run, times)]


@dataclass(frozen=True, slots=True)
class NegatedScalar(ScalarNode):
    """`-scalar`."""

    scalar: ScalarNode

    def _scalars(self, run: Evaluation, times: Times) -> list[float]:
        return [-value for value in self.scalar.scalars(run, times)]


@dataclass(frozen=True, slots=True)
class VectorPair(VectorNode):
    """An operator between two vectors. A long `a or b or c ...` is one loop, not a deep recursion."""

    left: VectorNode
    right: VectorNode

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        spine: list[VectorPair] = [self]
        while isinstance(below := spine[-1].left, VectorPair):
            spine.append(below)
        result = spine[-1].left.vectors(run, times)
        for pair in reversed(spine):
            result = pair.joined(result, pair.right.vectors(run, times))
            run.charge(sum(map(len, result)))
        return result

    def joined(self, lefts: list[Vector], rights: list[Vector]) -> list[Vector]:
        """Apply the operator to both sides, step by step."""
        return unique([self._combine(left, right) for left, right in zip(lefts, rights, strict=True)])

    @abstractmethod
    def _combine(self, left: Vector, right: Vector) -> Vector: ...


@dataclass(frozen=True, slots=True)
class SetOperation(VectorPair):
    """`and`, `or`, `unless`."""

    symbol: str
    matching: Matching

    def _combine(self, left: Vector, right: Vector) -> Vector:
        signature = self.matching.signature
        if self.symbol == "or":
            taken = {signature(labels) for labels, _ in left}
            return left + [element for element in right if signature(element[0]) not in taken]
        others = {signature(labels) for labels, _ in right}
        wanted = self.symbol == "and"
        return [element for element in left if (signature(element[0]) in others) is wanted]


@dataclass(frozen=True, slots=True)
class VectorBinary(VectorPair):
    """Arithmetic or a comparison between elements that match (prometheus 2.42, promql/engine.go, VectorBinop)."""

    operator: Operator
    matching: Matching

    def _combine(self, left: Vector, right: Vector) -> Vector:
        if not left or not right:
            return []
        swapped = self.matching.cardinality is Cardinality.ONE_TO_MANY
        many, one = (right, left) if swapped else (left, right)
        ones = self._ones(one, "left" if swapped else "right")
        matched: dict[Labels, set[Labels]] = {}
        found: Vector = []
        for labels, value in many:
            signature = self.matching.signature(labels)
            partner = ones.get(signature)
            if partner is None:
                continue
            pair = (partner[1], value) if swapped else (value, partner[1])
            result = self.operator.apply(*pair)
            if result is None:
                continue
            result_labels = self._labels(labels, partner[0])
            self._check_single(matched, signature, result_labels)
            found.append((result_labels, result))
        return found

    def _ones(self, one: Vector, side: str) -> dict[Labels, tuple[Labels, float]]:
        ones: dict[Labels, tuple[Labels, float]] = {}
        for element in one:
            signature = self.matching.signature(element[0])
            if signature in ones:
                group = ", ".join(f'{name}="{value}"' for name, value in signature)
                raise ExecutionFailed(
                    f"found duplicate series for the match group {{{group}}} on the {side} hand-side of the operation;"
                    "many-to-many matching not allowed: matching labels must be unique on one side"
                )
            ones[signature] = element
        return ones

    def _check_single(self, matched: dict[Labels, set[Labels]], signature: Labels, labels: Labels) -> None:
        already = matched.setdefault(signature, set())
        if self.matching.cardinality is Cardinality.ONE_TO_ONE and already:
            raise ExecutionFailed(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            )
        if labels in already:
            raise ExecutionFailed("multiple matches for labels: grouping labels must ensure unique matches")
        already.add(labels)

    def _labels(self, many: Labels, one: Labels) -> Labels:
        labels = without_metric_name(many) if self.operator.drops_name else many
        matching = self.matching
        if matching.cardinality is Cardinality.ONE_TO_ONE:
            choose = only_labels if matching.on else without_labels
            labels = choose(labels, matching.labels)
        for name in matching.include:
            labels = with_label(labels, name, label_value(one, name))
        return labels
