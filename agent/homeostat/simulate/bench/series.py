"""A signal over time, in promtool's notation with the units of conditions.

`'96%x40'` is a value and 40 repetitions, `'1+0.5x10'` eleven samples that grow, `_` a missing sample, `stale` one that
is too old, `nan` one that is no number (promtool's `expanding notation`, Prometheus documentation, "Unit testing for
rules"). Where promtool lets a series end, here its last sample holds.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from homeostat.model.signals import Absence
from homeostat.policy.units import parse_duration, parse_quantity

SAMPLES_MAX = 100_000
CHARACTERS_MAX = 10_000

_NUMBER = r"(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?:%|ms|[smhdkMG])?)+"
_ITEM = re.compile(
    rf"(?P<first>[-+]?{_NUMBER})(?:(?P<sign>[-+])(?P<change>{_NUMBER}))?(?:x(?P<times>\d{{1,6}}))?", re.ASCII
)
_ABSENT = re.compile(r"(?P<what>_|stale|nan|NaN)(?:x(?P<times>\d{1,6}))?", re.ASCII)
_ABSENCES = {"_": Absence.MISSING, "stale": Absence.STALE, "nan": Absence.NAN, "NaN": Absence.NAN}


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample. With an absence, `value` is what was there before (None: nothing). `age_s`: how old it comes."""

    value: float | str | None
    absence: Absence | None = None
    age_s: float = 0.0


MISSING = Sample(None, Absence.MISSING)


@dataclass(frozen=True, slots=True)
class Series:
    """Samples from certain times on.

    Attributes:
        starts_s: when each part begins, ascending; the first is 0.
        parts: samples, one an interval; the last one of a part holds until the next begins.
    """

    starts_s: tuple[float, ...]
    parts: tuple[tuple[Sample, ...], ...]

    def at(self, elapsed_s: float, interval_s: float) -> Sample:
        """The newest sample after `elapsed_s`."""
        place = max(bisect_right(self.starts_s, elapsed_s) - 1, 0) if len(self.starts_s) > 1 else 0
        samples = self.parts[place]
        if len(samples) == 1:
            return samples[0]
        index = int((elapsed_s - self.starts_s[place]) / interval_s + 1e-9)
        return samples[min(max(index, 0), len(samples) - 1)]

    def unchanged_until_s(self, elapsed_s: float, interval_s: float) -> float:
        """Until when, in seconds, it stays at least as it is after `elapsed_s`; infinity for ever."""
        if elapsed_s >= self.changes_for_s(interval_s):
            return math.inf
        place = max(bisect_right(self.starts_s, elapsed_s) - 1, 0)
        return self.starts_s[place + 1] if len(self.parts[place]) == 1 else elapsed_s

    def changes_for_s(self, interval_s: float) -> float:
        """After how many seconds it stays as it is."""
        return self.starts_s[-1] + (len(self.parts[-1]) - 1) * interval_s


def parse_series(written: object, *, is_text: bool) -> Series:
    """Read a series as it stands in a YAML file: a value, a text of samples, or a mapping from times to these.

    Raises:
        ValueError: what is wrong, in words.
    """
    if not isinstance(written, Mapping):
        return Series((0.0,), (_part(written, is_text=is_text),))
    if not written:
        raise ValueError("a mapping from times to values is wanted, like {0s: 8%, 20m: 0.5%}")
    starts_s = [parse_duration(str(start)) for start in written]
    if starts_s != sorted(set(starts_s)):
        raise ValueError("the times of a series ascend")
    parts = [_part(part, is_text=is_text) for part in written.values()]
    if starts_s[0] > 0.0:
        starts_s, parts = [0.0, *starts_s], [(MISSING,), *parts]
    return Series(tuple(starts_s), tuple(parts))


def _part(written: object, *, is_text: bool) -> tuple[Sample, ...]:
    if isinstance(written, bool):
        raise ValueError("true and false are no samples; signals are numbers like 0 and 1, or text")  # noqa: TRY004 - what is written is wrong, not the caller
    if isinstance(written, int | float):
        if is_text:
            raise ValueError(f"this is a text signal; put {written:g} in quotes")
        return (Sample(float(written)),)
    if not isinstance(written, str) or not written.strip():
        raise ValueError("a sample is a value like 8%, or a text of them like '8%x4 0.5%'")
    if len(written) > CHARACTERS_MAX:
        raise ValueError(f"a series has at most {CHARACTERS_MAX} characters")
    if is_text and _ABSENT.fullmatch(written.strip()) is None:
        return (Sample(written),)
    samples: list[Sample] = []
    for item in written.split():
        _take(samples, item)
        if len(samples) > SAMPLES_MAX:
            raise ValueError(f"a series has at most {SAMPLES_MAX} samples")
    return tuple(samples)


def _take(samples: list[Sample], item: str) -> None:
    absent = _ABSENT.fullmatch(item)
    if absent is not None:
        times = int(absent["times"] or 1)
        before = samples[-1].value if samples else None
        samples += [Sample(before, _ABSENCES[absent["what"]])] * min(times, SAMPLES_MAX + 1)
        return
    match = _ITEM.fullmatch(item)
    if match is None:
        raise ValueError(f"'{item[:40]}' is no sample; write 8%, 96%x40, 1+0.5x10, _, stale or nan")
    first = _signed(match["first"])
    change = 0.0 if match["change"] is None else _signed(match["sign"] + match["change"])
    if match["change"] is not None and match["times"] is None:
        raise ValueError(f"'{item[:40]}' does not say how often; write {item[:20]}x10")
    times = int(match["times"] or 0)
    samples += [Sample(first + change * index) for index in range(min(times, SAMPLES_MAX) + 1)]


def _signed(text: str) -> float:
    value = parse_quantity(text.lstrip("+-"))
    return -value if text.startswith("-") else value
