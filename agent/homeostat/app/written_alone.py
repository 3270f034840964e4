"""What a command writes into the workspace's journal itself, where no agent runs that would write it."""

from __future__ import annotations

from contextlib import ExitStack

from homeostat.app.settings import Settings
from homeostat.app.store import journal_to_write
from homeostat.model.entries import Entry
from homeostat.model.errors import JournalError
from homeostat.model.ports import Batch, Clock
from homeostat.model.streams import AGENT_STREAM
from homeostat.record.writer_lock import WriterLock

TRIES_MAX = 6
TRY_AGAIN_S = 0.1
"""Another command holds the journal for less than these tries together; an agent, for longer."""


def written_alone(settings: Settings, clock: Clock, entry: Entry) -> bool:
    """Append to the agents' own stream under the lock that an agent would hold; False where one runs.

    Raises:
        UsageError: the agent here uses another store. JournalError: the journal cannot be written.
    """
    if settings.store.url is not None:
        return False
    with ExitStack() as opened:
        for tries in range(1, TRIES_MAX + 1):
            if WriterLock.holder(settings.journal) is None:
                try:
                    journal = opened.enter_context(journal_to_write(settings))
                except JournalError:
                    if tries == TRIES_MAX and WriterLock.holder(settings.journal) is None:
                        raise
                else:
                    journal.append([Batch(AGENT_STREAM, None, [entry])])
                    return True
            if tries < TRIES_MAX:
                clock.wait(TRY_AGAIN_S)
    return False
