"""What can be done to the local tier to break it. All of it is undone by `system.reset`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from homeostat.rig import signals
from homeostat.rig.fault_file import What, a_name
from homeostat.rig.layout import Layout, change_control
from homeostat.rig.local.effector import restart_payments


def delay(layout: Layout, name: str) -> None:
    """A proxy that is slow."""
    change_control(layout, name, delay_s=signals.DELAY_S)


def deploy(layout: Layout, release: str) -> None:
    """Another release of payments."""
    change_control(layout, "payments", release=release, deployed_at=time.time())
    restart_payments(layout)


def configure(layout: Layout, how: str) -> None:
    """A configuration with which payments cannot start."""
    del how
    change_control(layout, "payments", workers=-1, configured_at=time.time())
    restart_payments(layout)


VERBS: Mapping[str, Callable[[Layout, str], None]] = {
    "freeze": signals.freeze,
    "freeze_for_a_second": signals.freeze_for_a_second,
    "kill": signals.kill,
    "delay": delay,
    "deploy": deploy,
    "configure": configure,
}


def inject(layout: Layout, steps: Sequence[Mapping[str, What]]) -> None:
    """Do the steps of a fault, in order."""
    for step in steps:
        for verb, what in step.items():
            VERBS[verb](layout, a_name(what))
