"""What signals said at every tick of a window of time: row by row as snapshots, or whole as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from homeostat.model.signals import Reading, SignalSpec, SignalType, Snapshot, Value
from homeostat.policy.vector import Columns


@dataclass(frozen=True)
class Frame:
    """Readings of signals, tick by tick.

    Attributes:
        at: Unix seconds of each tick, rising.
        signals: by name.
        readings: of each signal, one a tick.
        notes: what a reader should know of how it was made, for people.
    """

    at: Sequence[float]
    signals: Mapping[str, SignalSpec]
    readings: Mapping[str, Sequence[Reading]]
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.at)

    def snapshot(self, tick: int) -> Snapshot:
        """What was seen at one tick."""
        return Snapshot(self.at[tick], {name: readings[tick] for name, readings in self.readings.items()})

    def values(self, tick: int) -> dict[str, Value]:
        """Every signal's value at one tick, as a decision would take it: absent and stale ones are None."""
        return self.snapshot(tick).values(self.signals, self.at[tick])

    @cached_property
    def times(self) -> NDArray[np.float64]:
        """The ticks, shape (ticks,)."""
        return np.asarray(self.at, dtype=np.float64)

    @cached_property
    def columns(self) -> Columns:
        """The same values as `values`, by signal, shape (ticks,): NaN or None where there is none."""
        return {name: self._column(spec) for name, spec in self.signals.items()}

    def _column(self, spec: SignalSpec) -> NDArray[np.float64] | NDArray[np.object_]:
        values: list[Value] = [None] * len(self.at)
        for tick, reading in enumerate(self.readings.get(spec.name, ())):
            if reading.sampled_at is not None and self.at[tick] - reading.sampled_at <= spec.max_age_s:
                values[tick] = reading.value
        if spec.type is SignalType.TEXT:
            return np.asarray(values, dtype=np.object_)
        return np.asarray([value if isinstance(value, int | float) else np.nan for value in values], dtype=np.float64)
