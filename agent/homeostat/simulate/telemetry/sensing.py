"""Signals over a telemetry recording: what the Prometheus sensor would have read at every tick.

The expression, the query for its samples' age and what makes a reading absent are the sensor's own; only the one who
answers is another: the sandbox's PromQL over the recorded samples instead of a server.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from homeostat.model.errors import UsageError
from homeostat.model.signals import Absence, Reading, SignalSpec
from homeostat.record.telemetry import Telemetry
from homeostat.sense.envelope import Series
from homeostat.sense.freshness import freshness_queries
from homeostat.sense.inquiry import Findings
from homeostat.sense.promql import Expression, read_expression
from homeostat.sense.quarantine import Fault
from homeostat.sense.readings import make_reading
from homeostat.simulate.sandbox.promql import Engine, QueryError, ScalarResult, VectorResult
from homeostat.simulate.sandbox.promql.arithmetic import format_value
from homeostat.simulate.sandbox.promql.evaluation import Vector
from homeostat.simulate.telemetry.frame import Frame
from homeostat.simulate.telemetry.samples import RecordedSamples

LOOKBACK_INTERVALS = 3
"""An export carries no staleness markers: a series counts as gone after so many intervals without a sample."""

TICKS_MAX = 1_000_000
TICKS_AT_ONCE = 250
"""Evaluated together; the engine's bound on samples holds for all of them."""

_Answer = list[Series] | Fault


def lookback_s(telemetry: Telemetry) -> float:
    """How old a sample may be that an instant selector answers with."""
    return LOOKBACK_INTERVALS * telemetry.interval_s()


def read_frame(telemetry: Telemetry, signals: Mapping[str, SignalSpec], every_s: float | None = None) -> Frame:
    """Read every signal at every tick, from the first sample to the last.

    Args:
        telemetry: the recorded samples.
        signals: by name, as the policy declares them.
        every_s: how far apart ticks are; None: the recording's own interval.

    Raises:
        UsageError: the ticks are no seconds, or too many.
    """
    step_s = telemetry.interval_s() if every_s is None else every_s
    if not (math.isfinite(step_s) and step_s >= 0.001):
        raise UsageError(f"ticks {step_s} s apart make no sense; a tick is at least 0.001 s")
    count = int((telemetry.end_s - telemetry.start_s) / step_s) + 1
    if count > TICKS_MAX:
        raise UsageError(f"that is {count} ticks; at most {TICKS_MAX}: cut the recording, or put ticks further apart")
    first_ms, step_ms = round(telemetry.start_s * 1000), step_s * 1000
    times_ms = [first_ms + round(tick * step_ms) for tick in range(count)]
    engine = Engine(RecordedSamples(telemetry), lookback_s=lookback_s(telemetry))
    return _Sensing(engine, signals, times_ms).frame()


class _Sensing:
    """Asks each query once for all ticks, however many signals share it."""

    def __init__(self, engine: Engine, signals: Mapping[str, SignalSpec], times_ms: Sequence[int]) -> None:
        self._engine = engine
        self._signals = signals
        self._times_ms = times_ms
        self._answers: dict[str, list[_Answer]] = {}
        self._notes: dict[str, None] = {}

    def frame(self) -> Frame:
        at = [time / 1000 for time in self._times_ms]
        readings = {name: self._readings(spec, at) for name, spec in self._signals.items()}
        return Frame(at, dict(self._signals), readings, tuple(self._notes))

    def _readings(self, spec: SignalSpec, at: Sequence[float]) -> list[Reading]:
        expression = read_expression(spec.expr)
        queries = () if expression.refusal is not None else (expression.query, *freshness_queries(expression))
        for query in queries:
            if query not in self._answers:
                self._answers[query] = self._ask(query)
        readings = [make_reading(spec, expression, self._findings(queries, tick), at[tick]) for tick in range(len(at))]
        self._note(spec, expression, readings)
        return readings

    def _findings(self, queries: Sequence[str], tick: int) -> Findings:
        findings = Findings()
        for query in queries:
            answer = self._answers[query][tick]
            if isinstance(answer, Fault):
                findings.faults[query] = answer
            else:
                findings.series[query] = answer
        return findings

    def _note(self, spec: SignalSpec, expression: Expression, readings: Sequence[Reading]) -> None:
        if expression.refusal is not None:
            self._notes[f"{spec.name} is unknown throughout: {expression.refusal}"] = None
        elif all(reading.absence is not None for reading in readings):
            why = readings[0].detail or readings[0].absence
            self._notes[f"{spec.name} is unknown throughout: {why}"] = None

    def _ask(self, query: str) -> list[_Answer]:
        answers: list[_Answer] = []
        for first in range(0, len(self._times_ms), TICKS_AT_ONCE):
            some = self._times_ms[first : first + TICKS_AT_ONCE]
            try:
                vectors = self._engine.at_each(query, some)
            except QueryError:  # of one tick perhaps, or of the ticks together: each is asked by itself
                answers += [self._ask_once(query, time) for time in some]
            else:
                answers += [_series(vector, time) for vector, time in zip(vectors, some, strict=True)]
        return answers

    def _ask_once(self, query: str, time_ms: int) -> _Answer:
        try:
            result = self._engine.instant(query, time_ms)
        except QueryError as error:
            return Fault(Absence.REFUSED, str(error))
        match result:
            case VectorResult():
                return _series(result.elements, time_ms)
            case ScalarResult():
                return _series([((), result.value)], time_ms)
            case _:
                return Fault(Absence.REFUSED, "it yields no instant vector")


def _series(vector: Vector, time_ms: int) -> list[Series]:
    return [Series(dict(labels), (time_ms / 1000, format_value(value))) for labels, value in vector]
