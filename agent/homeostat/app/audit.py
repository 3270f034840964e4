"""What an auditor asks: is the journal what was written, and is there proof of it elsewhere?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from homeostat.act.secret import SecretError, resolve
from homeostat.app.settings import Settings
from homeostat.app.store import journal_to_read
from homeostat.model.errors import UsageError
from homeostat.record.anchors import AnchorCheck, read_anchors
from homeostat.record.keys import PrivateKey, PublicKey, generate_key, private_key_from, public_keys, public_pem
from homeostat.record.sqlite import SqliteJournal
from homeostat.record.stored import StoredJournal

PRIVATE_KEY = "anchor.key"
PUBLIC_KEY = "anchor.pub"
PROBLEMS_SHOWN_MAX = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit came to.

    Attributes:
        faults: what is wrong, one sentence each.
        unchecked: what could not be checked, and what would let it be.
        records: write position of the last record.
    """

    faults: Sequence[str]
    unchecked: Sequence[str]
    records: int
    incidents: int
    anchors: int


def make_keys(settings: Settings) -> str:
    """Make the key pair of a workspace; give the public key as text, to be kept elsewhere.

    Raises:
        UsageError: there is one already, or the state folder cannot be written.
    """
    try:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = public_pem(generate_key(settings.state / PRIVATE_KEY).public_key())
        (settings.state / PUBLIC_KEY).write_text(text)
    except OSError as error:
        raise UsageError(f"{settings.state}: the keys cannot be written: {error.strerror}") from error
    return text


def signing_key(settings: Settings) -> PrivateKey | None:
    """The key that anchors are signed with; None when there is none, and so no anchors are made.

    Raises:
        UsageError: there is one that cannot be used.
    """
    reference = settings.audit.key
    if reference is None:
        path = settings.state / PRIVATE_KEY
        if not path.exists():
            return None
        reference = f"file:{path.absolute()}"
    try:
        return private_key_from(resolve(reference, settings.secrets.for_lookup()), reference)
    except SecretError as error:
        raise UsageError(f"audit.key: {error}") from error


def verify(
    settings: Settings, *, journal: Path | None = None, anchors: Path | None = None, keys: Sequence[Path] = ()
) -> Verdict:
    """Check a journal whole.

    Args:
        settings: of the workspace.
        journal: another file than the workspace's own.
        anchors: file of exported anchors; None: the one the settings export to, if it is there.
        keys: files of public keys; none: the workspace's own, if it has one.

    Raises:
        UsageError, PolicyError: a file that was named cannot be used. JournalError: the journal cannot be opened.
    """
    unchecked: list[str] = []
    exported = anchors or settings.audit_export
    if exported is None or (anchors is None and not exported.exists()):
        unchecked.append(
            "no exported anchors were given: a journal rewritten together with its own anchors, or cut off at its end,"
            " cannot be told from a true one; set audit.export_file, or give --anchors FILE"
        )
        exported = None
    found, problems = read_anchors(exported) if exported else ([], [])
    if anchors is not None and not found:
        raise UsageError(
            f"{anchors}: there is no anchor in this file, so nothing can be held against it; name the one that"
            " audit.export_file, or what receives audit.export_url, has written"
        )
    unchecked += [f"{problem}; it was passed over" for problem in problems[:PROBLEMS_SHOWN_MAX]]
    check = AnchorCheck(found, _keys(settings, keys, unchecked))
    elsewhere = [anchor.position for anchor in check.exported]
    with _opened(settings, journal) as opened:
        faults = opened.verify(check)
        records, incidents = opened.position(), len(opened.incidents())
        last = opened.last_anchor()
    covered, kind = (max(elsewhere), "exported anchor") if elsewhere else (last.position if last else 0, "anchor")
    if covered < records:
        unchecked.append(
            f"the records after position {covered}, of {records}, are in no {kind} yet: cutting them off, or adding to"
            f" them, would not be seen; {_who_anchors(settings)}"
        )
    return Verdict(faults, unchecked, records, incidents, check.count)


def _who_anchors(settings: Settings) -> str:
    if settings.audit.key is None and not (settings.state / PRIVATE_KEY).exists():
        return "`homeostat audit keygen` makes the key that anchors need"
    return "a running agent anchors them soon; when none runs, `homeostat audit anchor` does"


@contextmanager
def _opened(settings: Settings, journal: Path | None) -> Iterator[StoredJournal]:
    """The journal in a file, or the workspace's."""
    if journal is None:
        with journal_to_read(settings) as own:
            yield own
        return
    require_there(journal)
    with closing(SqliteJournal(journal, read_only=True)) as other:
        yield other


def export_check(settings: Settings) -> AnchorCheck:
    """What the workspace has to hold a copy of its journal against. Raises UsageError, PolicyError."""
    exported = settings.audit_export
    there = exported is not None and exported.exists()
    found, _ = read_anchors(exported) if exported and there else ([], [])
    return AnchorCheck(found, _keys(settings, (), []))


def _keys(settings: Settings, paths: Sequence[Path], unchecked: list[str]) -> dict[str, PublicKey]:
    own = settings.state / PUBLIC_KEY
    if paths:
        return public_keys(paths)
    if own.exists():
        unchecked.append(
            f"the public key is the one in {own}: whoever rewrote the journal may have replaced it;"
            " keep it elsewhere, and give it by --public-key FILE"
        )
        return public_keys([own])
    unchecked.append("no public key was given: signatures of anchors were not checked; give --public-key FILE")
    return {}


def require_there(journal: Path) -> None:
    """Raise UsageError where a file that a person named is not there."""
    if not journal.exists():
        raise UsageError(f"{journal}: there is no such file; name a journal or a backup of one")


def require_file(settings: Settings) -> None:
    """Raise UsageError where the journal is not a file of ours."""
    if settings.store.url is not None:
        raise UsageError(
            "this journal is on PostgreSQL: back it up and restore it with PostgreSQL's own means, pg_dump or a base"
            " backup (docs/operations/journal.md); `homeostat audit export` prints every record"
        )
