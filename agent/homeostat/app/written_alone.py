"""The journal of one agent, and the commands that write a moment long while no agent runs: they wait for each other."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from homeostat.model.entries import Entry
from homeostat.model.errors import JournalError
from homeostat.model.ports import Batch, Clock
from homeostat.model.streams import AGENT_STREAM
from homeostat.record.sqlite import SqliteJournal

TRIES_MAX = 10
TRY_AGAIN_S = 0.1
"""A command holds the journal for less than these tries together; an agent, for longer."""


def opened_in_turn(path: Path, clock: Clock) -> SqliteJournal:
    """Open a journal to write, when whoever writes it now has done so.

    Raises:
        JournalError: it is held for longer, or cannot be used.
    """
    for _ in range(TRIES_MAX - 1):
        try:
            return SqliteJournal(path)
        except JournalError as error:
            if not is_held(error) or clock.wait(TRY_AGAIN_S):
                raise
    return SqliteJournal(path)


def is_held(error: JournalError) -> bool:
    """Whether a journal could not be opened because somebody else writes it."""
    return isinstance(error.__cause__, BlockingIOError)


def written_alone(path: Path, clock: Clock, entry: Entry) -> bool:
    """Append to the agents' own stream under the lock that an agent would hold; False where one runs.

    Raises:
        JournalError: the journal cannot be written.
    """
    try:
        journal = opened_in_turn(path, clock)
    except JournalError as error:
        if is_held(error):
            return False
        raise
    with closing(journal):
        journal.append([Batch(AGENT_STREAM, None, [entry])])
    return True
