"""What is dear to make and asked for by many pages at once is made once, and kept while it is good."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by key. Of those that are asked for together each is made once: the others wait for it.

    Args:
        keys_max: how many are kept; the oldest goes first.
        for_s: how long one is good, in seconds; None: for as long as it is kept.
        now: seconds on a clock that never goes back.
    """

    def __init__(self, keys_max: int, for_s: float | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._keys_max = keys_max
        self._for_s = for_s
        self._now = now
        self._lock = Lock()
        self._values: dict[Hashable, tuple[float, T]] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key; what `make` raises is raised, and nothing is kept."""
        with self._lock:
            found = self._values.get(key)
            if found is not None and (self._for_s is None or self._now() - found[0] < self._for_s):
                return found[1]
            made = make()
            self._values.pop(key, None)
            while len(self._values) >= self._keys_max:
                del self._values[next(iter(self._values))]
            self._values[key] = (self._now(), made)
            return made
