"""The primary site: what becomes of its requests under the present circumstances, and how leaks grow and shrink."""

from __future__ import annotations

import math
from dataclasses import dataclass

from homeostat.simulate.sandbox.processes import PROCESSES
from homeostat.simulate.sandbox.queueing import pool_flow
from homeostat.simulate.sandbox.state import PlantState

DATABASE_S = 0.22
"""Time a payment needs the database for, and so holds a connection."""
DATABASE_CONNECTIONS_MAX = 100
POOL_PATIENCE_S = 1.0
AUTH_TIMEOUT_S = 5.0
LOCK_TIMEOUT_S = 8.0
PROCESS_RATE_MAX = 20.0
"""Requests a second that one process can take."""
DECLINED_SHARE = 0.0006
"""Share of requests that fail on the best of days."""
REAPER_S = 75.0
"""Mean time until the database's idle time-out closes a leaked connection."""
ORPHAN_S = 20.0
"""Mean time until the database notices that a connection's process has died."""
CONNECTIONS_OF_A_PROCESS = 8.0


@dataclass(frozen=True, slots=True)
class Service:
    """What the primary site does with its traffic; rates are a second.

    Attributes:
        failed_rate: failed at their work (mostly a 500). refused_rate: never got to it (mostly a 503). The others
            are served. A share of each surfaces under the other code, depending on which layer gives up first.
        latency_s: mean time to an answer.
        auth_ok_rate, auth_error_rate: answers that auth gives, as auth itself counts.
        overload: demand for connections over what the pool has; above 1 requests give up waiting.
    """

    failed_rate: float
    refused_rate: float
    latency_s: float
    busy: float
    waiting: float
    served_share: float
    auth_ok_rate: float
    auth_error_rate: float
    overload: float


def usable_connections(state: PlantState) -> float:
    """Connections that requests can have: what the database grants, without the leaked and orphaned ones."""
    granted = min(state.pool_size, DATABASE_CONNECTIONS_MAX - state.other_connections)
    return max(0.0, granted - state.leaked - state.orphaned)


def serve(state: PlantState, rate: float, at: float) -> Service:
    """Serve `rate` requests a second at `at` (Unix seconds)."""
    auth = state.auth
    reach = min(rate, state.processes.alive * PROCESS_RATE_MAX)
    refused_rate = rate - reach
    auth_s = 0.0
    auth_failed_share = 0.0
    if state.degraded:
        uncached_rate = reach * (1.0 - state.cached_share)
        refused_rate += uncached_rate
        reach -= uncached_rate
    elif auth.refusing:
        refused_rate += reach
        reach = 0.0
    else:
        answered_share = 1.0 - auth.hung_share
        auth_s = answered_share * auth.latency_s + auth.hung_share * AUTH_TIMEOUT_S
        auth_failed_share = auth.hung_share + answered_share * auth.error_share

    hold_s = DATABASE_S * (state.slowdown if at <= state.slow_until else 1.0) + auth_s
    lock_share = 0.0
    if state.locks is not None:
        lock_share = state.locks.share
        hold_s += lock_share * LOCK_TIMEOUT_S
    usable = usable_connections(state)
    flow = pool_flow(reach, hold_s, usable, POOL_PATIENCE_S)
    good_share = (
        (1.0 - DECLINED_SHARE)
        * (1.0 - state.release.error_share)
        * (1.0 - lock_share)
        * (1.0 - auth_failed_share)
        * _granted_share(state)
    )
    gave_up_rate = reach - flow.served_rate
    failed_rate = flow.served_rate * (1.0 - good_share)
    refused_rate += gave_up_rate
    swapped_rate = state.misreported_share * (refused_rate - failed_rate)
    calls_rate = 0.0 if state.degraded else flow.served_rate * (1.0 - auth.hung_share)
    return Service(
        failed_rate=failed_rate + swapped_rate,
        refused_rate=refused_rate - swapped_rate,
        latency_s=(flow.served_rate * (hold_s + flow.wait_s) + gave_up_rate * POOL_PATIENCE_S) / rate if rate else 0.0,
        busy=flow.busy,
        waiting=flow.waiting,
        served_share=flow.served_rate / reach if reach > 0.0 else 1.0,
        auth_ok_rate=calls_rate * (1.0 - auth.error_share),
        auth_error_rate=calls_rate * auth.error_share,
        overload=reach * hold_s / max(usable, 1.0),
    )


def _granted_share(state: PlantState) -> float:
    """Share of check-outs that get a connection the database has granted: it refuses those above its limit."""
    room = DATABASE_CONNECTIONS_MAX - state.other_connections
    return min(1.0, room / state.pool_size)


def age_connections(state: PlantState, served_share: float, crashes: int, seconds: float, at: float) -> None:
    """Let connections leak, be orphaned and be reaped for `seconds` up to `at`.

    Whoever leaks a connection must get one first, so that a leak slows down as the pool runs dry.
    """
    leaking = state.release.leaked_connections + (state.batch_leak if at <= state.batch_leak_until else 0.0)
    balance = leaking * served_share
    state.leaked = balance + (state.leaked - balance) * math.exp(-seconds / REAPER_S)
    state.leaked = min(state.leaked, float(state.pool_size))
    state.orphaned = min(
        state.orphaned * math.exp(-seconds / ORPHAN_S) + crashes * CONNECTIONS_OF_A_PROCESS,
        float(state.pool_size) * (PROCESSES - 1) / PROCESSES,
    )
