"""Copies of a journal that are whole and proven before they get their name."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from homeostat.model.errors import JournalCorrupt, UsageError
from homeostat.record import sqlite_open
from homeostat.record.anchors import AnchorCheck
from homeostat.record.schema import HEAD_REVISION
from homeostat.record.sqlite_verify import verify
from homeostat.record.storage import synchronise
from homeostat.record.writer_lock import WriterLock


def back_up(journal: Path, target: Path, anchors: AnchorCheck) -> int:
    """Copy a journal, as it is at one moment, to a new file; an agent may go on writing it.

    Uses SQLite's online backup (sqlite.org/backup.html). The copy is verified and on its disk when it gets its name.

    Returns:
        The write position of the copy's last record.

    Raises:
        UsageError: there is a file already, or it cannot be written.
        JournalError: the journal cannot be read, or is damaged; nothing is left behind.
    """
    _refuse_existing(target)
    sqlite_open.check_readable(journal)
    with _draft_of(target) as draft:
        source_mode = sqlite_open.reading_mode(journal)
        with (
            sqlite_open.reading_errors(journal),
            closing(sqlite_open.connect(journal, source_mode)) as source,
            closing(sqlite3.connect(draft)) as copy,
        ):
            source.backup(copy)
        return _prove(draft, anchors, f"{journal}: the journal is damaged, so nothing was backed up")


def restore(backup: Path, journal: Path, anchors: AnchorCheck) -> int:
    """Put a backup in the place of a journal that is gone; one of an older release is migrated on the way.

    Args:
        backup: file that `back_up` made.
        journal: where the journal is to be.
        anchors: what it is held against. Those made after the backup say nothing about it, and are passed over.

    Returns:
        The write position of its last record.

    Raises:
        UsageError: there is a journal in that place, or the file cannot be copied.
        JournalError: an agent runs, or the backup is damaged; nothing is left behind.
    """
    sqlite_open.check_file(backup)
    _refuse_log_of(backup, "it holds records that are not in the file: this is no backup; use `homeostat backup`")
    sqlite_open.refuse_network(journal)
    lock = WriterLock(journal.resolve())
    try:
        _refuse_existing(journal)
        _refuse_log_of(journal, "it belongs to the journal that was here: move it away with it")
        with _draft_of(journal) as draft:
            shutil.copyfile(backup, draft)
            with sqlite_open.reading_errors(backup), closing(sqlite_open.connect(draft, "immutable")) as connection:
                revision = sqlite_open.read_revision(backup, connection)
                last = _last_position(connection)
            if revision != HEAD_REVISION:
                sqlite_open.migrate(draft)
            anchors.exported = [anchor for anchor in anchors.exported if anchor.position <= last]
            return _prove(draft, anchors, f"{backup}: the backup is damaged, so nothing was restored")
    finally:
        lock.release()


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise UsageError(f"{path}: there is a file already; move it away, or name another place")


def _refuse_log_of(path: Path, why: str) -> None:
    """Refuse a write-ahead log with anything in it; readers leave empty ones behind."""
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        raise UsageError(f"{log}: there is a write-ahead log; {why}")


@contextmanager
def _draft_of(target: Path) -> Iterator[Path]:
    """Lend a file beside `target` that gets its name when all went well, and is removed when not."""
    draft = target.with_name(target.name + ".new")
    leftovers = [draft.with_name(draft.name + end) for end in ("", "-journal", "-wal", "-shm")]
    try:
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield draft
        synchronise(draft)
        _refuse_existing(target)
        draft.rename(target)
        synchronise(target.parent)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror}; name a place with enough space") from error
    except sqlite3.Error as error:
        raise UsageError(f"{target}: cannot be written: {error}; name a place with enough space") from error
    finally:
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)


def _prove(draft: Path, anchors: AnchorCheck, what: str) -> int:
    """Verify a copy that nobody else has open. Raises JournalCorrupt."""

    @contextmanager
    def lend() -> Iterator[sqlite3.Connection]:
        with sqlite_open.reading_errors(draft), closing(sqlite_open.connect(draft, "immutable")) as connection:
            yield connection

    faults = verify(sqlite_open.uri(draft, "immutable"), lend, anchors)
    if faults:
        raise JournalCorrupt(f"{what}: {' '.join(faults)} `homeostat audit verify` shows all of it")
    with lend() as connection:
        return _last_position(connection)


def _last_position(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(position), 0) FROM journal").fetchone()[0])
