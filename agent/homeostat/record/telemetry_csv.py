"""Telemetry recordings as CSV, plain or packed with gzip: a row a time, a column a series, an empty cell no sample."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from homeostat.record.lines import bounded_lines
from homeostat.record.series_name import SeriesNameFault, whole_series_name, write_series_name
from homeostat.record.telemetry import (
    NUMBER,
    ROWS_MAX,
    Collector,
    RecordedSeries,
    Telemetry,
    seconds_text,
    time_ms_of,
    value_text,
)

TIMESTAMP = "timestamp"
SEGMENT = "incident_id"
"""An optional second column: the rows are of several windows, one after another; each is in order of time by itself."""

_NUMBER = re.compile(NUMBER)
_WORDS = {"nan": math.nan, "inf": math.inf, "+inf": math.inf, "-inf": -math.inf, "infinity": math.inf}

_Row = tuple[int, str, int, list[str]]
"""Line, the line's text, milliseconds, its fields."""


def read_csv(path: Path) -> Telemetry:
    """Read a recording.

    Raises:
        PolicyError: every finding, at its place, at most `PROBLEMS_MAX`: R101 the file cannot be read; R102 it is no
            telemetry; R105 it is too large; R108 what is packed is damaged; R111 a series' name is wrong or there
            twice; R112 timestamps are wrong, unsorted or there twice; R113 a value is no finite number; R115 a row
            has too few or too many cells.
    """
    collector = Collector(path)
    lines = _texts(path, collector)
    _, header = next(lines, (1, ""))
    names = _fields(header, 1, collector)
    if names[:1] != [TIMESTAMP]:
        collector.fail(1, 1, "R102", f"this is no telemetry: the first column is {names[0][:40]!r}, not {TIMESTAMP!r}")
    has_segments = names[1:2] == [SEGMENT]
    first = 2 if has_segments else 1
    series = _series(header, names, first, collector)
    for number, text, time_ms, fields in _rows(lines, len(names), collector, has_segments=has_segments):
        for index in range(first, len(fields)):
            cell = fields[index]
            column = series[index - first]
            if not cell or column is None:
                continue
            value = _value(cell)
            if value is None:
                message = f"{cell[:40]!r} is no number; a missing sample is an empty cell"
                collector.complain(number, column_of(text, index), "R113", message)
            else:
                collector.add(column, time_ms, value, number, column_of(text, index) if math.isinf(value) else 1)
    return collector.telemetry()


def _texts(path: Path, collector: Collector) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(bounded_lines(path, ROWS_MAX + 1), start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            collector.fail(number, error.start + 1, "R102", "this is not text in UTF-8")
        yield number, text


def _fields(text: str, number: int, collector: Collector) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [""]) or [""]
    except csv.Error as error:
        collector.fail(number, 1, "R115", f"this is no line of CSV: {error}; a cell holds no line break")
        raise  # never reached: `fail` raises


def _series(header: str, names: Sequence[str], first: int, collector: Collector) -> list[RecordedSeries | None]:
    """The series of each column; None where its name is wrong, which is noted."""
    found: list[RecordedSeries | None] = []
    columns: dict[object, int] = {}
    begins = _columns(header)
    for index, name in enumerate(names[first:], start=first):
        column = begins[index] if index < len(begins) else 1  # where an unquoted cell holds quotes
        found.append(None)
        try:
            labels = whole_series_name(name)
        except SeriesNameFault as fault:
            collector.complain(1, column + fault.offset, "R111", f"{name[:80]!r} is no series: {fault}")
            continue
        if labels in columns:
            message = f"{write_series_name(labels)} is column {columns[labels] + 1} already"
            collector.complain(1, column, "R111", message)
            continue
        columns[labels] = index
        found[-1] = collector.series(labels, 1, column)
    if not found:
        collector.fail(1, 1, "R102", "there is no series beside the timestamp")
    return found


def _rows(lines: Iterator[tuple[int, str]], width: int, collector: Collector, *, has_segments: bool) -> Iterator[_Row]:
    """Rows in order of time. Those of a file with segments are held until all are read."""
    segments: dict[str, list[_Row]] = {}
    last: dict[str, int] = {}
    for number, text in lines:
        fields = _fields(text, number, collector)
        if fields == [""]:
            continue
        if len(fields) != width:
            collector.complain(number, 1, "R115", f"the row has {len(fields)} cells, the header {width}")
            continue
        try:
            time_ms = time_ms_of(float(fields[0]))
        except ValueError as error:
            collector.complain(number, 1, "R112", f"the timestamp {fields[0][:40]!r} is wrong: {error}")
            continue
        segment = fields[1] if has_segments else ""
        before_ms = last.get(segment)
        if before_ms is not None and time_ms <= before_ms:
            what = "is there twice" if time_ms == before_ms else f"comes after {seconds_text(before_ms)}"
            collector.complain(number, 1, "R112", f"the timestamp {fields[0]} {what}; rows are in order of time")
            continue
        last[segment] = time_ms
        row = (number, text, time_ms, fields)
        if has_segments:
            segments.setdefault(segment, []).append(row)
        else:
            yield row
    yield from _joined(segments, collector)


def _joined(segments: dict[str, list[_Row]], collector: Collector) -> Iterator[_Row]:
    """The rows of all segments, the earliest segment first; none may begin before the one before it has ended."""
    end_ms, before = -1, ""
    for name, rows in sorted(segments.items(), key=lambda item: item[1][0][2]):
        if rows[0][2] <= end_ms:
            collector.complain(
                rows[0][0], 1, "R112", f"the rows of {name!r} begin before those of {before!r} have ended"
            )
            continue
        end_ms, before = rows[-1][2], name
        yield from rows


def _value(cell: str) -> float | None:
    return float(cell) if _NUMBER.fullmatch(cell) else _WORDS.get(cell.lower())


def column_of(line: str, field: int) -> int:
    """Where the `field`-th cell (from 0) of a line of CSV begins, its quotes aside; counts from 1."""
    begins = _columns(line)
    return begins[field] if field < len(begins) else len(line) + 1


def _columns(line: str) -> list[int]:
    """Where each cell of a line begins."""
    begins, quoted = [1 + line.startswith('"')], False
    for index, character in enumerate(line):
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            begins.append(index + 2 + line.startswith('"', index + 1))
    return begins


def csv_text(telemetry: Telemetry) -> str:
    """Write a recording: rows in order of time, series in order of labels. The same samples give the same text."""
    rows: dict[int, list[str]] = {time: [""] * len(telemetry.series) for time in telemetry.times_ms()}
    for index, series in enumerate(telemetry.series):
        for time, value in zip(series.times_ms, series.values, strict=True):
            rows[time][index] = value_text(value)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([TIMESTAMP, *(write_series_name(series.labels) for series in telemetry.series)])
    writer.writerows([seconds_text(time), *cells] for time, cells in rows.items())
    return buffer.getvalue()
