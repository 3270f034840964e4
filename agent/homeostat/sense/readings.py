"""From the series an expression yielded to a signal's reading."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from homeostat.model.signals import Absence, Reading, SignalSpec, SignalType
from homeostat.sense.envelope import Series
from homeostat.sense.excerpt import excerpt
from homeostat.sense.freshness import freshness_queries, sampled_at
from homeostat.sense.inquiry import Findings
from homeostat.sense.promql import Expression
from homeostat.sense.quarantine import Fault

_LABEL_SETS_MAX = 3


def make_reading(spec: SignalSpec, expression: Expression, findings: Findings, at: float) -> Reading:
    """Give a signal's reading as of `at`. Whatever is not exactly one usable value is absent, and says why."""
    if expression.refusal is not None:
        return Reading(absence=Absence.REFUSED, detail=expression.refusal)
    if spec.type is SignalType.TEXT and not spec.label:
        return Reading(absence=Absence.REFUSED, detail="a text signal must name the label that holds its value")
    freshness = freshness_queries(expression)
    for query in (expression.query, *freshness):
        fault = findings.faults.get(query)
        if fault is not None:
            return Reading(absence=fault.absence, detail=fault.detail)
    newest = sampled_at(freshness, findings.series, at)
    series = findings.series[expression.query]
    found = _text(series, spec.label) if spec.type is SignalType.TEXT and spec.label else _number(series)
    if isinstance(found, Fault):
        return Reading(sampled_at=newest, absence=found.absence, detail=found.detail)
    if newest is None:
        detail = f"it yields {found!r}, but no series it reads has a live sample: {', '.join(expression.selectors)}"
        return Reading(absence=Absence.MISSING, detail=excerpt(detail))
    return Reading(value=found, sampled_at=newest)


def _number(series: Sequence[Series]) -> float | Fault:
    if not series:
        return Fault(Absence.MISSING, "no series matches")
    if len(series) > 1:
        return _ambiguous(series)
    number = series[0].number()
    if number is None:
        return _not_a_number(series[0])
    if not math.isfinite(number):
        # 0/0 and x/0: no comparison with either says anything about the world.
        return Fault(Absence.NAN, f"the value is {'NaN' if math.isnan(number) else f'{number:+}'}; no data, or x/0")
    return number


def _text(series: Sequence[Series], label: str) -> str | Fault:
    """Give the label's value of the one series that is not 0, as state sets and info metrics have it."""
    current = []
    for one in series:
        number = one.number()
        if number is None:
            return _not_a_number(one)
        if math.isnan(number):
            return Fault(Absence.NAN, f"the series {_labels(one)} is NaN")
        if number != 0:
            current.append(one)
    if not current:
        return Fault(Absence.MISSING, "no series is other than 0" if series else "no series matches")
    if len(current) > 1:
        return _ambiguous(current)
    value = current[0].metric.get(label)
    if not value:
        return Fault(Absence.MISSING, f"the series {_labels(current[0])} has no label '{label}'")
    return value


def _ambiguous(series: Sequence[Series]) -> Fault:
    shown = ", ".join(_labels(one) for one in series[:_LABEL_SETS_MAX])
    more = ", ..." if len(series) > _LABEL_SETS_MAX else ""
    return Fault(Absence.AMBIGUOUS, excerpt(f"{len(series)} series instead of one: {shown}{more}"))


def _not_a_number(one: Series) -> Fault:
    what = "a native histogram" if one.value is None else f"the value {excerpt(one.value[1], 40)!r}"
    return Fault(Absence.NAN, f"{what} is not a number")


def _labels(one: Series) -> str:
    labels = {name: value for name, value in one.metric.items() if name != "__name__"}
    inside = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(labels.items()))
    return excerpt(f"{one.metric.get('__name__', '')}{{{inside}}}", 90)
