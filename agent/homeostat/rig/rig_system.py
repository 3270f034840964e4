"""The rig as a system that drills break."""

from __future__ import annotations

from homeostat.rig import databases, processes, rig, workspace
from homeostat.rig.drill import System
from homeostat.rig.fault_file import Fault
from homeostat.rig.faults import why_not
from homeostat.rig.inject import inject
from homeostat.rig.layout import Layout


def _reset(layout: Layout, fault: Fault) -> None:
    rig.reset(layout, databases_too=fault.reset_databases)


RIG = System("homeostat.rig.effector", why_not, inject, _reset, databases.count_payments)


def is_up(layout: Layout) -> bool:
    """Whether every process of the rig runs."""
    return all(running for _, running in rig.status(layout)) and not processes.is_running(layout, workspace.AGENT)
