"""The payments processes, and the supervisor that starts a crashed one again after a growing pause."""

from __future__ import annotations

import math
from random import Random

PROCESSES = 4
BACKOFF_FIRST_S = 10.0
BACKOFF_MAX_S = 60.0
LIFE_MIN_S = 2.0


class Processes:
    """Processes that live for ever, or under a configuration that kills them for about `crash_after_s` each time.

    Attributes:
        crash_after_s: mean life under the present configuration; None when it is sound.
        started_at: Unix seconds of the last start of each process.
        restarts: starts by the supervisor after a crash, since the beginning.
        crashes: the same for crashes.
    """

    def __init__(self, rng: Random, started_at: float) -> None:
        self._rng = rng
        self.crash_after_s: float | None = None
        self.started_at = [started_at] * PROCESSES
        self.restarts = 0
        self.crashes = 0
        self._dies_at = [math.inf] * PROCESSES
        self._starts_at: list[float | None] = [None] * PROCESSES
        self._backoff_s = [BACKOFF_FIRST_S] * PROCESSES
        self._quiet = True

    @property
    def alive(self) -> int:
        """How many run."""
        return PROCESSES if self._quiet else self._starts_at.count(None)

    def is_alive(self, index: int) -> bool:
        """Whether the process runs."""
        return self._starts_at[index] is None

    def configure(self, crash_after_s: float | None, at: float) -> None:
        """Let the running processes read a configuration; those that are down read it at their next start."""
        self.crash_after_s = crash_after_s
        self._quiet = False
        for index in range(PROCESSES):
            if self._starts_at[index] is None:
                self._dies_at[index] = self._death_after(at)

    def restart_all(self, at: float) -> None:
        """Start all afresh, with a fresh pause."""
        for index in range(PROCESSES):
            self._backoff_s[index] = BACKOFF_FIRST_S
            self._start(index, at)

    def kill_one(self, index: int, at: float) -> None:
        """The supervisor kills a process that does not answer, and starts it at once."""
        self.restarts += 1
        self._start(index, at)

    def advance(self, to: float) -> None:
        """Let the crashes and starts up to `to` happen."""
        if self._quiet:
            return
        for index in range(PROCESSES):
            self._advance_one(index, to)
        self._quiet = self.crash_after_s is None and all(start is None for start in self._starts_at)

    def _advance_one(self, index: int, to: float) -> None:
        while True:
            starts_at = self._starts_at[index]
            if starts_at is None:
                died_at = self._dies_at[index]
                if died_at > to:
                    return
                self.crashes += 1
                self._starts_at[index] = died_at + self._backoff_s[index]
                self._backoff_s[index] = min(BACKOFF_MAX_S, 2.0 * self._backoff_s[index])
            elif starts_at <= to:
                self.restarts += 1
                self._start(index, starts_at)
            else:
                return

    def _start(self, index: int, at: float) -> None:
        self._starts_at[index] = None
        self.started_at[index] = at
        self._dies_at[index] = self._death_after(at)

    def _death_after(self, at: float) -> float:
        if self.crash_after_s is None:
            return math.inf
        return at + LIFE_MIN_S + self._rng.expovariate(1.0 / self.crash_after_s)
