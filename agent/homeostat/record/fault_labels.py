"""Fault labels: when which fault was in a telemetry recording, as people who know have written down.

A CSV file with the columns `incident_id`, `fault_type` and `start_unix`, and, where they are known, `recording`,
`target` and `end_unix`; other columns are passed over.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from homeostat.model.errors import PolicyError, Position, Problem, UsageError
from homeostat.record.lines import bounded_lines
from homeostat.record.telemetry import seconds_text, time_ms_of
from homeostat.record.telemetry_csv import column_of

COLUMNS = ("incident_id", "recording", "fault_type", "target", "start_unix", "end_unix")
REQUIRED = ("incident_id", "fault_type", "start_unix")
LABELS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class FaultLabel:
    """One fault that was there. Times are Unix seconds; `end_s` None: nobody knows."""

    id: str
    recording: str
    fault_type: str
    target: str
    start_s: float
    end_s: float | None


def read_fault_labels(path: Path, recording: str) -> tuple[FaultLabel, ...]:
    """Read the labels of one recording, by the name of its file, in order of their start.

    Raises:
        PolicyError: R101, R105, R108 as other files; R114 what is wrong with a label, at its place.
        UsageError: the file labels other recordings only.
    """
    rows = list(enumerate(bounded_lines(path, LABELS_MAX + 1), start=1))
    try:
        names = _cells(_text(rows[0][1])) if rows else []
    except _Wrong as wrong:
        raise PolicyError([Problem(Position(str(path), 1, wrong.column), "R114", str(wrong))]) from wrong
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise PolicyError([Problem(Position(str(path), 1, 1), "R114", f"columns are missing: {', '.join(missing)}")])
    problems: list[Problem] = []
    labels = list(_labels(rows[1:], names, path, problems))
    ids = [(label.recording, label.id) for label in labels]
    problems += [
        Problem(Position(str(path), 1, 1), "R114", f"the incident {name!r} is there twice")
        for (_, name), count in sorted(Counter(ids).items())
        if count > 1
    ]
    if problems:
        raise PolicyError(problems)
    return _of(labels, recording, path)


def _labels(
    rows: Sequence[tuple[int, bytes]], names: Sequence[str], path: Path, problems: list[Problem]
) -> Iterator[FaultLabel]:
    for number, line in rows:
        try:
            text = _text(line)
            if text:
                yield _label(text, names)
        except _Wrong as wrong:
            problems.append(Problem(Position(str(path), number, wrong.column), "R114", str(wrong)))


def _of(labels: Sequence[FaultLabel], recording: str, path: Path) -> tuple[FaultLabel, ...]:
    wanted = [label for label in labels if PurePath(label.recording).name in ("", recording)]
    if not wanted:
        known = sorted({PurePath(label.recording).name for label in labels})
        raise UsageError(f"{path}: no label is of {recording}; it labels {', '.join(known[:20]) or 'nothing'}")
    return tuple(sorted(wanted, key=lambda label: (label.start_s, label.id)))


class _Wrong(ValueError):
    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise _Wrong("this is not text in UTF-8", error.start + 1) from error


def _cells(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise _Wrong(f"this is no line of CSV: {error}", 1) from error


def _label(text: str, names: Sequence[str]) -> FaultLabel:
    cells = _cells(text)
    if len(cells) != len(names):
        raise _Wrong(f"the row has {len(cells)} cells, the header {len(names)}", 1)
    row = dict(zip(names, cells, strict=True))
    start_s, end_s = (_time(row.get(name, ""), column_of(text, names.index(name)) if name in names else 1)
                      for name in ("start_unix", "end_unix"))  # fmt: skip
    if start_s is None:
        raise _Wrong("start_unix is empty", column_of(text, names.index("start_unix")))
    if end_s is not None and end_s < start_s:
        raise _Wrong("it ends before it starts", column_of(text, names.index("end_unix")))
    if not row["incident_id"]:
        raise _Wrong("incident_id is empty", column_of(text, names.index("incident_id")))
    return FaultLabel(
        row["incident_id"], row.get("recording", ""), row["fault_type"], row.get("target", ""), start_s, end_s
    )


def _time(cell: str, column: int) -> float | None:
    if not cell:
        return None
    try:
        return time_ms_of(float(cell)) / 1000
    except ValueError as error:
        raise _Wrong(f"{cell[:40]!r} is no time in Unix seconds: {error}", column) from None


def labels_text(labels: Sequence[FaultLabel], recording: str) -> str:
    """Write labels, all as of one recording."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for label in labels:
        end = "" if label.end_s is None or math.isnan(label.end_s) else seconds_text(round(label.end_s * 1000))
        start = seconds_text(round(label.start_s * 1000))
        writer.writerow([label.id, recording, label.fault_type, label.target, start, end])
    return buffer.getvalue()
