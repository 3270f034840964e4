"""Where a workspace's journal is kept, and what goes with it: a file of one agent, or a PostgreSQL that many share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from homeostat.app.settings import Settings
from homeostat.model.answers import Answer
from homeostat.model.errors import UsageError
from homeostat.model.ports import Inbox, LateOutcomes, Leases
from homeostat.record import inbox
from homeostat.record.inbox import FolderInbox
from homeostat.record.sqlite import SqliteJournal
from homeostat.record.stored import StoredJournal


@dataclass(frozen=True, slots=True)
class Store:
    """What an agent keeps its memory in.

    Attributes:
        leases, late_outcomes: where other agents share it.
    """

    journal: StoredJournal
    inbox: Inbox
    leases: Leases | None = None
    late_outcomes: LateOutcomes | None = None


@contextmanager
def agent_store(settings: Settings, failed: Callable[[str, Exception], None]) -> Iterator[Store]:
    """Open the store for the agent that runs.

    Raises:
        JournalError: another agent holds it, or it cannot be used. UsageError: its password cannot be had.
    """
    with ExitStack() as opened:
        journal = opened.enter_context(closing(SqliteJournal(settings.journal)))
        yield Store(journal, FolderInbox(settings.inbox, failed))


def has_journal(settings: Settings) -> bool:
    """Whether there is anything to read yet."""
    return settings.store.url is not None or settings.journal.exists()


@contextmanager
def journal_to_read(settings: Settings) -> Iterator[StoredJournal]:
    """The workspace's journal, beside agents that may be writing it.

    Raises:
        UsageError: there is none yet. JournalError: it cannot be read.
    """
    if not has_journal(settings):
        raise UsageError(
            f"{settings.journal}: no journal yet; `homeostat run` writes one, and `homeostat demo` shows one"
        )
    with closing(SqliteJournal(settings.journal, read_only=True)) as journal:
        yield journal


@contextmanager
def journal_to_write(settings: Settings) -> Iterator[StoredJournal]:
    """The workspace's journal, for a command that appends to it; the embedded one only while no agent runs.

    Raises:
        JournalError: an agent holds it, or it cannot be used.
    """
    state_folder(settings)
    with closing(SqliteJournal(settings.journal)) as journal:
        yield journal


def put_answer(settings: Settings, answer: Answer) -> None:
    """Leave what a person said for the agent that is to judge it.

    Raises:
        UsageError: it says what no answer may. JournalError: it cannot be written.
    """
    inbox.put(settings.inbox, answer)


def state_folder(settings: Settings) -> Path:
    """The state folder, made where it is missing. Raises UsageError."""
    try:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(f"{settings.state}: cannot be made: {error.strerror}; choose another agent.state") from error
    return settings.state
