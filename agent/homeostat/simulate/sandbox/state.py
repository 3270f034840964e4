"""The plant's circumstances: everything a fault can damage and a remedy can change."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from homeostat.simulate.sandbox.processes import Processes

POOL_SIZE = 40
CUT_SHARE = 0.5
"""Share of the requests in flight that a restart cuts; the others are drained."""
HISTORY_MIN = 2
"""Releases and configurations the next shift leaves behind, so that there is one to go back to."""


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the payments program. `leaked_connections`: in balance with the reaper, at full pace."""

    version: int
    error_share: float = 0.0
    leaked_connections: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether it works as meant."""
        return self.error_share == 0.0 and self.leaked_connections == 0.0


@dataclass(frozen=True, slots=True)
class Configuration:
    """A version of the payments configuration. `crash_after_s`: mean life of a process under it; None: sound."""

    version: int
    crash_after_s: float | None = None

    @property
    def sound(self) -> bool:
        """Whether processes live under it."""
        return self.crash_after_s is None


def _is_sound(version: Release | Configuration) -> bool:
    return version.sound


@dataclass(frozen=True, slots=True)
class AuthService:
    """How auth answers. Fields as in `faults.AuthDown`; `refusing`: nothing listens."""

    latency_s: float = 0.03
    error_share: float = 0.001
    hung_share: float = 0.0
    refusing: bool = False
    scraped: bool = True
    restart_cures: bool = True


@dataclass(frozen=True, slots=True)
class RowLocks:
    """Stuck transactions: `share` of the requests run into them."""

    share: float
    restart_cures: bool


@dataclass(slots=True)
class PlantState:
    """Mutable, and the only thing that is. Times are Unix seconds.

    Attributes:
        other_connections: of other clients of the database.
        leaked, orphaned: connections nobody will use again until they are reaped.
        batch_leak: leaked connections of a batch job, in balance with the reaper, until `batch_leak_until`.
        releases, configurations: the present one is the last; a roll-back drops it. Never empty.
        last_version: releases and configurations are numbered in one sequence.
        slowdown: of the database, until `slow_until`.
        degraded: auth is bypassed with cached tokens, which serve `cached_share` of the requests.
        shifted_share: of the traffic that goes to the standby site.
        misreported_share: of failures that surface under another code than they ought to.
        auth_unscraped_until: until then Prometheus cannot reach auth, whatever its state.
        cut_requests: requests lost with their process since the last scrape.
    """

    processes: Processes
    deployed_at: float
    other_connections: int
    pool_size: int = POOL_SIZE
    leaked: float = 0.0
    orphaned: float = 0.0
    batch_leak: float = 0.0
    batch_leak_until: float = -math.inf
    releases: list[Release] = field(default_factory=lambda: [Release(101), Release(103)])
    configurations: list[Configuration] = field(default_factory=lambda: [Configuration(102), Configuration(104)])
    last_version: int = 104
    auth: AuthService = AuthService()
    auth_restarts: int = 0
    locks: RowLocks | None = None
    slowdown: float = 1.0
    slow_until: float = -math.inf
    degraded: bool = False
    cached_share: float = 0.997
    shifted_share: float = 0.0
    busy: float = 0.0
    misreported_share: float = 0.0
    auth_unscraped_until: float = -math.inf
    cut_requests: float = 0.0

    @classmethod
    def sound(cls, rng: Random, at: float) -> PlantState:
        """Everything in order, the last deploy some hours ago."""
        deployed_at = at - rng.uniform(0.5, 12.0) * 3_600.0
        return cls(Processes(rng, deployed_at), deployed_at, other_connections=rng.randint(12, 20))

    @property
    def release(self) -> Release:
        """What runs."""
        return self.releases[-1]

    @property
    def configuration(self) -> Configuration:
        """What the processes read."""
        return self.configurations[-1]

    def next_version(self) -> int:
        """Give a number for a new release or configuration."""
        self.last_version += 1
        return self.last_version

    def deploy(self, release: Release, at: float) -> None:
        """Replace the program, which replaces its processes."""
        self.releases = [*self.releases[-2:], release]
        self.deployed_at = at
        self.restart_payments(at)

    def push_configuration(self, configuration: Configuration, at: float) -> None:
        """Replace the configuration; running processes read it at once."""
        self.configurations = [*self.configurations[-2:], configuration]
        self.processes.configure(configuration.crash_after_s, at)

    def roll_back_release(self, at: float) -> Release | None:
        """Deploy the release before the present one; None when there is no earlier one."""
        if len(self.releases) < 2:
            return None
        self.releases = self.releases[:-1]
        self.deployed_at = at
        self.restart_payments(at)
        return self.release

    def roll_back_configuration(self, at: float) -> Configuration | None:
        """Push the configuration before the present one; None when there is no earlier one."""
        if len(self.configurations) < 2:
            return None
        self.configurations = self.configurations[:-1]
        self.processes.configure(self.configuration.crash_after_s, at)
        return self.configuration

    def restart_payments(self, at: float) -> None:
        """Start all payments processes afresh: what they held is released, some requests in flight are lost."""
        self.cut_requests += CUT_SHARE * self.busy
        self.leaked = 0.0
        self.orphaned = 0.0
        if self.locks is not None and self.locks.restart_cures:
            self.locks = None
        self.processes.restart_all(at)

    def restart_auth(self) -> None:
        """Start auth afresh, which helps unless something behind it is the cause."""
        self.auth_restarts += 1
        if self.auth.restart_cures:
            self.auth = AuthService()

    def make_sound(self, at: float) -> None:
        """Undo every damage and every remedy, as the next shift does, without another deploy."""
        self.pool_size = POOL_SIZE
        self.leaked = self.orphaned = self.batch_leak = 0.0
        self.batch_leak_until = self.slow_until = -math.inf
        if not self.release.sound or len(self.releases) < HISTORY_MIN:
            self.releases = [*filter(_is_sound, self.releases), Release(self.next_version())]
        if not self.configuration.sound or len(self.configurations) < HISTORY_MIN:
            self.configurations = [*filter(_is_sound, self.configurations), Configuration(self.next_version())]
        self.auth = AuthService()
        self.locks = None
        self.degraded = False
        self.cached_share = 0.997
        self.shifted_share = 0.0
        self.processes.configure(None, at)
        self.processes.restart_all(at)
