"""Where a workspace's journal is kept, and what goes with it: a file of one agent, or a PostgreSQL that many share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from homeostat.act.secret import SecretError, resolve
from homeostat.act.spool_id import spool_id
from homeostat.app.settings import Settings
from homeostat.app.written_alone import opened_in_turn, written_alone
from homeostat.model.answers import Answer
from homeostat.model.commands import Done
from homeostat.model.entries import Entry
from homeostat.model.errors import UsageError
from homeostat.model.ports import Clock, Inbox, LateOutcomes, Leases
from homeostat.record import inbox
from homeostat.record.inbox import FolderInbox
from homeostat.record.sqlite import SqliteJournal
from homeostat.record.stored import StoredJournal
from homeostat.record.writer_lock import WriterLock

if TYPE_CHECKING:
    from homeostat.record.postgres import PostgresJournal
    from homeostat.record.postgres_census import AgentSeen

STALL_TICKS = 3
"""An agent whose last tick is this many intervals old is not well, and does not keep its leases."""

_SECOND_AGENT = "works in this state folder; stop it first, or give this one another agent.state"

_AGENT_LOCK = "agent"
NO_SPOOL = ""
READER = "command line"


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
def agent_store(
    settings: Settings,
    agent: str,
    clock: Clock,
    failed: Callable[[str, Exception], None],
    told: Callable[[str], None],
) -> Iterator[Store]:
    """Open the store for the agent that runs.

    Args:
        settings: of the workspace.
        agent: this process's name, for those who look who is there.
        clock: waits for a command that writes for a moment.
        failed: told of errors beside the loop's thread.
        told: told of a shared store that was lost and came back.

    Raises:
        JournalError: another agent holds it, or it cannot be used. UsageError: its password cannot be had.
    """
    with ExitStack() as opened:
        if settings.store.url is None:
            journal = opened.enter_context(closing(opened_in_turn(settings.journal, clock)))
            yield Store(journal, FolderInbox(settings.inbox, failed))
            return
        from homeostat.record.postgres_inbox import PostgresInbox, PostgresLateOutcomes
        from homeostat.record.postgres_leases import PostgresLeases

        lock = WriterLock(settings.state / _AGENT_LOCK, _SECOND_AGENT)
        opened.callback(lock.release)
        shared = opened.enter_context(closing(_shared(settings, agent=agent, told=told)))
        answers = opened.enter_context(closing(PostgresInbox(shared.server, failed)))
        late = opened.enter_context(closing(PostgresLateOutcomes(shared.server)))
        leases = PostgresLeases(shared, stall_s=STALL_TICKS * settings.agent.poll_interval_s, failed=failed)
        opened.callback(leases.release)
        yield Store(shared, answers, leases, late)


def _shared(
    settings: Settings, *, agent: str, read_only: bool = False, told: Callable[[str], None] = lambda _: None
) -> PostgresJournal:
    """Open the journal that several agents share. Raises JournalError, UsageError."""
    # Half a second of imports that an agent on a file of its own does without.
    from homeostat.record.postgres import PostgresJournal

    table = settings.store
    return PostgresJournal(
        table.url or "",
        agent=agent,
        spool=NO_SPOOL if read_only else spool_id(settings.state),
        password=_password(settings),
        read_only=read_only,
        lease_ttl_s=table.lease_ttl_s,
        require_synchronous_standby=table.require_synchronous_standby,
        told=told,
    )


def _password(settings: Settings) -> str | None:
    reference = settings.store.password
    try:
        return None if reference is None else resolve(reference, settings.secrets.for_lookup())
    except SecretError as error:
        raise UsageError(f"store.password: {error}") from error


def unknown_store(settings: Settings) -> str | None:
    """Why a command would look past the agent that runs here: that one was given a store by `run --store`.

    A kill switch that nobody reads is the worst a command can do with the wrong store.
    """
    if settings.store.url is not None:
        return None
    holder = WriterLock.holder(settings.state / _AGENT_LOCK)
    if holder is None:
        return None
    return (
        f"{settings.state}: the agent that works here, process {holder}, shares its journal in a store that"
        " homeostat.toml does not name; set store.url there to the URL that `run --store` was given"
    )


def _require_known_store(settings: Settings) -> None:
    unknown = unknown_store(settings)
    if unknown is not None:
        raise UsageError(unknown)


def has_journal(settings: Settings) -> bool:
    """Whether there is anything to read yet."""
    return settings.store.url is not None or settings.journal.exists()


@contextmanager
def journal_to_read(settings: Settings) -> Iterator[StoredJournal]:
    """The workspace's journal, beside agents that may be writing it.

    Raises:
        UsageError: there is none yet, or the agent here uses another. JournalError: it cannot be read.
    """
    _require_known_store(settings)
    if not has_journal(settings):
        raise UsageError(
            f"{settings.journal}: no journal yet; `homeostat run` writes one, and `homeostat demo` shows one"
        )
    if settings.store.url is not None:
        with closing(_shared(settings, agent=READER, read_only=True)) as shared:
            yield shared
        return
    with closing(SqliteJournal(settings.journal, read_only=True)) as journal:
        yield journal


@contextmanager
def journal_to_write(settings: Settings) -> Iterator[StoredJournal]:
    """The workspace's journal, for a command that appends to it; the embedded one only while no agent runs.

    Raises:
        JournalError: an agent holds it, or it cannot be used. UsageError: the agent here uses another.
    """
    state_folder(settings)
    _require_known_store(settings)
    if settings.store.url is not None:
        with closing(_shared(settings, agent=READER)) as shared:
            yield shared
        return
    with closing(SqliteJournal(settings.journal)) as journal:
        yield journal


def written_or_put(settings: Settings, clock: Clock, entry: Entry, answer: Answer) -> bool:
    """Append to the agents' own stream where no agent runs: True. Else leave the answer that says the same: False.

    A journal has one writer: where an agent runs, or agents share a store, they are told through the inbox.

    Raises:
        UsageError: the answer says what none may, or the agent here uses another store.
        JournalError: neither the journal nor the inbox can be written.
    """
    if settings.store.url is None:
        state_folder(settings)
        _require_known_store(settings)
        if written_alone(settings.journal, clock, entry):
            return True
    put_answer(settings, answer)
    return False


def agents_of(settings: Settings) -> list[AgentSeen]:
    """The agents that share the workspace's store.

    Raises:
        UsageError: nobody shares it. JournalError: it cannot be read.
    """
    _require_known_store(settings)
    if settings.store.url is None:
        raise UsageError("the journal is a file of one agent; store.url in homeostat.toml names one that agents share")
    from homeostat.record.postgres_census import agents_seen

    with closing(_shared(settings, agent=READER, read_only=True)) as shared:
        return agents_seen(shared.server)


def store_faults(settings: Settings) -> list[str]:
    """How a shared store could lose what it acknowledged, a sentence each; none for an embedded one.

    Raises:
        JournalError: it cannot be asked.
    """
    if settings.store.url is None:
        return []
    from homeostat.record.postgres_standby import standby_faults

    with closing(_shared(settings, agent=READER, read_only=True)) as shared:
        return standby_faults(shared.server, required=settings.store.require_synchronous_standby)


def put_answer(settings: Settings, answer: Answer) -> None:
    """Leave what a person said for the agent that is to judge it.

    Raises:
        UsageError: it says what no answer may, or the agent here would not hear it. JournalError: it cannot be written.
    """
    _require_known_store(settings)
    if settings.store.url is None:
        inbox.put(settings.inbox, answer)
        return
    from homeostat.record.postgres_inbox import PostgresInbox

    with (
        closing(_shared(settings, agent=READER, read_only=True)) as shared,
        closing(PostgresInbox(shared.server, lambda _what, _error: None)) as answers,
    ):
        answers.put(answer)


def put_outcome(settings: Settings, incident: str, key: str, done: Done) -> bool:
    """Leave word of how an action ended for the agent that answers for it; False where no store is shared.

    Raises:
        JournalError: it cannot be written.
    """
    if settings.store.url is None:
        return False
    from homeostat.record.postgres_inbox import PostgresLateOutcomes

    with (
        closing(_shared(settings, agent=READER, read_only=True)) as shared,
        closing(PostgresLateOutcomes(shared.server)) as late,
    ):
        late.put(incident, key, done)
    return True


def state_folder(settings: Settings) -> Path:
    """The state folder, made where it is missing. Raises UsageError."""
    try:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(f"{settings.state}: cannot be made: {error.strerror}; choose another agent.state") from error
    return settings.state
