"""A journal for simulations: it keeps entries as they are, and what nobody will read is neither encoded nor chained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from homeostat.model.entries import RESTRICTING_TYPES, ActionEnded, ActionIntended, Closed, Entry, Suspected
from homeostat.model.errors import InvariantError, JournalConflict
from homeostat.model.ports import Batch, Record
from homeostat.record.stored import check_artifact, moved_on, starts_something


class UnsealedJournal:
    """Implements `model.ports.Journal` for one agent in one thread. It refuses what every journal refuses.

    Only that entries can be stored is not checked, and its records have no hashes.
    """

    def __init__(self) -> None:
        self._written: list[Record] = []
        self._streams: dict[str, list[Record]] = {}
        self._keys: set[tuple[str, str]] = set()
        self._open: dict[str, str] = {}
        """Stream of an open incident -> its dedup key, oldest first."""

    def append(self, batches: Sequence[Batch], *, seen: int | None = None) -> int:
        """See `model.ports.Journal.append`."""
        written = len(self._written)
        is_behind = seen is not None and seen < written
        if is_behind and starts_something(batches) and any(self.after(seen or 0, RESTRICTING_TYPES)):
            raise moved_on()
        staged: list[Record] = []
        heads: dict[str, int] = {}
        keys, opened = set(self._keys), dict(self._open)
        for batch in batches:
            seq = heads.get(batch.stream, self.head_seq(batch.stream))
            if batch.head_seq is not None and batch.head_seq != seq:
                raise JournalConflict(f"stream {batch.stream} is at record {seq}, not at {batch.head_seq}")
            for entry in batch.entries:
                seq += 1
                _note(batch.stream, seq, entry, keys, opened)
                staged.append(Record(batch.stream, seq, entry, "", "", written + len(staged) + 1))
            heads[batch.stream] = seq
        for record in staged:
            self._streams.setdefault(record.stream, []).append(record)
        self._written += staged
        self._keys, self._open = keys, opened
        return len(self._written)

    def read(self, stream: str) -> Iterator[Record]:
        """See `model.ports.Journal.read`."""
        return iter(self._streams.get(stream, [])[:])

    def head_seq(self, stream: str) -> int:
        """See `model.ports.Journal.head_seq`."""
        return len(self._streams.get(stream, ()))

    def open_incidents(self) -> list[str]:
        """See `model.ports.Journal.open_incidents`."""
        return list(self._open)

    def incidents(self) -> list[str]:
        """See `model.ports.Journal.incidents`."""
        return [stream for stream, records in self._streams.items() if isinstance(records[0].entry, Suspected)]

    def since(self, at: float, types: Iterable[str]) -> Iterator[Record]:
        """See `model.ports.Journal.since`."""
        return (record for record in self.after(0, types) if record.entry.at >= at)

    def position(self) -> int:
        """See `model.ports.Journal.position`."""
        return len(self._written)

    def after(self, position: int, types: Iterable[str]) -> Iterator[Record]:
        """See `model.ports.Journal.after`."""
        wanted = frozenset(types)
        written = islice(self._written, position, len(self._written))
        return (record for record in written if record.entry.TYPE in wanted)

    def keep(self, digest: str, content: bytes, *, bytes_total: int, truncated: bool, at: float) -> None:
        """Only check it: nobody reads the output of actions that nobody ran."""
        del bytes_total, truncated, at
        check_artifact(digest, content)

    def verify(self) -> list[str]:
        """No chain, no fault."""
        return []

    def close(self) -> None:
        """Nothing to release."""


def _note(stream: str, seq: int, entry: Entry, keys: set[tuple[str, str]], opened: dict[str, str]) -> None:
    """Take an entry into `keys` and `opened`; refuse what cannot be."""
    match entry:
        case ActionIntended() | ActionEnded():
            if (entry.TYPE, entry.key) in keys:
                raise JournalConflict(f"there is an {entry.TYPE} under the key {entry.key!r} already")
            keys.add((entry.TYPE, entry.key))
        case Suspected():
            if seq != 1:
                raise InvariantError(f"stream {stream}: {entry.TYPE} must be the stream's first record")
            if entry.dedup_key in opened.values():
                raise JournalConflict(f"an incident is open already under the dedup key {entry.dedup_key!r}")
            opened[stream] = entry.dedup_key
        case Closed():
            if opened.pop(stream, None) is None:
                raise InvariantError(f"stream {stream}: {entry.TYPE} where no incident is open")
