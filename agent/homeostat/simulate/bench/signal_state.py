"""What signals show, as it changes: for each the series that have been set, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping

from homeostat.model.signals import Value
from homeostat.simulate.bench.series import MISSING, Sample, Series


class SignalState:
    """The signals of one run.

    Args:
        begin: Unix seconds from which `series` count.
        interval_s: distance of two samples of a series.
    """

    def __init__(self, series: Mapping[str, Series], begin: float, interval_s: float) -> None:
        self._interval_s = interval_s
        self._set = {name: [(begin, shown)] for name, shown in series.items()}
        self.changes_until = max((begin + shown.changes_for_s(interval_s) for shown in series.values()), default=begin)
        """From then on every signal stays as it is, unless something sets it."""

    def set(self, name: str, series: Series, at: float) -> None:
        """Let a signal take a series that begins at a moment."""
        shown = self._set.setdefault(name, [])
        shown.append((at, series))
        shown.sort(key=lambda begun: begun[0])
        self.changes_until = max(self.changes_until, at + series.changes_for_s(self._interval_s))

    def unset(self, name: str, at: float) -> None:
        """Take back what would begin at a moment."""
        self._set[name] = [begun for begun in self._set[name] if begun[0] != at]

    def sample(self, name: str, now: float) -> Sample:
        """The sample of the newest series that has begun."""
        for begun_at, series in reversed(self._set.get(name, ())):
            if begun_at <= now:
                return series.at(now - begun_at, self._interval_s)
        return MISSING

    def unchanged_until(self, name: str, now: float) -> float:
        """Until when a signal stays as it is, unless something sets it."""
        until = math.inf
        for begun_at, series in reversed(self._set.get(name, ())):
            if begun_at <= now:
                return min(until, begun_at + series.unchanged_until_s(now - begun_at, self._interval_s))
            until = begun_at
        return until

    def values(self, now: float) -> dict[str, Value]:
        """Every signal as a condition sees it."""
        samples = {name: self.sample(name, now) for name in self._set}
        return {name: sample.value if sample.absence is None else None for name, sample in samples.items()}
