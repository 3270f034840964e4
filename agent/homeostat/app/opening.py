"""Find what a place holds: a workspace, a state folder, a journal's file, recorded incidents, or a shared journal."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from homeostat.app.clock import SystemClock
from homeostat.app.history import History, Source
from homeostat.app.policies import policy_named
from homeostat.app.recordings import journal_holding, valid_recordings
from homeostat.app.settings import Settings, load_settings
from homeostat.app.settings_file import FILE_NAME
from homeostat.app.store import journal_to_read
from homeostat.app.store_table import StoreTable
from homeostat.model.entries import PolicyLoaded
from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Policy
from homeostat.model.streams import POLICY_STREAMS, policy_stream
from homeostat.policy.load import load_journalled, load_policy
from homeostat.record.exported import read_export
from homeostat.record.lines import PACKED_SUFFIX, bounded_lines
from homeostat.record.recording import FORMAT, SUFFIX
from homeostat.record.sqlite import SqliteJournal
from homeostat.record.stored import StoredJournal

_JOURNAL = "journal.sqlite"
_RECORDING = f'"{FORMAT}"'.encode()
_SQLITE_MAGIC = b"SQLite format 3\0"
_SQLITE_SUFFIXES = frozenset({".sqlite", ".sqlite3", ".db"})
"""A file of such a name that is none is a damaged journal."""
_SHOWN_MAX = 200
_URLS = ("postgresql://", "postgres://")
_PLACES = (
    f"give a workspace (a folder with {FILE_NAME}), a state folder or its {_JOURNAL}, a folder of recorded incidents"
    f" (*{SUFFIX}), what `homeostat audit export` gave (*{SUFFIX} or *{SUFFIX}{PACKED_SUFFIX}),"
    " or postgresql://USER@HOST:PORT/DATABASE"
)


def open_history(place: str | os.PathLike[str], *, password: str | None = None) -> History:
    """See `homeostat.open`."""
    return History(open_source(place, password=password))


def open_source(place: str | os.PathLike[str], *, password: str | None = None) -> Source:
    """What `open_history` reads from; the arguments and errors are those of `homeostat.open`."""
    if isinstance(place, str) and place.startswith(_URLS):
        return _of_url(place, password)
    if password is not None:
        raise UsageError("a password is for a postgresql:// URL; files have none")
    path = Path(place).expanduser()
    try:
        is_file = path.is_file()
    except OSError as error:
        raise UsageError(f"{str(path)[:_SHOWN_MAX]}: {error.strerror}; {_PLACES}") from error
    if is_file:
        return _of_file(path)
    if not path.is_dir():
        raise UsageError(f"{path}: there is no such file or folder; {_PLACES}")
    if (path / FILE_NAME).exists():
        return _of_settings(load_settings(path / FILE_NAME), str(path))
    if (path / _JOURNAL).exists():
        return _of_file(path / _JOURNAL)
    if any(path.rglob(f"*{SUFFIX}")):
        return _of_recordings(path)
    raise UsageError(f"{path}: holds no journal and no recorded incident; {_PLACES}")


def _of_url(url: str, password: str | None) -> Source:
    try:
        settings = Settings(store=StoreTable(url=url, password=password))
    except ValidationError as error:
        raise UsageError(_what_is_wrong(error)) from None  # the error itself shows the password
    with ExitStack() as opened:
        journal = opened.enter_context(journal_to_read(settings))
        return _of_journal(journal, url, opened.pop_all())


def _what_is_wrong(error: ValidationError) -> str:
    finding = error.errors()[0]
    if finding["loc"][-1] == "url" and "password" in str(finding["msg"]):
        return "the URL must not hold a password; give it by reference: password='env:NAME' or 'file:/PATH'"
    return f"the {finding['loc'][-1]} {str(finding['msg']).removeprefix('Value error, ')}"


def _of_file(path: Path) -> Source:
    if path.name.endswith((SUFFIX, SUFFIX + PACKED_SUFFIX)):
        if path.suffix == SUFFIX and _RECORDING in next(bounded_lines(path, 1), b""):
            raise UsageError(f"{path}: is a single recording; give the folder it stands in")
        return _of_journal(read_export(path), str(path), ExitStack())
    if path.suffix not in _SQLITE_SUFFIXES and not _is_sqlite(path):
        raise UsageError(f"{path}: is no journal; {_PLACES}")
    with ExitStack() as opened:
        journal = opened.enter_context(closing(SqliteJournal(path, read_only=True)))
        return _of_journal(journal, str(path), opened.pop_all())


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC
    except OSError:
        return True  # that it cannot be read is the journal's to say


def _of_settings(settings: Settings, name: str) -> Source:
    with ExitStack() as opened:
        journal = opened.enter_context(journal_to_read(settings))
        window_s = settings.learning.recurrence_s
        named = partial(policy_named, settings)
        return Source(name, journal, named, SystemClock().now, window_s, opened=opened.pop_all())


def _of_recordings(folder: Path) -> Source:
    recordings = valid_recordings(folder)
    journal = journal_holding(recordings)
    named = partial(_newest_version, journal)
    rankings = tuple(recording.ranking for recording in recordings if recording.ranking is not None)
    return Source(str(folder), journal, named, SystemClock().now, rankings=rankings)


def _of_journal(journal: StoredJournal, name: str, opened: ExitStack) -> Source:
    return Source(name, journal, partial(_newest_version, journal), SystemClock().now, opened=opened)


def _newest_version(journal: StoredJournal, name: str) -> Policy:
    """The policy as it last came into use, from its sources in the journal; or read from a file."""
    if name.endswith(".yaml"):
        return load_policy(Path(name))
    entries = [record.entry for record in journal.read(policy_stream(name))]
    loaded = [entry for entry in entries if isinstance(entry, PolicyLoaded)]
    if loaded:
        return load_journalled(entries, loaded[-1].policy_hash)
    known = [stream.removeprefix(POLICY_STREAMS) for stream in journal.streams(POLICY_STREAMS)]
    hint = did_you_mean(name, known) or "; give the path of its file, or the policy itself"
    raise UsageError(f"the journal does not hold the text of a policy '{name}'{hint}")
