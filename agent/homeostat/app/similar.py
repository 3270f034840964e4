"""Past incidents of the same policy that looked alike when the first decision was made."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from homeostat.learn.labels import last_effective
from homeostat.learn.trace import IncidentTrace
from homeostat.model.signals import Value

SIMILAR_MAX = 5


@dataclass(frozen=True, slots=True)
class Similar:
    """A past incident; `distance` is 0..1, `cured_by` the step that was effective last."""

    incident: str
    opened_at: float
    result: str
    cured_by: str | None
    distance: float


def nearest(of: IncidentTrace, others: Iterable[IncidentTrace]) -> list[Similar]:
    """The `SIMILAR_MAX` nearest, nearest first: the mean over signals of Gower's distance (Gower 1971)."""
    known = [other for other in others if other.id != of.id and other.decisions]
    if not of.decisions:
        return []
    context = of.decisions[0].context
    spans = _spans(context, [context, *(other.decisions[0].context for other in known)])
    found = (
        Similar(
            other.id,
            other.opened_at,
            str(other.result or "open"),
            cure.node if (cure := last_effective(other.attempts.values())) else None,
            _distance(context, other.decisions[0].context, spans),
        )
        for other in known
    )
    return heapq.nsmallest(SIMILAR_MAX, found, key=lambda one: (one.distance, -one.opened_at))


def _spans(names: Iterable[str], contexts: list[Mapping[str, Value]]) -> dict[str, float]:
    spans = {}
    for name in names:
        values = [value for context in contexts if isinstance(value := context.get(name), (int, float))]
        spans[name] = max(values) - min(values) if values else 0.0
    return spans


def _distance(one: Mapping[str, Value], other: Mapping[str, Value], spans: Mapping[str, float]) -> float:
    return sum(_apart(value, other.get(name), spans[name]) for name, value in one.items()) / len(one) if one else 0.0


def _apart(one: Value, other: Value, span: float) -> float:
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return abs(one - other) / span if span else 0.0
    return 0.0 if one == other else 1.0
