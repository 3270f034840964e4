"""What is known of the world: signals, their readings, and snapshots of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec
from msgspec import Struct

Truth = bool | None
"""Kleene's three values: True, False, and None for unknown (Kleene, "On notation for ordinal numbers", 1938)."""

Value = float | str | None
"""A signal's value as a condition sees it. None: unknown, for whatever reason."""


class SignalType(StrEnum):
    """`number`: the value of the one series. `text`: the value of its label `SignalSpec.label`."""

    NUMBER = "number"
    TEXT = "text"


class Absence(StrEnum):
    """Why a reading has no value. Every one of them makes a condition on it unknown."""

    MISSING = "missing"
    STALE = "stale"
    NAN = "nan"
    AMBIGUOUS = "ambiguous"
    REFUSED = "refused"
    PARTIAL = "partial"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """A named signal as a policy author declares it.

    Attributes:
        expr: PromQL that yields at most one series.
        max_age_s: older samples than this are stale.
        label: for `text` signals, the label whose value is the signal's value.
    """

    name: str
    expr: str
    max_age_s: float
    type: SignalType = SignalType.NUMBER
    label: str | None = None


class Reading(Struct, frozen=True):
    """One signal as the sensor found it. Exactly one of `value` and `absence` is set.

    Attributes:
        sampled_at: Unix seconds of the newest sample behind the value, not of the query.
        detail: for people: what the source said about an absent value.
    """

    value: float | str | None = None
    sampled_at: float | None = None
    absence: Absence | None = None
    detail: str | None = None


class Snapshot(Struct, frozen=True):
    """All signals as read at one moment.

    Attributes:
        at: Unix seconds at which the source evaluated the signals.
        warnings: what the source said beside its answer.
        error: set when the source as a whole could not be read; `readings` is then empty.
    """

    at: float
    readings: Mapping[str, Reading] = msgspec.field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: str | None = None

    def values(self, specs: Mapping[str, SignalSpec], now: float) -> dict[str, Value]:
        """Give every signal in `specs` its value at `now`; absent and stale ones are None."""
        readings = self.readings
        values: dict[str, Value] = {}
        for name, spec in specs.items():
            reading = readings.get(name)
            if reading is None or reading.sampled_at is None or now - reading.sampled_at > spec.max_age_s:
                values[name] = None
            else:
                values[name] = reading.value
        return values

    def absence(self, spec: SignalSpec, now: float) -> Absence | None:
        """Say why `spec` has no value at `now`; None when it has one."""
        reading = self.readings.get(spec.name)
        if reading is None:
            return Absence.UNREACHABLE if self.error else Absence.MISSING
        if reading.absence is not None:
            return reading.absence
        if reading.sampled_at is None or now - reading.sampled_at > spec.max_age_s:
            return Absence.STALE
        return None


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition over named signals.

    Attributes:
        text: as the author wrote it.
        signals: every signal it reads, sorted.
        evaluate: the scalar closure; it takes a value for each of `signals` and returns a `Truth`.
        parameters: names in it that stand for the policy's parameters.
    """

    text: str
    signals: tuple[str, ...]
    evaluate: Callable[[Mapping[str, Value]], Truth] = field(compare=False, repr=False)
    parameters: tuple[str, ...] = ()
