"""From the journal to a file and back to an answer: record an incident, replay recordings against policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from homeostat.model import entries as e
from homeostat.model.errors import PolicyError, UsageError
from homeostat.model.ports import Batch, Journal
from homeostat.model.ranking import Ranking
from homeostat.model.streams import policy_stream
from homeostat.policy.load import load_journalled
from homeostat.record.fault_labels import FaultLabel, labels_text, read_fault_labels
from homeostat.record.memory import MemoryJournal
from homeostat.record.recording import Recording, read_recordings, write_recording
from homeostat.record.telemetry import Telemetry
from homeostat.record.telemetry_files import (
    OPENMETRICS_SUFFIX,
    SUFFIX,
    labels_path,
    put,
    read_telemetry,
    stem_of,
    write_telemetry,
)


def record_incident(journal: Journal, incident: str, path: Path) -> None:
    """Write one closed incident to `path`, with what its policy's signals and ranking were then.

    Raises:
        UsageError: the incident is not closed, or the file cannot be written.
        JournalError: the journal cannot be read.
    """
    records = list(journal.read(incident))
    entries = [record.entry for record in records]
    opened = entries[0] if entries else None
    if not isinstance(opened, e.Suspected):
        raise UsageError(f"'{incident}' is no incident's stream")
    of_policy = [record.entry for record in journal.read(policy_stream(opened.policy))]
    policy = load_journalled(of_policy, opened.policy_hash)
    write_recording(records, path, policy.signals, ranking=ranking_used(of_policy, entries))


def ranking_used(of_policy: Sequence[e.Entry], entries: Sequence[e.Entry]) -> Ranking | None:
    """The ranking its first ranked decision was made with."""
    used = version_used(entries)
    trained = [entry.ranking for entry in of_policy if isinstance(entry, e.RankingTrained)]
    return next((ranking for ranking in trained if ranking.version == used), None)


def version_used(entries: Sequence[e.Entry]) -> str | None:
    """The version of the ranking that an incident's first ranked decision was made with; None for the written order."""
    return next((d.ranking_version for d in entries if isinstance(d, e.Decided) and d.ranking_version), None)


def attempts_in_recordings(folder: Path) -> dict[str, dict[str, int]]:
    """How often each leaf was tried in the recorded incidents of a folder: policy -> node id -> attempts.

    Raises:
        UsageError: there is no such folder. PolicyError: a recording is invalid.
    """
    tried: dict[str, dict[str, int]] = {}
    for recording in valid_recordings(folder):
        of_policy: dict[str, int] = {}
        for entry in recording.entries:
            if isinstance(entry, e.Suspected):
                of_policy = tried.setdefault(entry.policy, {})
            elif isinstance(entry, e.ActionIntended):
                of_policy[entry.node] = of_policy.get(entry.node, 0) + 1
    return tried


def valid_recordings(folder: Path) -> list[Recording]:
    """Every recorded incident of a folder, all valid.

    Raises:
        UsageError: there is no such folder. PolicyError: a recording is invalid.
    """
    recordings, problems = read_recordings(folder)
    if problems:
        raise PolicyError(problems)
    return recordings


def journal_of_recordings(folder: Path) -> MemoryJournal:
    """A journal in memory that holds every recorded incident of a folder, for training and analysis.

    Raises:
        UsageError: there is no such folder. PolicyError: a recording is invalid.
    """
    return journal_holding(valid_recordings(folder))


def journal_holding(recordings: Sequence[Recording]) -> MemoryJournal:
    """A journal in memory that holds these recorded incidents, oldest first."""
    journal = MemoryJournal()
    for recording in sorted(recordings, key=lambda recording: recording.entries[0].at):
        journal.append([Batch(recording.incident, 0, recording.entries)])
    return journal


@dataclass(frozen=True, slots=True)
class ImportedTelemetry:
    """A telemetry recording that was checked and written anew; `labels_path` where there are labels."""

    telemetry: Telemetry
    labels: tuple[FaultLabel, ...]
    path: Path
    labels_path: Path | None


def import_telemetry(path: Path, labels: Path | None, folder: Path, *, openmetrics: bool) -> ImportedTelemetry:
    """Check a telemetry recording and its labels, and write both into `folder` in the one normal form.

    Raises:
        PolicyError: what is wrong with either; nothing was written.
        UsageError: a file's name says no known format, there is a recording of this name, or nothing can be written.
    """
    telemetry = read_telemetry(path)
    found = () if labels is None else read_fault_labels(labels, path.name)
    target = folder / f"{stem_of(path)}{OPENMETRICS_SUFFIX if openmetrics else SUFFIX}"
    beside = labels_path(target) if found else None
    for one in (target, beside):
        if one is not None and one.exists():
            raise UsageError(f"{one}: there is a recording of this name already; move it away or name another folder")
    if beside is not None:
        put(labels_text(found, target.name).encode(), beside)
    write_telemetry(telemetry, target)
    return ImportedTelemetry(telemetry, found, target, beside)
