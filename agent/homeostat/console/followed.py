"""What is folded from a long journal, and then only from what is new in it: a page must not read it all each time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import Lock
from typing import Generic, TypeVar

from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read
from homeostat.model.ports import Record

S = TypeVar("S")
V = TypeVar("V")
JOURNALS_MAX = 4


class Followed(Generic[S]):
    """A fold over the records of some types.

    Args:
        types: of entries.
        begin: gives an empty state.
        add: takes one record in.
        since: gives the time, in Unix seconds, before which records are of no interest.
    """

    def __init__(
        self,
        types: Collection[str],
        begin: Callable[[], S],
        add: Callable[[S, Record], None],
        since: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._types = frozenset(types)
        self._begin = begin
        self._add = add
        self._since = since
        self._lock = Lock()
        self._states: dict[tuple[object, ...], tuple[int, S]] = {}

    def view(self, settings: Settings, look: Callable[[S], V]) -> tuple[int, V]:
        """The journal's position, and what `look` takes from the state there; it must copy what it takes.

        Raises:
            JournalError: the journal cannot be read; what was folded is then begun anew.
        """
        key = (settings.journal, settings.store.url)
        with self._lock:
            known = self._states.pop(key, None)
            if not has_journal(settings):
                return 0, look(self._begin())
            with journal_to_read(settings) as journal:
                position = journal.position()
                if known is None or known[0] > position:  # another journal lies there now
                    state = self._begin()
                    records = journal.since(self._since(), self._types)
                else:
                    state = known[1]
                    records = journal.after(known[0], self._types)
                for record in records:
                    if record.position <= position:  # what is written meanwhile comes the next time
                        self._add(state, record)
            while len(self._states) >= JOURNALS_MAX:
                del self._states[next(iter(self._states))]
            self._states[key] = (position, state)
            return position, look(state)
