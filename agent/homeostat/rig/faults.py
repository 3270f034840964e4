"""Faults as data: what breaks, what shows it, what helps, what must not be done. One file each in `faults/`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.rig import packets
from homeostat.rig.effector import ACTIONS
from homeostat.rig.inject import VERBS
from homeostat.rig.layout import missing_programs

FOLDER = Path(__file__).parent / "faults"


class Reference(BaseModel):
    """Earlier measurements by hand, to read new ones beside.

    Seconds after the injection; the last, seconds from the start of the action that helped.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    cause_after_s: float | None = None
    visible_after_s: float | None = None
    clean_after_s: float | None = None


class Fault(BaseModel):
    """One fault.

    Attributes:
        tier: `binaries` needs the servers, `root` also the right to change the kernel's packet filter.
        inject: verbs of `inject.VERBS` with what they are done to, in order.
        cause: an expression that yields something once Prometheus can see the cause.
        helps, forbidden: actions of the effector. Others are needless, and reported.
        limit_s: how long the agent has, from the injection until users are served well.
        payments_lost_max: acknowledged payments that may be missing afterwards.
        control: nothing is wrong for long, and any action is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    about: str
    tier: Literal["binaries", "root"] = "binaries"
    policies: tuple[str, ...] = Field(min_length=1)
    inject: tuple[dict[str, str], ...] = Field(min_length=1)
    cause: str | None = None
    helps: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    control: bool = False
    reset_databases: bool = False
    limit_s: float = Field(30.0, gt=0, le=120)
    payments_lost_max: int = Field(0, ge=0)
    reference: Reference = Reference()

    @model_validator(mode="after")
    def _names_what_there_is(self) -> Fault:
        for verb in (verb for step in self.inject for verb in step):
            if verb not in VERBS:
                raise ValueError(f"no verb {verb!r}{did_you_mean(verb, VERBS)}")
        for action in (*self.helps, *self.forbidden):
            if action not in ACTIONS:
                raise ValueError(f"no action {action!r}{did_you_mean(action, ACTIONS)}")
        both = set(self.helps) & set(self.forbidden)
        if both:
            raise ValueError(f"{min(both)} both helps and is forbidden")
        if self.control == bool(self.helps) or self.control == (self.cause is not None):
            raise ValueError("a fault has a cause and actions that help; a control has neither")
        return self


def load_fault(path: Path) -> Fault:
    """Read one file; the fault is named by it.

    Raises:
        UsageError: the file is missing or wrong.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path}: a fault is a mapping with `about`, `policies`, `inject`")
    try:
        return Fault.model_validate({"name": path.stem, **data})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the fault"
        raise UsageError(f"{path}: {where}: {first['msg']}") from error


def all_faults() -> dict[str, Fault]:
    """The shipped faults by name, sorted."""
    return {path.stem: load_fault(path) for path in sorted(FOLDER.glob("*.yaml"))}


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
