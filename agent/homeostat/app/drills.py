"""Drills of every tier. The drilled agent has a journal of its own, which says that it was a drill."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Literal

from homeostat.app.drill_entries import drill_entry
from homeostat.app.sandbox_drills import run_sandbox_drill, sandbox_faults
from homeostat.app.scaffold import shipped
from homeostat.app.settings import Settings, load_settings
from homeostat.app.settings_file import FILE_NAME
from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.model.ports import Batch
from homeostat.model.streams import AGENT_STREAM
from homeostat.policy.load import SUFFIX
from homeostat.record.memory import MemoryJournal
from homeostat.record.sqlite import SqliteJournal
from homeostat.rig import faults as rig_faults
from homeostat.rig.asked_to_end import ends_in_order
from homeostat.rig.drill import policies_tried, run_drill
from homeostat.rig.fault_file import Fault
from homeostat.rig.layout import Layout, make_new_folder
from homeostat.rig.local import system as local
from homeostat.rig.rig_system import RIG
from homeostat.rig.verdict import DrillResult

Place = Literal["sandbox", "local", "rig"]
"""Where a drill is run; the rig has the tiers `binaries` and `root`."""

FAULTS: Mapping[Place, Callable[[], dict[str, Fault]]] = {
    "sandbox": sandbox_faults,
    "local": local.local_faults,
    "rig": rig_faults.all_faults,
}
_POLICIES: Mapping[Place, str] = {"sandbox": "", "local": "local", "rig": "rig"}


def fault_of(place: Place, name: str) -> Fault:
    """A fault by its name. Raises UsageError with the nearest name, or where else there is one of this name."""
    faults = FAULTS[place]()
    if name in faults:
        return faults[name]
    elsewhere = [f"--{other}" for other, read in FAULTS.items() if other != place and name in read()]
    hint = f"; there is one with {' and '.join(elsewhere)}" if elsewhere else did_you_mean(name, faults)
    raise UsageError(f"--{place} has no fault {name!r}{hint}; it has: {', '.join(faults)}")


def why_not(tier: str) -> str | None:
    """Why faults of a tier cannot be tried on this machine; None if they can."""
    if tier == "sandbox":
        return None
    return local.why_not(tier) if tier == "local" else rig_faults.why_not(tier)


def policies_for(place: Place, fault: Fault, settings: Settings | None) -> Path:
    """The folder of the policies to drill: the workspace's where it has them all, otherwise the shipped ones."""
    if settings is not None and all((settings.policies / f"{name}{SUFFIX}").is_file() for name in fault.policies):
        return settings.policies
    return shipped("policies") / _POLICIES[place]


def drill(layout: Layout, fault: Fault, policies: Path) -> DrillResult:
    """Try one fault on a rig that is up.

    Raises:
        UsageError: the fault cannot be tried here, or the policies are not there.
        PolicyError: one of them is wrong.
        ActuatorError: the rig itself failed.
        JournalError: the agent's journal cannot be written.
    """
    with ends_in_order():
        return _noted(run_drill(layout, fault, policies, RIG))


def drill_local(fault: Fault, policies: Path, keep: Path | None) -> DrillResult:
    """Bring the local tier up, try one fault, and take it down, however it went.

    `keep` is where its folder is left, with the agent's journal and what users saw. Raises as `drill`.
    """
    policies_tried(policies, fault)  # before anything is started
    with ExitStack() as opened:
        opened.enter_context(ends_in_order())
        folder = keep or Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="homeostat-local-")))
        layout = local.up(folder)
        opened.callback(local.stop_all, layout)
        return _noted(run_drill(layout, fault, policies, local.LOCAL))


def _noted(result: DrillResult) -> DrillResult:
    """Journal the drill where its agent journalled; that agent has been stopped."""
    settings = load_settings(Path(result.workspace) / FILE_NAME)
    with closing(SqliteJournal(settings.journal)) as journal:
        journal.append([Batch(AGENT_STREAM, None, [drill_entry(result, time.time())])])
    return result


def drill_sandbox(fault: Fault, policies: Path, keep: Path | None, seed: int) -> DrillResult:
    """Try one fault on a new embedded plant, in virtual time.

    `keep` becomes a workspace with the drilled agent's journal. Raises as `drill`.
    """
    if keep is None:
        return run_sandbox_drill(fault, policies, MemoryJournal(), seed)
    make_new_folder(keep)
    (keep / FILE_NAME).write_text(f"[agent]\npolicies = {json.dumps(str(policies.resolve()))}\n")
    settings = load_settings(keep / FILE_NAME)
    settings.state.mkdir(mode=0o700)
    with closing(SqliteJournal(settings.journal)) as journal:
        return run_sandbox_drill(fault, policies, journal, seed)
