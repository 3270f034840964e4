"""What signals do to a process, whatever it is."""

from __future__ import annotations

import signal
import time

from homeostat.model.errors import UsageError
from homeostat.rig import processes
from homeostat.rig.layout import Layout

DELAY_S = 1.5
BLIP_S = 1.2


def freeze(layout: Layout, name: str) -> None:
    """It hangs: SIGSTOP."""
    if not processes.send(layout, name, signal.SIGSTOP):
        raise UsageError(f"{name} does not run, so it cannot be frozen")


def freeze_for_a_second(layout: Layout, name: str) -> None:
    """It hangs and goes on by itself."""
    freeze(layout, name)
    time.sleep(BLIP_S)
    processes.send(layout, name, signal.SIGCONT)


def kill(layout: Layout, name: str) -> None:
    """SIGKILL."""
    if not processes.is_running(layout, name):
        raise UsageError(f"{name} does not run, so it cannot be killed")
    processes.stop(layout, name, signal.SIGKILL)
