"""Earlier incidents of the same policy that looked alike when they were confirmed, or that the same step cured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from homeostat.learn.labels import last_effective
from homeostat.learn.trace import IncidentTrace
from homeostat.model.reasons import Result
from homeostat.model.signals import Value

SIMILAR_MAX = 5
SAME_CURE_MAX = 3


@dataclass(frozen=True, slots=True)
class Past:
    """What is kept of an incident to be compared with.

    Attributes:
        took_s: from the opening to the recovery; None without one.
        signals: as they were known at the confirmation.
        cured_by: the step that was effective last.
    """

    incident: str
    opened_at: float
    closed_at: float | None
    result: Result | None
    took_s: float | None
    signals: Mapping[str, Value]
    cured_by: str | None


@dataclass(frozen=True, slots=True)
class Similar:
    """An earlier incident.

    Attributes:
        alike: 1 minus the distance of the signals at confirmation: 1 is alike in every one.
        differs_in: the signal that sets the two apart most; None where none does.
        nearest: it is among the nearest by signals; otherwise only its cure was the same.
    """

    past: Past
    alike: float
    differs_in: str | None
    nearest: bool


def past_of(trace: IncidentTrace) -> Past:
    """Keep of an incident what is compared."""
    cure = last_effective(trace.attempts.values())
    readings = trace.seen_confirmed.readings if trace.seen_confirmed is not None else {}
    return Past(
        trace.id,
        trace.opened_at,
        trace.closed_at,
        trace.result,
        None if trace.recovered_at is None else trace.recovered_at - trace.opened_at,
        {name: reading.value for name, reading in readings.items()},
        None if cure is None else cure.node,
    )


def similar_to(one: Past, others: Iterable[Past]) -> list[Similar]:
    """The nearest `SIMILAR_MAX` that opened earlier, then up to `SAME_CURE_MAX` more that the same step cured.

    Near is the mean over signals of Gower's distance (Gower, "A general coefficient of similarity", 1971): of numbers
    the difference as a share of the range they had in these incidents, of anything else 0 or 1. A signal that is
    unknown in one of the two sets them wholly apart. Equally near ones: newest first.
    """
    earlier = [other for other in others if other.opened_at < one.opened_at and other.incident != one.incident]
    if not one.signals:
        return []
    spans = _spans(one, earlier)
    found = [_compared(one, other, spans) for other in earlier]
    found.sort(key=lambda pair: (-pair.alike, -pair.past.opened_at))
    rest = [pair for pair in found[SIMILAR_MAX:] if one.cured_by is not None and pair.past.cured_by == one.cured_by]
    return [*found[:SIMILAR_MAX], *(Similar(it.past, it.alike, it.differs_in, nearest=False) for it in rest)][
        : SIMILAR_MAX + SAME_CURE_MAX
    ]


def _spans(one: Past, earlier: Sequence[Past]) -> dict[str, float]:
    spans = {}
    for name in one.signals:
        values = [value for it in (one, *earlier) if isinstance(value := it.signals.get(name), (int, float))]
        spans[name] = max(values) - min(values) if values else 0.0
    return spans


def _compared(one: Past, other: Past, spans: Mapping[str, float]) -> Similar:
    apart = {name: _apart(value, other.signals.get(name), spans[name]) for name, value in one.signals.items()}
    most = max(apart, key=apart.__getitem__)
    alike = 1.0 - sum(apart.values()) / len(apart)
    return Similar(other, alike, most if apart[most] > 0.0 else None, nearest=True)


def _apart(one: Value, other: Value, span: float) -> float:
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return abs(one - other) / span if span else 0.0
    return 0.0 if one == other else 1.0
