"""Recorded incidents in files: what a past incident's journal said, for replay, training and tests.

`history/README.md` describes the format. Files are untrusted: every read is bounded and every field checked, and a
complaint names the line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from homeostat.model.entries import ActionEnded, ActionIntended, AttemptEnded, Closed, Entry, Observed, Suspected
from homeostat.model.errors import JournalError, PolicyError, Problem, UsageError
from homeostat.model.ports import Record
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import Result
from homeostat.model.signals import SignalSpec, SignalType, Snapshot
from homeostat.record.codec import CODEC
from homeostat.record.lines import bounded_lines, parse_line, wrong_line
from homeostat.record.upcasting import ranking_with_members
from homeostat.version import __version__

FORMAT = "homeostat-recording"
VERSION = 2
SUFFIX = ".jsonl"

ENTRIES_MAX = 100_000
FILES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class RecordedAttempt:
    """One attempt of a recorded incident; what it never came to is None."""

    intent: ActionIntended
    outcome: ActionEnded | None = None
    verdict: AttemptEnded | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """One closed incident, as recorded.

    Attributes:
        signals: every signal the policy read, by name, as it was declared then.
        recorded_with: the release that wrote the file.
        seed: origin of the incident's random choices.
        ranking: the one its decisions were made with; None for the written order.
        entries: the incident's whole journal; the first is `incident.suspected`, the last `incident.closed`.
        file: where it was read from.
    """

    incident: str
    policy: str
    policy_hash: str
    signals: Mapping[str, SignalSpec]
    result: Result
    recorded_with: str
    seed: int
    entries: tuple[Entry, ...]
    ranking: Ranking | None = None
    file: str = field(default="", compare=False)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """What was seen, in order."""
        return tuple(entry.snapshot for entry in self.entries if isinstance(entry, Observed))

    def attempts(self) -> tuple[RecordedAttempt, ...]:
        """What was done, in order of the intents."""
        outcomes = {entry.key: entry for entry in self.entries if isinstance(entry, ActionEnded)}
        verdicts = {entry.key: entry for entry in self.entries if isinstance(entry, AttemptEnded)}
        return tuple(
            RecordedAttempt(entry, outcomes.get(entry.key), verdicts.get(entry.key))
            for entry in self.entries
            if isinstance(entry, ActionIntended)
        )


class _Signal(msgspec.Struct, forbid_unknown_fields=True):
    """A signal in the header, under its name."""

    expr: str
    max_age_s: float
    type: SignalType = SignalType.NUMBER
    label: str | None = None


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    """The first line."""

    format: str
    version: int
    incident: str
    policy: str
    policy_hash: str
    signals: dict[str, _Signal]
    result: Result
    recorded_with: str
    seed: int
    ranking: dict[str, Any] | None = None


class _Kind(msgspec.Struct):
    """As much of a header as every version of the format has."""

    format: str
    version: int
    recorded_with: str = "an unknown release"


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """Every other line."""

    seq: int
    type: str
    v: int
    at: float
    body: msgspec.Raw


_encode = msgspec.json.Encoder(order="deterministic").encode


def write_recording(
    records: Iterable[Record],
    path: Path,
    signals: Mapping[str, SignalSpec],
    *,
    ranking: Ranking | None = None,
    recorded_with: str = __version__,
) -> None:
    """Write one closed incident to `path`, whole or not at all; the same records give the same bytes.

    `records` are the incident's stream from its first to its last, `signals` those its policy reads, by name,
    `ranking` the one its decisions were made with.

    Raises:
        UsageError: the records are not one closed incident's, or the file cannot be written.
    """
    entries = tuple(record.entry for record in records)
    opened, closed = (entries[0], entries[-1]) if entries else (None, None)
    if not isinstance(opened, Suspected) or not isinstance(closed, Closed):
        raise UsageError(f"{path}: only a whole incident that is closed can be recorded")
    header = _Header(
        FORMAT,
        VERSION,
        opened.incident,
        opened.policy,
        opened.policy_hash,
        {name: _Signal(spec.expr, spec.max_age_s, spec.type, spec.label) for name, spec in signals.items()},
        closed.result,
        recorded_with,
        opened.seed,
        None if ranking is None else msgspec.to_builtins(ranking),
    )
    draft = path.with_name(path.name + ".new")
    try:
        with draft.open("wb") as file:
            file.write(_encode(header) + b"\n")
            for seq, entry in enumerate(entries, start=1):
                encoded = CODEC.encode(entry)
                line = _Line(seq, encoded.type, encoded.v, encoded.at, msgspec.Raw(encoded.body))
                file.write(_encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(f"{path}: the recording cannot be written: {error.strerror}") from error


def read_recordings(folder: Path) -> tuple[list[Recording], list[Problem]]:
    """Read every recording in a folder and its subfolders, by name; what is wrong with the others comes beside.

    Raises:
        UsageError: there is no such folder, or it holds too many files.
    """
    if not folder.is_dir():
        what = (
            "is no folder; recorded incidents are read by the folder" if folder.exists() else "there is no such folder"
        )
        raise UsageError(f"{folder}: {what}")
    paths = sorted(folder.rglob(f"*{SUFFIX}"))
    if len(paths) > FILES_MAX:
        raise UsageError(f"{folder}: holds {len(paths)} recordings; at most {FILES_MAX} are read at once")
    recordings: list[Recording] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            recordings.append(read_recording(path))
        except PolicyError as error:
            problems += error.problems
    return recordings, problems


def read_recording(path: Path) -> Recording:
    """Read one recording.

    Raises:
        PolicyError: with the position and the code of the first thing wrong: R101 the file cannot be read; R102 it
            is no recording; R103 a newer release wrote it; R104 a line is malformed; R105 it is too large; R106 an
            entry is not of its type; R107 entries are missing or out of order; R108 it is cut off; R109 its header
            and its entries contradict each other.
    """
    lines = bounded_lines(path, ENTRIES_MAX + 1)
    first = next(lines, b"")
    kind = parse_line(_Kind, first, path, 1, "R102")
    if kind.format != FORMAT:
        raise wrong_line(
            path, 1, "R102", f"this is no recorded incident: its format is {kind.format!r}, not {FORMAT!r}"
        )
    if kind.version > VERSION:
        raise wrong_line(
            path, 1, "R103",
            f"a newer release ({kind.recorded_with}) recorded this, in version {kind.version} of the format; this"
            f" release reads up to {VERSION}: upgrade Homeostat",
        )  # fmt: skip
    header = parse_line(_Header, first, path, 1, "R104")
    entries = tuple(_entries(lines, path))
    _agree(header, entries, path)
    return Recording(
        incident=header.incident,
        policy=header.policy,
        policy_hash=header.policy_hash,
        signals={
            name: SignalSpec(name, signal.expr, signal.max_age_s, signal.type, signal.label)
            for name, signal in header.signals.items()
        },
        result=header.result,
        recorded_with=header.recorded_with,
        seed=header.seed,
        entries=entries,
        ranking=_ranking(header, path),
        file=str(path),
    )


def _ranking(header: _Header, path: Path) -> Ranking | None:
    """The header's ranking, whatever release wrote it."""
    body = header.ranking
    if body is None:
        return None
    try:
        return msgspec.convert(ranking_with_members(body) if header.version == 1 else body, Ranking)
    except (msgspec.ValidationError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise wrong_line(path, 1, "R104", f"the ranking is malformed: {error}") from error


def _entries(lines: Iterator[bytes], path: Path) -> Iterator[Entry]:
    """Give the entries of the lines after the header, in an order an incident can have."""
    intended: set[str] = set()
    number, closed = 1, False
    for number, line in enumerate(lines, start=2):
        parsed = parse_line(_Line, line, path, number, "R104")
        entry = _entry(parsed, path, number)
        if parsed.seq != number - 1:
            raise wrong_line(path, number, "R107", f"entry {parsed.seq} stands where {number - 1} is due")
        if closed or isinstance(entry, Suspected) != (number == 2):
            raise wrong_line(path, number, "R107", f"{entry.TYPE} cannot stand here")
        key = getattr(entry, "key", None)
        if key is not None and isinstance(entry, ActionIntended) == (key in intended):
            raise wrong_line(path, number, "R107", f"{entry.TYPE} of the action {key!r} cannot stand here")
        if key is not None:
            intended.add(key)
        closed = isinstance(entry, Closed)
        yield entry
    if not closed:
        raise wrong_line(path, number, "R108", f"the recording is cut off: its last entry is not {Closed.TYPE}")


def _entry(line: _Line, path: Path, number: int) -> Entry:
    body = bytes(line.body)
    try:
        entry = CODEC.decode(line.type, line.v, body)
        unknown = CODEC.unknown_field(line.type, line.v, body)
    except (JournalError, ValueError, RecursionError) as error:  # a field that is passed over may be anything
        raise wrong_line(path, number, "R106", str(error)) from error
    if unknown is not None:
        raise wrong_line(path, number, "R106", f"{line.type} has no field {unknown!r}")
    if entry.at != line.at:
        raise wrong_line(path, number, "R106", f"the line's time {line.at} is not its body's, {entry.at}")
    return entry


def _agree(header: _Header, entries: tuple[Entry, ...], path: Path) -> None:
    opened, closed = entries[0], entries[-1]
    if isinstance(opened, Suspected):
        for name in ("incident", "policy", "policy_hash", "seed"):
            said, meant = getattr(header, name), getattr(opened, name)
            if said != meant:
                raise wrong_line(
                    path, 1, "R109", f"the header's {name} is {said!r}, but the first entry's is {meant!r}"
                )
    if isinstance(closed, Closed) and closed.result != header.result:
        raise wrong_line(
            path, 1, "R109", f"the header's result is {header.result}, but the last entry's {closed.result}"
        )
