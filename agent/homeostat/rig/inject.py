"""What can be done to a rig to break it. All of it is undone by `rig.reset`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from homeostat.model.errors import UsageError
from homeostat.rig import balancer, databases, packets, processes, rig, signals
from homeostat.rig.effector import restart_payments
from homeostat.rig.fault_file import What, a_name
from homeostat.rig.layout import Layout, change_control

DRAIN_S = 0.5
HOLDERS = {"pool_connections", "table_lock"}


def lose(layout: Layout, name: str) -> None:
    """The data directory is gone."""
    databases.remove(layout.database(name))


def delay(layout: Layout, name: str) -> None:
    """A proxy that is slow."""
    change_control(layout, name, delay_s=signals.DELAY_S)


def hold(layout: Layout, what: str) -> None:
    """A client that holds what others need."""
    if what not in HOLDERS:
        raise UsageError(f"a holder holds {' or '.join(sorted(HOLDERS))}, not {what}")
    processes.start_module(layout, "blocker", "blocker", what)


def deploy(layout: Layout, release: str) -> None:
    """Another release of payments `a`."""
    change_control(layout, "payments_a", release=release, deployed_at=time.time())
    # As a careful deploy goes: users notice nothing of the restart, only of the release.
    balancer.weights(layout, 0, 100)
    time.sleep(DRAIN_S)
    processes.stop(layout, "payments_a")
    rig.start_payments(layout, "payments_a")
    balancer.weights(layout, 100, 0)


def configure(layout: Layout, how: str) -> None:
    """A configuration with which payments `a` cannot start."""
    del how
    change_control(layout, "payments_a", pool_port=-1, configured_at=time.time())
    restart_payments(layout)


def start(layout: Layout, what: str) -> None:
    """Start the monitoring again."""
    del what
    rig.start_monitoring(layout)


VERBS: Mapping[str, Callable[[Layout, str], None]] = {
    "freeze": signals.freeze,
    "freeze_for_a_second": signals.freeze_for_a_second,
    "kill": signals.kill,
    "lose": lose,
    "delay": delay,
    "hold": hold,
    "deploy": deploy,
    "configure": configure,
    "start": start,
    "drop_packets": packets.drop,
}


def inject(layout: Layout, steps: Sequence[Mapping[str, What]]) -> None:
    """Do the steps of a fault, in order."""
    for step in steps:
        for verb, what in step.items():
            VERBS[verb](layout, a_name(what))
