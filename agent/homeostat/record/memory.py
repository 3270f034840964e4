"""A journal in memory: the same contract, codec and chain, and nothing left after the process."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock
from typing import Protocol

from homeostat.model.entries import RESTRICTING_TYPES, ActionEnded, ActionIntended, Closed, Suspected
from homeostat.model.errors import InvariantError, JournalConflict
from homeostat.model.ports import Batch, Record
from homeostat.record.anchors import Anchor, AnchorCheck
from homeostat.record.chain import GENESIS, ChainCheck, body_digest, chained, raw
from homeostat.record.codec import CODEC, Codec, EncodedEntry
from homeostat.record.stored import StoredRecord, check_artifact, check_follows, moved_on, starts_something
from homeostat.version import __version__


@dataclass(slots=True)
class _Staged:
    """What an append would change, kept apart until all of it is known to be allowed."""

    written: list[Record] = field(default_factory=list)
    heads: dict[str, Record] = field(default_factory=dict)
    keys: set[tuple[str, str]] = field(default_factory=set)
    incidents: list[str] = field(default_factory=list)
    open: dict[str, str] | None = None


class AppendGuard(Protocol):
    """What stands between one agent and a journal that several share."""

    def check(self, batches: Sequence[Batch]) -> None:
        """Raise LeaseLost where this agent may not append."""
        ...

    def written(self, batches: Sequence[Batch]) -> None:
        """Take note of what was appended."""
        ...


class MemoryJournal:
    """For simulation and tests: implements `StoredJournal`, and may be used from several threads.

    Args:
        code_version: what the records name as the release that wrote them.
    """

    def __init__(self, *, codec: Codec = CODEC, code_version: str = __version__) -> None:
        self._codec = codec
        self._code_version = code_version
        self._lock = Lock()
        self._written: list[Record] = []
        self._streams: dict[str, list[Record]] = {}
        self._keys: set[tuple[str, str]] = set()
        self._incidents: list[str] = []
        self._open: dict[str, str] = {}
        """Stream of an open incident -> its dedup key, oldest first."""
        self._artifacts: dict[str, tuple[bytes, float]] = {}
        self._anchors: list[Anchor] = []
        self._guard: AppendGuard | None = None

    def as_agent(self, guard: AppendGuard) -> MemoryJournal:
        """Give the same journal for one of several agents: whatever it appends has to pass the guard."""
        view = copy(self)
        view._guard = guard  # noqa: SLF001 - its own class
        return view

    def append(self, batches: Sequence[Batch], *, seen: int | None = None) -> int:
        """See `model.ports.Journal.append`."""
        encoded = [(batch, [self._codec.encode(entry) for entry in batch.entries]) for batch in batches]
        with self._lock:
            if seen is not None and starts_something(batches) and any(self.after(seen, RESTRICTING_TYPES)):
                raise moved_on()
            if self._guard is not None:
                self._guard.check(batches)
            staged = _Staged()
            for batch, entries in encoded:
                self._stage(staged, batch, entries)
            self._commit(staged)
            if self._guard is not None:
                self._guard.written(batches)
            return len(self._written)

    def _stage(self, staged: _Staged, batch: Batch, entries: Sequence[EncodedEntry]) -> None:
        head = staged.heads.get(batch.stream) or self._head(batch.stream)
        head_seq, head_hash = (head.seq, head.hash) if head else (0, GENESIS)
        if batch.head_seq is not None and head_seq != batch.head_seq:
            raise JournalConflict(f"stream {batch.stream} is at record {head_seq}, not at {batch.head_seq}")
        stored = chained(batch.stream, head_seq, head_hash, entries, self._code_version)
        for encoded, row in zip(entries, stored, strict=True):
            position = len(self._written) + len(staged.written) + 1
            record = Record(row.stream, row.seq, encoded.entry, row.prev_hash, row.hash, position)
            self._note(staged, record, encoded.action_key)
            staged.written.append(record)
            staged.heads[row.stream] = record

    def _note(self, staged: _Staged, record: Record, action_key: str | None) -> None:
        """Stage what a record means beyond its place in its stream."""
        stream, entry = record.stream, record.entry
        match entry:
            case ActionIntended() | ActionEnded():
                used = (entry.TYPE, entry.key)
                if used in self._keys or used in staged.keys:
                    raise JournalConflict(f"there is an {entry.TYPE} under the key {action_key!r} already")
                staged.keys.add(used)
            case Suspected():
                if record.seq != 1:
                    raise InvariantError(f"stream {stream}: {entry.TYPE} must be the stream's first record")
                staged.open = dict(self._open) if staged.open is None else staged.open
                if entry.dedup_key in staged.open.values():
                    raise JournalConflict(f"an incident is open already under the dedup key {entry.dedup_key!r}")
                staged.open[stream] = entry.dedup_key
                staged.incidents.append(stream)
            case Closed():
                staged.open = dict(self._open) if staged.open is None else staged.open
                if staged.open.pop(stream, None) is None:
                    raise InvariantError(f"stream {stream}: {entry.TYPE} where no incident is open")

    def _commit(self, staged: _Staged) -> None:
        self._written += staged.written
        for record in staged.written:
            self._streams.setdefault(record.stream, []).append(record)
        self._keys |= staged.keys
        self._incidents += staged.incidents
        if staged.open is not None:
            # In place, and never without the ones that stay: views share it, and others are reading.
            for stream in self._open.keys() - staged.open.keys():
                del self._open[stream]
            self._open.update(staged.open)

    def read(self, stream: str) -> Iterator[Record]:
        """See `model.ports.Journal.read`."""
        records = self._streams.get(stream, [])
        return iter(records[:])

    def head_seq(self, stream: str) -> int:
        """See `model.ports.Journal.head_seq`."""
        head = self._head(stream)
        return head.seq if head else 0

    def open_incidents(self) -> list[str]:
        """See `model.ports.Journal.open_incidents`."""
        return list(self._open)

    def incidents(self) -> list[str]:
        """See `model.ports.Journal.incidents`."""
        return list(self._incidents)

    def since(self, at: float, types: Iterable[str]) -> Iterator[Record]:
        """See `model.ports.Journal.since`."""
        wanted = frozenset(types)
        written = islice(self._written, len(self._written))
        return (record for record in written if record.entry.TYPE in wanted and record.entry.at >= at)

    def position(self) -> int:
        """See `model.ports.Journal.position`."""
        return len(self._written)

    def after(self, position: int, types: Iterable[str]) -> Iterator[Record]:
        """See `model.ports.Journal.after`."""
        wanted = frozenset(types)
        written = islice(self._written, position, len(self._written))
        return (record for record in written if record.entry.TYPE in wanted)

    def streams(self, prefix: str = "") -> list[str]:
        """See `StoredJournal.streams`."""
        return sorted(stream for stream in list(self._streams) if stream.startswith(prefix))

    def stored(self, stream: str) -> Iterator[StoredRecord]:
        """See `StoredJournal.stored`."""
        return map(self._store, self.read(stream))

    def keep(self, digest: str, content: bytes, *, bytes_total: int, truncated: bool, at: float) -> None:
        """See `model.ports.Journal.keep`."""
        del bytes_total, truncated
        check_artifact(digest, content)
        with self._lock:
            self._artifacts.setdefault(digest, (content, at))

    def artifact(self, digest: str) -> bytes | None:
        """See `StoredJournal.artifact`."""
        content, _ = self._artifacts.get(digest, (None, 0.0))
        return content

    def discard(self, digests: Collection[str], *, stored_before: float) -> int:
        """See `StoredJournal.discard`."""
        with self._lock:
            old = [one for one in set(digests) & set(self._artifacts) if self._artifacts[one][1] < stored_before]
            for digest in old:
                del self._artifacts[digest]
            return len(old)

    def anchors(self) -> Iterator[Anchor]:
        """See `StoredJournal.anchors`."""
        return iter(self._anchors[:])

    def last_anchor(self) -> Anchor | None:
        """See `anchors.Anchored`."""
        return self._anchors[-1] if self._anchors else None

    def hashes(self, after: int) -> Iterator[tuple[int, str]]:
        """See `anchors.Anchored`."""
        return ((record.position, record.hash) for record in islice(self._written, after, len(self._written)))

    def add_anchor(self, anchor: Anchor) -> None:
        """See `anchors.Anchored`."""
        with self._lock:
            check_follows(anchor, self.last_anchor())
            self._anchors.append(anchor)

    def verify(self, anchors: AnchorCheck | None = None) -> list[str]:
        """See `StoredJournal.verify`."""
        anchors = anchors or AnchorCheck()
        anchors.begin(self.anchors())
        check = ChainCheck(anchors=anchors)
        check.check(raw(position, self._store(record)) for position, record in enumerate(self._written, start=1))
        return [*check.report(), *anchors.finish()]

    def close(self) -> None:
        """Nothing to release; what was appended stays readable."""

    def _head(self, stream: str) -> Record | None:
        records = self._streams.get(stream)
        return records[-1] if records else None

    def _store(self, record: Record) -> StoredRecord:
        """Give a record the form it would have on disk; encoding is deterministic, so no body is kept."""
        entry = self._codec.encode(record.entry)
        return StoredRecord(
            record.stream,
            record.seq,
            entry.type,
            entry.v,
            entry.at,
            entry.action_key,
            self._code_version,
            entry.body,
            body_digest(entry.body),
            record.prev_hash,
            record.hash,
        )
