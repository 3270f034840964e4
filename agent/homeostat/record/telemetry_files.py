"""Telemetry recordings by the name of their file: which reader, and how one is written."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

from homeostat.model.errors import UsageError
from homeostat.record.telemetry import Telemetry
from homeostat.record.telemetry_csv import csv_text, read_csv
from homeostat.record.telemetry_openmetrics import openmetrics_text, read_openmetrics
from homeostat.record.telemetry_parquet import read_parquet

SUFFIX = ".telemetry.csv.gz"
LABELS_SUFFIX = ".faults.csv"
OPENMETRICS_SUFFIX = ".om"
_READERS = {
    ".csv": read_csv,
    ".csv.gz": read_csv,
    ".parquet": read_parquet,
    ".om": read_openmetrics,
    ".om.gz": read_openmetrics,
    ".prom": read_openmetrics,
    ".txt": read_openmetrics,
}


def read_telemetry(path: Path) -> Telemetry:
    """Read a telemetry recording, by the end of its name.

    Raises:
        UsageError: its name says no known format, or pyarrow is missing.
        PolicyError: what is wrong with it; see `telemetry_csv.read_csv`.
    """
    for suffix in sorted(_READERS, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return _READERS[suffix](path)
    raise UsageError(f"{path}: telemetry is read from files named *{', *'.join(_READERS)}")


def stem_of(path: Path) -> str:
    """A file's name without what says its format."""
    name = path.name.removesuffix(SUFFIX)
    for suffix in sorted(_READERS, key=len, reverse=True):
        name = name.removesuffix(suffix)
    return name


def labels_path(path: Path) -> Path:
    """Where the labels of an imported recording lie."""
    return path.with_name(stem_of(path) + LABELS_SUFFIX)


def write_telemetry(telemetry: Telemetry, path: Path) -> None:
    """Write a recording, as OpenMetrics where the name ends so, else as packed CSV. Whole or not at all.

    Raises:
        UsageError: the file cannot be written.
    """
    if path.name.endswith(OPENMETRICS_SUFFIX):
        put(openmetrics_text(telemetry).encode(), path)
    else:
        put(gzip.compress(csv_text(telemetry).encode(), mtime=0), path)


def put(content: bytes, path: Path) -> None:
    """Write a file, whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    draft = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(f"{path}: the recording cannot be written: {error.strerror}") from error
