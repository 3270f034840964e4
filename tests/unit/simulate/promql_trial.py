"""A store that is quick to fill, and answers that are quick to compare."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from homeostat.simulate.sandbox.promql import Engine, MatrixResult, ScalarResult, VectorResult
from homeostat.simulate.sandbox.store import SampleStore

T0 = 1_700_000_000
STALE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


class Trial:
    """Samples at T0, T0 + 10, T0 + 20 ... and PromQL over them; all times are given relative to T0."""

    def __init__(self, **engine_options: float) -> None:
        self.store = SampleStore(retention_s=1e6)
        self.engine = Engine(self.store, **engine_options)  # type: ignore[arg-type] # samples_max is whole

    def load(self, series: str, values: Iterable[float | None], *, every_s: float = 10, start_s: float = 0) -> Trial:
        """Fill a series written as `name` or `name{a=b,c=d}`; None leaves a gap."""
        metric, _, inside = series.rstrip("}").partition("{")
        labels = dict(pair.split("=") for pair in inside.split(",") if pair)
        for number, value in enumerate(values):
            if value is not None:
                self.store.append(metric, labels, T0 + start_s + number * every_s, value)
        return self

    def vector(self, query: str, at_s: float = 0) -> list[tuple[str, float]]:
        """The elements as (series, value), in order."""
        result = self.engine.instant(query, round((T0 + at_s) * 1000))
        assert isinstance(result, VectorResult)
        return [(spelled(labels), value) for labels, value in result.elements]

    def value(self, query: str, at_s: float = 0) -> float:
        """The value of the only element."""
        elements = self.vector(query, at_s)
        assert len(elements) == 1, elements
        return elements[0][1]

    def scalar(self, query: str, at_s: float = 0) -> float:
        """The value of a scalar expression."""
        result = self.engine.instant(query, round((T0 + at_s) * 1000))
        assert isinstance(result, ScalarResult)
        return result.value

    def matrix(self, query: str, start_s: float, end_s: float, step_s: float) -> dict[str, list[tuple[float, float]]]:
        """A range query's points, by series, times relative to T0."""
        start_ms, end_ms = round((T0 + start_s) * 1000), round((T0 + end_s) * 1000)
        return points(self.engine.over_range(query, start_ms, end_ms, round(step_s * 1000)))

    def window(self, query: str, at_s: float) -> dict[str, list[tuple[float, float]]]:
        """The points of an instant query for a range vector."""
        result = self.engine.instant(query, round((T0 + at_s) * 1000))
        assert isinstance(result, MatrixResult)
        return points(result)


def points(result: MatrixResult) -> dict[str, list[tuple[float, float]]]:
    """A matrix by series, times relative to T0."""
    return {
        spelled(labels): [((time_ms - T0 * 1000) / 1000, value) for time_ms, value in found]
        for labels, found in result.series
    }


def spelled(labels: Iterable[tuple[str, str]]) -> str:
    """Labels as `name{a=b}`."""
    pairs = dict(labels)
    name = pairs.pop("__name__", "")
    inside = ",".join(f"{key}={value}" for key, value in sorted(pairs.items()))
    return f"{name}{{{inside}}}" if inside else name
