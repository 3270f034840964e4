"""Bring the local tier up, down, and back to how it was."""

from __future__ import annotations

import signal
from pathlib import Path

from homeostat.model.errors import HomeostatError
from homeostat.rig import processes
from homeostat.rig.asked_to_end import undisturbed
from homeostat.rig.drill import System
from homeostat.rig.fault_file import Fault, Vocabulary, a_name, faults_in
from homeostat.rig.layout import Layout, make_new_folder
from homeostat.rig.local.effector import ACTIONS
from homeostat.rig.local.injections import VERBS, inject
from homeostat.rig.local.paid import count_payments
from homeostat.rig.local.services import originals, start_all

PORTS = ("prometheus", "payments", "auth", "auth_proxy", "exporter", "agent")
FOLDERS = ("run", "log", "control", "work")
DOWN_ORDER = ("load", "prometheus", "exporter", "payments", "auth_proxy", "auth")
BROKEN = ("auth", "auth_proxy", "payments")
"""What a fault may have left in another state than its control file says."""

VOCABULARY = Vocabulary(("local",), dict.fromkeys(VERBS, a_name), ACTIONS)


def local_faults() -> dict[str, Fault]:
    """The shipped faults by name, sorted."""
    return faults_in(Path(__file__).parent / "faults", VOCABULARY)


def why_not(tier: str) -> str | None:
    """Why it cannot be had on this machine; None if it can."""
    del tier
    return None if Path("/proc/self/stat").exists() else "processes are told apart by Linux's /proc"


def up(folder: Path) -> Layout:
    """Make and start it in an empty or new folder. If anything fails, all that was started is ended.

    Raises:
        UsageError: the folder is in use.
        ActuatorError: something did not start in time.
    """
    make_new_folder(folder)
    layout = Layout.new(folder, PORTS, entrance="payments")
    for name in FOLDERS:
        (layout.folder / name).mkdir()
    layout.save()
    try:
        originals(layout)
        start_all(layout)
    except BaseException:
        stop_all(layout)
        raise
    return layout


def stop_all(layout: Layout) -> None:
    """End everything that runs there, the load first. Raises ActuatorError: something would not end."""
    errors: list[HomeostatError] = []
    with undisturbed():
        for name in dict.fromkeys([*DOWN_ORDER, *processes.names(layout)]):
            try:
                processes.stop(layout, name)
            except HomeostatError as error:
                errors.append(error)
    if errors:
        raise errors[0]


def reset(layout: Layout, fault: Fault) -> None:
    """Put everything back as it was before a fault, whatever a drill left."""
    del fault
    for name in processes.names(layout):
        processes.send(layout, name, signal.SIGCONT)
    originals(layout)
    for name in BROKEN:
        processes.stop(layout, name)
    start_all(layout)


LOCAL = System("homeostat.rig.local.effector", why_not, inject, reset, count_payments)
