"""What can go wrong in the plant: the faults, their parameters, and the mix they are drawn from.

A fault is a description. `damage.py` turns it into changed circumstances, from which every symptom follows;
no remedy is told which fault it meets. What helps, and why:

pool_leak      pool.scale_up; deploy.rollback where the leak came with the deploy. k8s.restart and other roll-backs
               free what has leaked, and it leaks again.
auth_down      route.degraded_mode, unless the cache is cold; auth.restart, unless auth's own database is the cause.
bad_deploy     deploy.rollback. pool.scale_up takes away at most the requests that wait in vain.
crash_loop     config.rollback.
stuck_threads  k8s.restart, and deploy.rollback because it restarts, unless the locks outlive the processes.
blip           nothing: it heals itself, and every action is unnecessary.

traffic.shift helps against each of them where there is room, since the standby site has its own release,
configuration, auth service and database. It is slow, and where there is too little room it makes things worse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class PoolLeak:
    """Connections leak at a steady pace and come back when the database's idle time-out reaps them.

    Attributes:
        connections: how many are leaked once leaking and reaping balance.
        with_deploy: the leak is a release's, deployed at that moment; otherwise a batch job's.
        lasts_s: how long the batch job runs; a release leaks until it is rolled back.
    """

    NAME: ClassVar[str] = "pool_leak"
    connections: float
    with_deploy: bool
    lasts_s: float


class AuthMode(StrEnum):
    """How auth fails: some replicas hang, all are killed, or all are slow."""

    HUNG = "hung"
    KILLED = "killed"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class AuthDown:
    """The auth service, which payments calls while holding a database connection, is in trouble.

    Attributes:
        hung_share: share of calls that hang until payments gives up (mode `hung`).
        latency_s: of an answered call. error_share: of answered calls.
        scraped: whether the replica that Prometheus scrapes still answers.
        restart_cures: whether auth is well after a restart; its own database may be the cause.
        cached_share: share of requests that cached tokens can serve.
    """

    NAME: ClassVar[str] = "auth_down"
    mode: AuthMode
    hung_share: float
    latency_s: float
    error_share: float
    scraped: bool
    restart_cures: bool
    cached_share: float


@dataclass(frozen=True, slots=True)
class BadDeploy:
    """A release fails requests and leaks connections.

    Attributes:
        latent: the release that runs already has a bug that wakes now; otherwise it is deployed at that moment.
        error_share: of requests. leaked_connections: as `PoolLeak.connections`.
    """

    NAME: ClassVar[str] = "bad_deploy"
    latent: bool
    error_share: float
    leaked_connections: float


@dataclass(frozen=True, slots=True)
class CrashLoop:
    """A configuration is pushed under which each process dies about `crash_after_s` after its start."""

    NAME: ClassVar[str] = "crash_loop"
    crash_after_s: float


@dataclass(frozen=True, slots=True)
class StuckThreads:
    """Worker threads hang in transactions; requests that need the same rows wait for them and fail.

    Attributes:
        share: of requests that run into the locks.
        restart_cures: whether the transactions end with the processes that began them.
    """

    NAME: ClassVar[str] = "stuck_threads"
    share: float
    restart_cures: bool


@dataclass(frozen=True, slots=True)
class Blip:
    """The database is `slowdown` times slower for `lasts_s`, and well again by itself."""

    NAME: ClassVar[str] = "blip"
    slowdown: float
    lasts_s: float


Fault = PoolLeak | AuthDown | BadDeploy | CrashLoop | StuckThreads | Blip


def _pool_leak(rng: Random) -> PoolLeak:
    return PoolLeak(
        connections=rng.uniform(34.0, 45.0), with_deploy=rng.random() < 0.3, lasts_s=rng.uniform(1_800.0, 9_000.0)
    )


def _auth_down(rng: Random) -> AuthDown:
    mode = rng.choices((AuthMode.HUNG, AuthMode.KILLED, AuthMode.SLOW), weights=(60, 20, 20))[0]
    hung = mode is AuthMode.HUNG
    slow = mode is AuthMode.SLOW
    return AuthDown(
        mode=mode,
        hung_share=rng.uniform(0.08, 0.25) if hung else 0.0,
        latency_s=rng.uniform(1.6, 2.8) if slow else 0.03,
        error_share=rng.uniform(0.02, 0.25) if slow else 0.001,
        scraped=slow or (hung and rng.random() < 0.3),
        restart_cures=rng.random() < (0.7 if slow else 0.92),
        cached_share=rng.uniform(0.85, 0.95) if rng.random() < 0.08 else rng.uniform(0.994, 0.999),
    )


def _bad_deploy(rng: Random) -> BadDeploy:
    return BadDeploy(
        latent=rng.random() < 0.25, error_share=rng.uniform(0.08, 0.35), leaked_connections=rng.uniform(4.0, 38.0)
    )


def _crash_loop(rng: Random) -> CrashLoop:
    return CrashLoop(crash_after_s=rng.uniform(4.0, 25.0))


def _stuck_threads(rng: Random) -> StuckThreads:
    return StuckThreads(share=rng.uniform(0.07, 0.14), restart_cures=rng.random() < 0.93)


def _blip(rng: Random) -> Blip:
    return Blip(slowdown=rng.uniform(5.0, 9.0), lasts_s=rng.uniform(30.0, 90.0))


MIX: dict[str, tuple[float, Callable[[Random], Fault]]] = {
    PoolLeak.NAME: (0.22, _pool_leak),
    AuthDown.NAME: (0.22, _auth_down),
    BadDeploy.NAME: (0.18, _bad_deploy),
    CrashLoop.NAME: (0.12, _crash_loop),
    StuckThreads.NAME: (0.16, _stuck_threads),
    Blip.NAME: (0.10, _blip),
}
"""Name -> (weight, maker). The weights sum to 1."""


def draw(rng: Random) -> Fault:
    """Draw a fault and its parameters from `MIX`."""
    makers = [maker for _, maker in MIX.values()]
    return rng.choices(makers, weights=[weight for weight, _ in MIX.values()])[0](rng)


def draw_named(name: str, rng: Random) -> Fault:
    """Draw parameters for the fault called `name` (a key of `MIX`)."""
    return MIX[name][1](rng)
