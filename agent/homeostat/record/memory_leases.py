"""Leases in memory, on an injected clock and without a thread: several agents of one simulation share a journal.

The rules are those of PostgreSQL's (`postgres_leases.py` and its functions); one contract suite holds both to them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from homeostat.model.entries import STARTING_TYPES, Closed, Suspected
from homeostat.model.errors import LeaseLost
from homeostat.model.ports import Batch, Clock, Lease
from homeostat.record.held import WAITS_S, HeldLeases, margin_s
from homeostat.record.memory import MemoryJournal


@dataclass(slots=True)
class _Row:
    owner: str | None
    fence: int
    expires_at: float


@dataclass(slots=True)
class _Seen:
    at: float
    blind: bool
    watched: tuple[str, ...]


class SharedMemory:
    """A journal in memory, and who answers for what in it.

    Args:
        ttl_s: how long a lease lasts without renewal.
        journal: its records; a new one when none is given.
    """

    def __init__(self, clock: Clock, *, ttl_s: float = 15.0, journal: MemoryJournal | None = None) -> None:
        self.journal = journal or MemoryJournal()
        self.clock = clock
        self.ttl_s = ttl_s
        self.rows: dict[str, _Row] = {}
        self.agents: dict[str, _Seen] = {}

    def as_agent(self, owner: str) -> tuple[MemoryJournal, MemoryLeases]:
        """Give one agent's view of the journal, and its leases. `owner` is new for each process that is simulated."""
        leases = MemoryLeases(self, owner)
        return self.journal.as_agent(leases), leases

    def free(self, owner: str, watched: Sequence[str]) -> Iterator[str]:
        """Streams that this agent may take: watched ones and open incidents whose lease has run out, oldest first."""
        now, wanted = self.clock.now(), {*watched, *self.journal.open_incidents()}
        found = [
            (row.expires_at, stream)
            for stream, row in self.rows.items()
            if stream in wanted and row.expires_at <= now and row.owner != owner
        ]
        return (stream for _, stream in sorted(found))

    def seeing(self, owner: str) -> dict[str, _Seen]:
        """The other agents that live and are not blind."""
        horizon = self.clock.now() - self.ttl_s
        return {
            other: seen
            for other, seen in self.agents.items()
            if other != owner and not seen.blind and seen.at > horizon
        }

    def share(self, watched: Sequence[str], agents: int) -> int:
        """How many streams are one agent's fair share."""
        return math.ceil((len(watched) + len(self.journal.open_incidents())) / agents)

    def load(self, owner: str) -> int:
        """How many streams an agent holds."""
        return sum(row.owner == owner for row in self.rows.values())


class MemoryLeases:
    """Implements `model.ports.Leases`, and guards the appends of its agent. `ticked` does what a keeper's thread does.

    Args:
        owner: unique among the agents that share the memory, those that are gone included.
    """

    def __init__(self, shared: SharedMemory, owner: str) -> None:
        self._shared, self._owner = shared, owner
        self._held = HeldLeases()
        self._watched: tuple[str, ...] = ()
        self._renewed_at = -math.inf
        self._blind_since: float | None = None

    def watch(self, streams: Sequence[str]) -> None:
        """See `model.ports.Leases.watch`."""
        self._watched = tuple(dict.fromkeys(streams))

    def held(self) -> Mapping[str, Lease]:
        """See `model.ports.Leases.held`."""
        return self._held.valid(self._shared.clock.now())

    def ticked(self, *, blind: bool) -> None:
        """See `model.ports.Leases.ticked`."""
        now = self._shared.clock.now()
        self._blind_since = (now if self._blind_since is None else self._blind_since) if blind else None
        if now - self._renewed_at >= self._shared.ttl_s / 3:
            self._renew(now, blind=blind)
            self._hand_over(blind=self._blind_since is not None and now - self._blind_since >= 2 * self._shared.ttl_s)
        if not blind:
            self._acquire(now)

    def release(self) -> None:
        """See `model.ports.Leases.release`."""
        self._shared.agents.pop(self._owner, None)
        self._free([stream for stream, row in self._shared.rows.items() if row.owner == self._owner])
        self._held.drop(self._held.streams())

    def check(self, batches: Sequence[Batch]) -> None:
        """See `memory.AppendGuard`."""
        shared, known = self._shared, set(self._shared.journal.incidents())
        opened = set(shared.journal.open_incidents())
        for batch in batches:
            stream, fence = batch.stream, self._held.fence(batch.stream)
            starts = any(entry.TYPE in STARTING_TYPES for entry in batch.entries)
            if stream in opened:
                row = shared.rows.get(stream)
                if row is None or row.owner != self._owner or row.fence != fence:
                    self._held.drop([stream])
                    raise LeaseLost(f"stream {stream}: somebody else answers for it; nothing was written")
                if starts and row.expires_at <= shared.clock.now() + margin_s(shared.ttl_s):
                    raise LeaseLost(f"stream {stream}: its lease is about to run out; nothing was written")
            elif stream in known and (fence is not None or starts):
                self._held.drop([stream])
                raise LeaseLost(f"stream {stream}: nobody answers for it any more; nothing was written")

    def written(self, batches: Sequence[Batch]) -> None:
        """See `memory.AppendGuard`."""
        for batch in batches:
            for entry in batch.entries:
                if isinstance(entry, Suspected):
                    self._take(batch.stream, 1)
                elif isinstance(entry, Closed):
                    self._shared.rows.pop(batch.stream, None)
                    self._held.drop([batch.stream])

    def _renew(self, now: float, *, blind: bool) -> None:
        self._shared.agents[self._owner] = _Seen(now, blind, self._watched)
        self._renewed_at = now
        mine = {stream: row.fence for stream, row in self._shared.rows.items() if row.owner == self._owner}
        self._held.drop(self._held.streams() - mine.keys())
        for stream, fence in mine.items():
            self._take(stream, fence)

    def _hand_over(self, *, blind: bool) -> None:
        shared, seeing = self._shared, self._shared.seeing(self._owner)
        if not seeing:
            return
        share = shared.share(self._watched, len(seeing) + 1)
        surplus = shared.load(self._owner) - share
        if blind:
            takers, surplus = list(seeing.values()), len(shared.rows)
        elif surplus > 1:
            takers = [seen for other, seen in seeing.items() if shared.load(other) < share]
        else:
            return
        wanted = {stream for seen in takers for stream in seen.watched}
        mine = (stream for stream in sorted(self._watched) if self._owns(stream) and stream in wanted)
        free = [stream for stream in mine if blind or not self._has_open_incident(stream)][:surplus]
        self._free(free)
        self._held.drop(free)

    def _acquire(self, now: float) -> None:
        shared = self._shared
        for stream in self._watched:
            shared.rows.setdefault(stream, _Row(None, 0, now))
        free = list(shared.free(self._owner, self._watched))
        room = shared.share(self._watched, len(shared.seeing(self._owner)) + 1) - shared.load(self._owner)
        for number, stream in enumerate(free, start=1):
            row = shared.rows[stream]
            if number <= room or row.expires_at <= now - WAITS_S:
                self._take(stream, row.fence + 1)

    def _take(self, stream: str, fence: int) -> None:
        now, ttl_s = self._shared.clock.now(), self._shared.ttl_s
        self._shared.rows[stream] = _Row(self._owner, fence, now + ttl_s)
        self._held.keep(Lease(stream, fence, now + ttl_s - margin_s(ttl_s)))

    def _free(self, streams: Sequence[str]) -> None:
        now = self._shared.clock.now()
        for stream in streams:
            self._shared.rows[stream] = _Row(None, self._shared.rows[stream].fence, now)

    def _owns(self, stream: str) -> bool:
        row = self._shared.rows.get(stream)
        return row is not None and row.owner == self._owner

    def _has_open_incident(self, stream: str) -> bool:
        journal = self._shared.journal
        opened = (next(journal.read(incident)).entry for incident in journal.open_incidents())
        return any(isinstance(entry, Suspected) and f"policy/{entry.policy}" == stream for entry in opened)
