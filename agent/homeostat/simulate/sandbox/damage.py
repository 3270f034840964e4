"""What a fault does to the plant's circumstances. The only place that knows the kinds of fault."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from homeostat.simulate.sandbox.faults import (
    AuthDown,
    AuthMode,
    BadDeploy,
    Blip,
    CrashLoop,
    Fault,
    PoolLeak,
    StuckThreads,
)
from homeostat.simulate.sandbox.state import AuthService, Configuration, PlantState, Release, RowLocks

LEAKED_AT_ONCE = 0.6
"""Share of a leak's connections that are gone when it is first noticed: leaks are seen late."""


def strike(fault: Fault, state: PlantState, at: float) -> None:
    """Let `fault` happen at `at` (Unix seconds)."""
    match fault:
        case PoolLeak():
            _leak(fault, state, at)
        case AuthDown():
            state.auth = AuthService(
                latency_s=fault.latency_s,
                error_share=fault.error_share,
                hung_share=fault.hung_share,
                refusing=fault.mode is AuthMode.KILLED,
                scraped=fault.scraped,
                restart_cures=fault.restart_cures,
            )
            state.cached_share = fault.cached_share
        case BadDeploy():
            if fault.latent:
                release = replace(
                    state.release, error_share=fault.error_share, leaked_connections=fault.leaked_connections
                )
                state.releases = [*state.releases[:-1], release]
            else:
                state.deploy(Release(state.next_version(), fault.error_share, fault.leaked_connections), at)
        case CrashLoop():
            state.push_configuration(Configuration(state.next_version(), fault.crash_after_s), at)
        case StuckThreads():
            state.locks = RowLocks(fault.share, fault.restart_cures)
        case Blip():
            state.slowdown = fault.slowdown
            state.slow_until = at + fault.lasts_s
        case _:
            assert_never(fault)


def _leak(fault: PoolLeak, state: PlantState, at: float) -> None:
    if fault.with_deploy:
        state.deploy(Release(state.next_version(), leaked_connections=fault.connections), at)
    else:
        state.batch_leak = fault.connections
        state.batch_leak_until = at + fault.lasts_s
    state.leaked += LEAKED_AT_ONCE * fault.connections
