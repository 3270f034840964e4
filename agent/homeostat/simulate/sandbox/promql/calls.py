"""Which functions the sandbox knows, and how a call of each becomes a node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from homeostat.simulate.sandbox.promql.errors import BadQuery, ExecutionFailed, NotSupported
from homeostat.simulate.sandbox.promql.evaluation import Node, RangeNode, ScalarNode, Text, VectorNode
from homeostat.simulate.sandbox.promql.functions import (
    ELEMENTWISE,
    Absent,
    Elementwise,
    FromScalar,
    FromVector,
    LabelJoin,
    LabelReplace,
    Now,
    Sorted,
    Timestamp,
    check_label_name,
)
from homeostat.simulate.sandbox.promql.histogram import HistogramQuantile
from homeostat.simulate.sandbox.promql.labels import METRIC_NAME, Labels, labels_of
from homeostat.simulate.sandbox.promql.matchers import Matcher
from homeostat.simulate.sandbox.promql.ordering import larger_is_worse, smaller_is_worse
from homeostat.simulate.sandbox.promql.over_time import (
    RANGE_FUNCTIONS,
    AbsentOverTime,
    OverTime,
    QuantileOverTime,
)
from homeostat.simulate.sandbox.promql.regex import compile_anchored
from homeostat.simulate.sandbox.promql.selectors import RangeSelector, Selector


@dataclass(frozen=True, slots=True)
class Arguments:
    """A call's arguments, planned. The parser has checked their number and types; these say so to the reader."""

    function: str
    nodes: tuple[Node, ...]

    def scalar(self, index: int) -> ScalarNode:
        """The argument as a scalar."""
        node = self.nodes[index]
        return node if isinstance(node, ScalarNode) else self._refuse(index, "a scalar")

    def vector(self, index: int) -> VectorNode:
        """The argument as an instant vector."""
        node = self.nodes[index]
        return node if isinstance(node, VectorNode) else self._refuse(index, "an instant vector")

    def ranged(self, index: int) -> RangeNode:
        """The argument as a range vector."""
        node = self.nodes[index]
        return node if isinstance(node, RangeNode) else self._refuse(index, "a range vector")

    def text(self, index: int) -> str:
        """The argument as a string."""
        node = self.nodes[index]
        return node.value if isinstance(node, Text) else self._refuse(index, "a string")

    def _refuse(self, index: int, wanted: str) -> NoReturn:
        raise BadQuery(f"argument {index + 1} of {self.function}() must be {wanted}")


def plan_call(arguments: Arguments) -> Node:
    """Make the node for a call.

    Raises:
        NotSupported: Prometheus may know the function, the sandbox does not.
    """
    plan = CALLS.get(arguments.function)
    if plan is None:
        raise NotSupported(f"the function {arguments.function}()")
    return plan(arguments)


def _over_time(arguments: Arguments) -> Node:
    name = arguments.function
    return OverTime(RANGE_FUNCTIONS[name], arguments.ranged(0), keeps_name=name == "last_over_time")


def _elementwise(arguments: Arguments) -> Node:
    parameters = tuple(arguments.scalar(index) for index in range(1, len(arguments.nodes)))
    return Elementwise(ELEMENTWISE[arguments.function], arguments.vector(0), parameters)


def _absent(arguments: Arguments) -> Node:
    vector = arguments.vector(0)
    return Absent(vector, _expected_labels(vector.matchers if isinstance(vector, Selector) else ()))


def _absent_over_time(arguments: Arguments) -> Node:
    ranged = arguments.ranged(0)
    matchers = ranged.selector.matchers if isinstance(ranged, RangeSelector) else ()
    return AbsentOverTime(ranged, _expected_labels(matchers))


def _expected_labels(matchers: tuple[Matcher, ...]) -> Labels:
    """The labels that an absent series would have: those matched by `=`, once, and by nothing else after it."""
    expected: dict[str, str] = {}
    for matcher in matchers:
        if matcher.name == METRIC_NAME:
            continue
        first = matcher.operator == "=" and matcher.name not in expected
        expected[matcher.name] = matcher.value if first else ""
    return labels_of(expected)


def _timestamp(arguments: Arguments) -> Node:
    vector = arguments.vector(0)
    if isinstance(vector, Selector) and vector.shift.at is not None and vector.shift.offset_ms:
        # Prometheus 2.42 forgets the offset here, but reads only the samples up to it.
        raise NotSupported("timestamp() of a selector with both @ and offset")
    return Timestamp(vector)


def _label_replace(arguments: Arguments) -> Node:
    target, template, source, pattern = (arguments.text(index) for index in range(1, 5))
    try:
        compiled = compile_anchored(pattern)
    except NotSupported:
        raise
    except BadQuery:
        raise ExecutionFailed(f"invalid regular expression in label_replace(): {pattern}") from None
    check_label_name(target, "label_replace")
    return LabelReplace(arguments.vector(0), target, template, source, compiled)


def _label_join(arguments: Arguments) -> Node:
    texts = [arguments.text(index) for index in range(1, len(arguments.nodes))]
    target, separator, *sources = texts
    for source in sources:
        check_label_name(source, "label_join", role="source")
    check_label_name(target, "label_join")
    return LabelJoin(arguments.vector(0), target, separator, tuple(sources))


CALLS: dict[str, Callable[[Arguments], Node]] = {
    **dict.fromkeys(RANGE_FUNCTIONS, _over_time),
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "quantile_over_time": lambda given: QuantileOverTime(given.scalar(0), given.ranged(1)),
    "histogram_quantile": lambda given: HistogramQuantile(given.scalar(0), given.vector(1)),
    "label_replace": _label_replace,
    "label_join": _label_join,
    "scalar": lambda given: FromVector(given.vector(0)),
    "vector": lambda given: FromScalar(given.scalar(0)),
    "time": lambda given: Now(),  # noqa: ARG005 - one signature for all
    "timestamp": _timestamp,
    "sort": lambda given: Sorted(given.vector(0), larger_is_worse),
    "sort_desc": lambda given: Sorted(given.vector(0), smaller_is_worse),
}
