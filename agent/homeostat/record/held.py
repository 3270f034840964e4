"""The leases of this process, as its journal and its keeper of leases both know them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from threading import Lock

from homeostat.model.ports import Lease

WAITS_S = 0.5
"""A free lease waits so long for an agent with room; then whoever sees it takes it."""


def boottime_s() -> float:
    """Seconds on CLOCK_BOOTTIME, which goes on while the machine sleeps: a lease runs out meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class HeldLeases:
    """Stream -> lease. May be used from several threads; no call waits for anything but another such call."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._leases: dict[str, Lease] = {}

    def fence(self, stream: str) -> int | None:
        """The fence to append under; None where nothing is held. Also of a lease that has run out: the store judges."""
        lease = self._leases.get(stream)
        return None if lease is None else lease.fence

    def streams(self) -> frozenset[str]:
        """Everything held, run out or not."""
        with self._lock:
            return frozenset(self._leases)

    def keep(self, lease: Lease) -> None:
        """Hold one lease more, or one renewed."""
        with self._lock:
            self._leases[lease.stream] = lease

    def drop(self, streams: Iterable[str]) -> None:
        """Hold these no longer."""
        with self._lock:
            for stream in streams:
                self._leases.pop(stream, None)

    def renew(self, asked: frozenset[str], renewed: Iterable[Lease]) -> None:
        """Take over what the store says is held, after it was asked while `asked` was believed to be.

        What was opened or closed in between is as it is: the store's answer is older.
        """
        answered = {lease.stream: lease for lease in renewed}
        with self._lock:
            for stream in asked - answered.keys():
                self._leases.pop(stream, None)
            for stream, lease in answered.items():
                if stream not in asked or stream in self._leases:
                    self._leases[stream] = lease

    def valid(self, now_s: float) -> Mapping[str, Lease]:
        """Those under which something may be started at `now_s` on CLOCK_BOOTTIME."""
        with self._lock:
            return {stream: lease for stream, lease in self._leases.items() if now_s < lease.start_before_s}


def margin_s(ttl_s: float) -> float:
    """How long before a lease runs out its holder stops starting anything: 3 s, or a fifth of a short lease."""
    return min(3.0, ttl_s / 5)
