"""Telemetry recordings: the raw samples of a window of time, of any number of series.

`docs/telemetry.md` describes the files. Readers: `telemetry_csv.py`, `telemetry_openmetrics.py`,
`telemetry_parquet.py`; they share the collector here, which is what makes every format obey the same rules.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median

from homeostat.model.errors import PolicyError, Position, Problem
from homeostat.record.series_name import Labels, write_series_name

SERIES_MAX = 10_000
SAMPLES_MAX = 20_000_000
ROWS_MAX = 2_000_000
PROBLEMS_MAX = 20
"""After so many findings reading stops: the file is of another kind."""

NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
"""A value as text, as a regular expression; `float` alone would take "1_0", " 1 " and digits of other scripts."""

TIME_S_MAX = 32_503_680_000.0
"""The year 3000: a later timestamp counts milliseconds, not seconds."""


@dataclass(frozen=True, slots=True)
class RecordedSeries:
    """One series' samples: Unix milliseconds, strictly rising, and a value for each; NaN is a value, infinity none."""

    labels: Labels
    times_ms: array[int]
    values: array[float]


@dataclass(frozen=True)
class Telemetry:
    """The samples of a window of time.

    Attributes:
        series: sorted by labels; each has at least one sample.
        file: where it was read from.
    """

    series: tuple[RecordedSeries, ...]
    file: str = field(default="", compare=False)

    @property
    def samples(self) -> int:
        """How many there are, over all series."""
        return sum(len(one.times_ms) for one in self.series)

    @property
    def start_s(self) -> float:
        """Unix seconds of the first sample."""
        return min(one.times_ms[0] for one in self.series) / 1000

    @property
    def end_s(self) -> float:
        """Unix seconds of the last sample."""
        return max(one.times_ms[-1] for one in self.series) / 1000

    def times_ms(self) -> list[int]:
        """Every time at which any series has a sample, rising."""
        return sorted({time for one in self.series for time in one.times_ms})

    def interval_s(self) -> float:
        """The usual distance of two samples: the median over neighbouring times; 60 where there is only one time."""
        times = self.times_ms()
        return median(after - before for before, after in pairwise(times)) / 1000 if times[1:] else 60.0


class Collector:
    """Takes samples in from a file of any format, and keeps the findings.

    Args:
        path: of the file that is read; findings name it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._series: dict[Labels, RecordedSeries] = {}
        self._samples = 0
        self.problems: list[Problem] = []

    def complain(self, line: int, column: int, code: str, message: str) -> None:
        """Note what is wrong at a place.

        Raises:
            PolicyError: it was one too many.
        """
        self.problems.append(Problem(Position(str(self._path), line, column), code, message))
        if len(self.problems) >= PROBLEMS_MAX:
            raise PolicyError(self.problems)

    def series(self, labels: Labels, line: int, column: int) -> RecordedSeries:
        """The series of these labels, a new one where there is none yet.

        Raises:
            PolicyError: R105 they are too many.
        """
        found = self._series.get(labels)
        if found is None:
            if len(self._series) >= SERIES_MAX:
                self.fail(line, column, "R105", f"over {SERIES_MAX} series; export fewer of them")
            found = self._series[labels] = RecordedSeries(labels, array("q"), array("d"))
        return found

    def add(self, series: RecordedSeries, time_ms: int, value: float, line: int, column: int) -> None:
        """Take in a sample; what is wrong with it is noted.

        Raises:
            PolicyError: R105 there are too many samples; or one finding too many.
        """
        times = series.times_ms
        if math.isinf(value):
            self.complain(
                line, column, "R113", "the value is infinite; no comparison with it says anything: leave it out"
            )
        elif times and time_ms <= times[-1]:
            what = (
                "two samples for one time" if time_ms == times[-1] else "a sample that is older than the one before it"
            )
            self.complain(line, column, "R112", f"{write_series_name(series.labels)} has {what}; sort and deduplicate")
        else:
            self._samples += 1
            if self._samples > SAMPLES_MAX:
                self.fail(line, column, "R105", f"over {SAMPLES_MAX} samples; cut the window or export fewer series")
            times.append(time_ms)
            series.values.append(value)

    def fail(self, line: int, column: int, code: str, message: str) -> None:
        """Note what is wrong and stop reading.

        Raises:
            PolicyError: always, with everything found so far.
        """
        raise PolicyError([*self.problems, Problem(Position(str(self._path), line, column), code, message)])

    def telemetry(self) -> Telemetry:
        """All that was taken in.

        Raises:
            PolicyError: anything was wrong; R102 there is no sample.
        """
        found = of_series(self._series.values(), str(self._path))
        if not found.series and not self.problems:
            self.fail(1, 1, "R102", "this recording holds no sample")
        if self.problems:
            raise PolicyError(self.problems)
        return found


def time_ms_of(seconds: float) -> int:
    """Unix seconds as whole milliseconds.

    Raises:
        ValueError: they are no time; the message says why.
    """
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{seconds} is no time; Unix seconds are due")
    if seconds > TIME_S_MAX:
        raise ValueError(f"{seconds:.0f} is beyond the year 3000; is it in milliseconds? Unix seconds are due")
    return round(seconds * 1000)


def seconds_text(time_ms: int) -> str:
    """Milliseconds as seconds, without needless zeros."""
    seconds, rest = divmod(time_ms, 1000)
    return f"{seconds}.{rest:03}".rstrip("0") if rest else str(seconds)


def value_text(value: float) -> str:
    """A sample's value as text that reads back as the same number."""
    return "NaN" if math.isnan(value) else repr(value).removesuffix(".0")


def of_series(series: Iterable[RecordedSeries], file: str = "") -> Telemetry:
    """Telemetry of series in any order; those without a sample are left out."""
    return Telemetry(tuple(sorted((one for one in series if one.times_ms), key=lambda one: one.labels)), file)
