"""The archives of a workspace: what goes in, and what may be removed from the journal after."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from homeostat.app.settings import Settings
from homeostat.model.entries import ActionEnded, Closed
from homeostat.record.archive import MANIFEST, Manifest, read_manifest, verify_archive, write_archive
from homeostat.record.stored import StoredJournal


def archives(settings: Settings) -> list[Path]:
    """The folders of all archives, oldest first."""
    return sorted(path.parent for path in settings.archive.glob(f"*/{MANIFEST}") if path.parent.suffix != ".new")


def archive_due(settings: Settings, journal: StoredJournal, now: float) -> tuple[Path, Manifest] | None:
    """Archive every incident that has been closed for long enough and is in no archive yet; None when none is due.

    Raises:
        UsageError: pyarrow is missing, or the archive cannot be written.
        JournalError: the journal or an archive is damaged.
    """
    archived = {stream.stream for folder in archives(settings) for stream in read_manifest(folder).streams}
    closed_before = now - settings.retention.archive_after_s
    closed = {
        record.stream for record in journal.since(0.0, [Closed.TYPE]) if record.entry.at <= closed_before
    } - archived
    streams = [stream for stream in journal.incidents() if stream in closed]
    if not streams:
        return None
    folder = settings.archive / datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    return folder, write_archive(journal, streams, folder, now)


def prune(settings: Settings, journal: StoredJournal, now: float) -> int:
    """Remove outputs that lie in an archive from the journal; give how many. Records are never removed.

    Each archive is read back whole first. An output that an incident outside the archives shares is kept.

    Raises:
        UsageError: pyarrow is missing. JournalError: an archive is damaged; nothing was removed.
    """
    archived: set[str] = set()
    safe: set[str] = set()
    for folder in archives(settings):
        manifest = verify_archive(folder)
        archived |= {stream.stream for stream in manifest.streams}
        safe |= set(manifest.artifacts)
    for record in journal.since(0.0, [ActionEnded.TYPE]):
        if record.stream not in archived and isinstance(record.entry, ActionEnded):
            safe.discard(record.entry.output_sha256 or "")
    return journal.discard(safe, stored_before=now - settings.retention.archive_after_s)
