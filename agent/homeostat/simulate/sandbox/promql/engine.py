"""Evaluates PromQL at one moment or over a range of steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from homeostat.simulate.sandbox.promql.errors import BadQuery, NotSupported
from homeostat.simulate.sandbox.promql.evaluation import (
    Evaluation,
    RangeNode,
    SampleSource,
    ScalarNode,
    Text,
    Vector,
    VectorNode,
)
from homeostat.simulate.sandbox.promql.labels import NO_LABELS, Labels
from homeostat.simulate.sandbox.promql.planner import plan
from homeostat.simulate.sandbox.promql.selectors import by_series

STEPS_MAX = 11_000

Matrix = list[tuple[Labels, list[tuple[int, float]]]]
"""Series with their points (milliseconds, value)."""


@dataclass(frozen=True, slots=True)
class VectorResult:
    """Of an instant query for an instant vector."""

    elements: Vector
    at_ms: int


@dataclass(frozen=True, slots=True)
class MatrixResult:
    """Of a range query, and of an instant query for a range vector."""

    series: Matrix


@dataclass(frozen=True, slots=True)
class ScalarResult:
    """Of an instant query for a number."""

    value: float
    at_ms: int


@dataclass(frozen=True, slots=True)
class StringResult:
    """Of an instant query for a string."""

    text: str
    at_ms: int


Result = VectorResult | MatrixResult | ScalarResult | StringResult


class Engine:
    """PromQL over a source of samples, with the semantics of Prometheus 2.42.

    Attributes:
        lookback_s: how old a sample an instant selector may answer with.
        subquery_step_s: the step of a subquery that names none (Prometheus: the global evaluation interval).
        samples_max: how many samples and results one query may touch.
    """

    def __init__(
        self,
        source: SampleSource,
        *,
        lookback_s: float = 300.0,
        subquery_step_s: float = 60.0,
        samples_max: int = 5_000_000,
    ) -> None:
        self._source = source
        self._lookback_ms = round(lookback_s * 1000)
        self._subquery_step_ms = round(subquery_step_s * 1000)
        self._samples_max = samples_max

    def instant(self, query: str, at_ms: int) -> Result:
        """Evaluate at one moment.

        Raises:
            QueryError: the query is wrong, outside the subset, or fails over these samples.
        """
        node = plan(query)
        run = self._evaluation(at_ms, at_ms)
        with self._source.lock, _recursion_refused():
            match node:
                case Text():
                    return StringResult(node.value, at_ms)
                case RangeNode():
                    found = [(labels, windows[0]) for labels, windows in node.windows(run, [at_ms])]
                    return MatrixResult([(labels, window.points()) for labels, window in found if window.times_ms])
                case ScalarNode():
                    return ScalarResult(node.scalars(run, [at_ms])[0], at_ms)
                case VectorNode():
                    return VectorResult(node.vectors(run, [at_ms])[0], at_ms)

    def at_each(self, query: str, times_ms: Sequence[int]) -> list[Vector]:
        """Evaluate at every one of `times_ms`, which rise, all together: what `instant` gives at each.

        One budget of samples holds for all of them. Where one fails all do, and so do two series that a function
        leaves with the same labels at different times: ask `instant` then.

        Raises:
            QueryError: as `instant`; NotSupported also for `@`, whose `start()` and `end()` would be those of the
                whole, and for what yields no instant vector.
        """
        node = plan(query)
        if not isinstance(node, VectorNode) or "@" in query:
            raise NotSupported("to evaluate this at many times together")
        if not times_ms:
            return []
        run = self._evaluation(times_ms[0], times_ms[-1])
        with self._source.lock, _recursion_refused():
            return node.vectors(run, times_ms)

    def over_range(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> MatrixResult:
        """Evaluate at `start_ms` and every `step_ms` after it up to `end_ms`.

        Raises:
            QueryError: as `instant`; and when the range is upside down or has too many steps.
        """
        if end_ms < start_ms:
            raise BadQuery('invalid parameter "end": end timestamp must not be before start time')
        if step_ms <= 0:
            raise BadQuery(
                'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
                "Try a positive integer"
            )
        if (end_ms - start_ms) // step_ms > STEPS_MAX:
            raise BadQuery(
                f"exceeded maximum resolution of {STEPS_MAX:,} points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )
        node = plan(query)
        if isinstance(node, RangeNode | Text):
            kind = "string" if isinstance(node, Text) else "range vector"
            raise BadQuery(f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector')
        times = range(start_ms, end_ms + 1, step_ms)
        run = self._evaluation(start_ms, end_ms)
        with self._source.lock, _recursion_refused():
            if isinstance(node, ScalarNode):
                vectors = [[(NO_LABELS, value)] for value in node.scalars(run, times)]
            else:
                vectors = node.vectors(run, times)
        series = sorted(by_series(times, vectors).items())
        return MatrixResult([(labels, list(zip(*points, strict=True))) for labels, points in series])

    def _evaluation(self, start_ms: int, end_ms: int) -> Evaluation:
        return Evaluation(
            self._source, self._lookback_ms, self._subquery_step_ms, start_ms, end_ms, samples_left=self._samples_max
        )


@contextmanager
def _recursion_refused() -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise NotSupported("an expression nested this deeply") from None
