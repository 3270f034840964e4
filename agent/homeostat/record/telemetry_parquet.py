"""Telemetry recordings as Parquet (parquet.apache.org): the columns of the CSV form. Needs the extra `archive`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from homeostat.model.errors import UsageError
from homeostat.record.series_name import SeriesNameFault, whole_series_name, write_series_name
from homeostat.record.telemetry import ROWS_MAX, SAMPLES_MAX, Collector, Telemetry, time_ms_of
from homeostat.record.telemetry_csv import TIMESTAMP


def read_parquet(path: Path) -> Telemetry:
    """Read a recording. A null is no sample; `timestamp` holds Unix seconds, or Arrow timestamps.

    Raises:
        UsageError: pyarrow is missing.
        PolicyError: as `telemetry_csv.read_csv`; the line is the row, counted from 1, and the column that of the table.
    """
    collector = Collector(path)
    table = _table(path, collector)
    times = [None if time is None else _time_ms(time, row, collector) for row, time in enumerate(table[0], start=1)]
    for index, (name, values) in enumerate(table[1], start=2):
        try:
            labels = whole_series_name(name)
        except SeriesNameFault as fault:
            collector.complain(1, index, "R111", f"{name[:80]!r} is no series: {fault}")
            continue
        series = collector.series(labels, 1, index)
        if series.times_ms:
            collector.complain(1, index, "R111", f"{write_series_name(labels)} is there twice")
            continue
        for row, (time_ms, value) in enumerate(zip(times, values, strict=True), start=1):
            if value is not None and time_ms is not None:
                collector.add(series, time_ms, value, row, index)
    return collector.telemetry()


def _time_ms(time: Any, row: int, collector: Collector) -> int | None:
    try:
        return time_ms_of(float(time.timestamp() if hasattr(time, "timestamp") else time))
    except (TypeError, ValueError, OverflowError) as error:
        collector.complain(row, 1, "R112", f"the timestamp is wrong: {error}")
        return None


def _table(path: Path, collector: Collector) -> tuple[list[Any], list[tuple[str, list[float | None]]]]:
    """The timestamps, and every other column by name."""
    try:
        import pyarrow as pa  # type: ignore[import-untyped] # shipped without types
        import pyarrow.parquet as pq  # type: ignore[import-untyped] # shipped without types
    except ImportError as error:
        raise UsageError("Parquet files need pyarrow: pip install 'homeostat[archive]'") from error
    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows > ROWS_MAX or file.metadata.num_rows * file.metadata.num_columns > SAMPLES_MAX:
                collector.fail(1, 1, "R105", f"over {ROWS_MAX} rows or {SAMPLES_MAX} cells; cut the window")
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        collector.fail(1, 1, "R101", f"this file cannot be read as Parquet: {error}")
    if TIMESTAMP not in table.column_names[:1]:
        collector.fail(1, 1, "R102", f"this is no telemetry: its first column is not {TIMESTAMP!r}")
    columns: list[tuple[str, list[float | None]]] = []
    for index, name in enumerate(table.column_names[1:], start=2):
        try:
            columns.append((name, table.column(index - 1).cast(pa.float64()).to_pylist()))
        except pa.ArrowException as error:
            collector.complain(1, index, "R113", f"the column {name[:80]!r} does not hold numbers: {error}")
    times = table.column(0)
    if any(time is None for time in times.to_pylist()):
        collector.fail(1, 1, "R112", "a row has no timestamp")
    if pa.types.is_timestamp(times.type) and times.type.tz is None:
        times = times.cast(pa.timestamp(times.type.unit, tz="UTC"))
    return times.to_pylist(), columns
