"""The faults of the rig, one file each in `faults/`."""

from __future__ import annotations

from pathlib import Path

from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.rig import packets
from homeostat.rig.effector import ACTIONS
from homeostat.rig.fault_file import Fault, Vocabulary, a_name, faults_in
from homeostat.rig.inject import VERBS
from homeostat.rig.layout import missing_programs

FOLDER = Path(__file__).parent / "faults"
VOCABULARY = Vocabulary(("binaries", "root"), dict.fromkeys(VERBS, a_name), ACTIONS)


def all_faults() -> dict[str, Fault]:
    """The shipped faults by name, sorted."""
    return faults_in(FOLDER, VOCABULARY)


def fault_named(name: str) -> Fault:
    """Raises: UsageError: there is none of that name."""
    faults = all_faults()
    if name not in faults:
        raise UsageError(f"no fault {name!r}{did_you_mean(name, faults)}; there are: {', '.join(faults)}")
    return faults[name]


def why_not(tier: str) -> str | None:
    """Why faults of a tier cannot be tried on this machine; None if they can."""
    missing = missing_programs()
    if missing:
        return f"programs are missing; on Debian: apt-get install {' '.join(missing)}"
    if tier == "root":
        return packets.why_not()
    return None
