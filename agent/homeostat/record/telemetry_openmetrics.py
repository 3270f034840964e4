"""Telemetry recordings as OpenMetrics text: one sample a line, each with its timestamp.

It is what `promtool tsdb create-blocks-from openmetrics` takes, and what this release writes for it.
Format: https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md#text-format
"""

from __future__ import annotations

import re
from pathlib import Path

from homeostat.record.lines import bounded_lines
from homeostat.record.series_name import SeriesNameFault, read_series_name, write_series_name
from homeostat.record.telemetry import NUMBER, SAMPLES_MAX, Collector, Telemetry, seconds_text, time_ms_of, value_text

END = "# EOF"
_SAMPLE = re.compile(r" (?P<value>[^ ]+)(?: (?P<time>[^ ]+))?(?P<exemplar> # .*)?")
_NUMBER = re.compile(NUMBER + "|NaN|[+-]?Inf")


def read_openmetrics(path: Path) -> Telemetry:
    """Read a recording. Types, units, help texts and exemplars are passed over.

    Raises:
        PolicyError: as `telemetry_csv.read_csv`, at the line and column; R108 `# EOF` is missing: it is cut off.
    """
    collector = Collector(path)
    number, ended = 0, False
    for number, raw in enumerate(bounded_lines(path, SAMPLES_MAX), start=1):
        try:
            line = raw.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            collector.fail(number, error.start + 1, "R102", "this is not text in UTF-8")
        if ended:
            collector.fail(number, 1, "R104", f"nothing may follow {END}")
        if line == END:
            ended = True
        elif line and not line.startswith("#"):
            _read_sample(line, number, collector)
    if not ended:
        collector.fail(max(number, 1), 1, "R108", f"the recording is cut off: its last line is not {END}")
    return collector.telemetry()


def _read_sample(line: str, number: int, collector: Collector) -> None:
    try:
        labels, end = read_series_name(line)
    except SeriesNameFault as fault:
        collector.complain(number, fault.offset + 1, "R111", str(fault))
        return
    sample = _SAMPLE.fullmatch(line, end)
    if sample is None or sample["time"] is None:
        collector.complain(number, end + 1, "R104", "a value and a timestamp in Unix seconds are due here")
        return
    if not _NUMBER.fullmatch(sample["value"]):
        collector.complain(number, sample.start("value") + 1, "R113", f"{sample['value'][:40]!r} is no number")
        return
    try:
        time_ms = time_ms_of(float(sample["time"]))
    except ValueError as error:
        collector.complain(number, sample.start("time") + 1, "R112", f"the timestamp is wrong: {error}")
        return
    column = sample.start("value") + 1
    collector.add(collector.series(labels, number, 1), time_ms, float(sample["value"]), number, column)


def openmetrics_text(telemetry: Telemetry) -> str:
    """Write a recording, series by series."""
    lines = []
    for series in telemetry.series:
        name = write_series_name(series.labels)
        lines += [
            f"{name} {value_text(value)} {seconds_text(time)}"
            for time, value in zip(series.times_ms, series.values, strict=True)
        ]
    return "\n".join([*lines, END, ""])
