"""What heals by itself: the share of incidents that recover with nothing in effect, by the time since they began.

The product-limit estimator (Kaplan, Meier, JASA 53, 1958): an incident in which something was tried, or people were
called, says only that it had not healed until then, so it is censored there. Standard errors are Greenwood's (1926).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from homeostat.learn.trace import IncidentTrace
from homeostat.model.reasons import Result

AFTER_S = 300.0
"""The time that is named in words."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Steps of the share healed: from `at_s[i]` on it is `healed[i]`, give or take `error[i]`.

    Attributes:
        incidents: how many it rests on. events: how many of them healed by themselves.
        longest_s: for how long any was watched; beyond it nothing is known.
    """

    incidents: int
    events: int
    at_s: tuple[float, ...]
    healed: tuple[float, ...]
    error: tuple[float, ...]
    longest_s: float

    def healed_by(self, after_s: float) -> float:
        """The share healed so many seconds after confirmation; NaN beyond what was watched."""
        if after_s > self.longest_s or not self.incidents:
            return math.nan
        step = int(np.searchsorted(self.at_s, after_s, side="right"))
        return self.healed[step - 1] if step else 0.0

    @property
    def text(self) -> str:
        """In words, without a full stop."""
        if not self.incidents:
            return "nothing is known of what heals by itself"
        if not self.events and self.longest_s < 1.0:
            return f"none of {self.incidents} incidents was left alone, so nothing is known of what heals by itself"
        if not self.events:
            return f"none of {self.incidents} incidents healed by itself, left alone for up to {self.longest_s:.0f} s"
        after_s = min(AFTER_S, self.longest_s)
        return (
            f"with nothing in effect {self.healed_by(after_s):.0%} heal within {after_s:.0f} s"
            f" ({self.events} of {self.incidents} incidents healed by themselves)"
        )


class HealingTimes:
    """Notes of each incident that passes for how long it was watched with nothing in effect."""

    def __init__(self) -> None:
        self._watched: list[tuple[float, bool]] = []

    def noting(self, traces: Iterable[IncidentTrace]) -> Iterator[IncidentTrace]:
        """Give the traces on; incidents that are still open or were never confirmed are not noted."""
        for trace in traces:
            noted = _watched(trace)
            if noted is not None:
                self._watched.append(noted)
            yield trace

    def baseline(self) -> Baseline:
        """What was noted so far."""
        watched = sorted(self._watched)
        seconds = np.array([watched_s for watched_s, _ in watched])
        healed = np.array([event for _, event in watched], dtype=bool)
        times, events = np.unique(seconds[healed], return_counts=True)
        at_risk = len(seconds) - np.searchsorted(seconds, times, side="left")
        staying = np.cumprod(1.0 - events / at_risk)
        with np.errstate(divide="ignore", invalid="ignore"):
            greenwood = np.cumsum(np.where(at_risk > events, events / (at_risk * (at_risk - events)), 0.0))
        return Baseline(
            len(watched),
            int(healed.sum()),
            tuple(times.tolist()),
            tuple((1.0 - staying).tolist()),
            tuple((staying * np.sqrt(greenwood)).tolist()),
            float(seconds[-1]) if len(seconds) else 0.0,
        )


def baseline_of(traces: Iterable[IncidentTrace]) -> Baseline:
    """What heals by itself in these incidents."""
    times = HealingTimes()
    for _ in times.noting(traces):
        pass
    return times.baseline()


def _watched(trace: IncidentTrace) -> tuple[float, bool] | None:
    """Seconds from confirmation with nothing in effect, and whether it healed then."""
    if trace.confirmed_at is None or trace.closed_at is None:
        return None
    started = min((attempt.intended_at for attempt in trace.attempts.values()), default=math.inf)
    ends = min(started, trace.escalated_at or math.inf, trace.closed_at)
    recovered = trace.recovered_at
    if trace.result in (Result.SELF_HEALED, Result.RECOVERED) and recovered is not None and recovered <= ends:
        return max(recovered - trace.confirmed_at, 0.0), True
    return max(ends - trace.confirmed_at, 0.0), False
