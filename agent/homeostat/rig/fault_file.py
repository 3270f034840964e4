"""Faults as data: what breaks, what shows it, what helps, what must not be done. One file each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean

Tier = Literal["sandbox", "local", "binaries", "root"]
What = str | dict[str, str | bool | float]
"""What a verb is done to: a name, or parameters by their names."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the faults of a folder may say.

    Attributes:
        tiers: the first is that of a file that names none.
        verbs: what can be injected, each with a check of what it is done to, which raises ValueError.
        actions: what can be done against it.
    """

    tiers: tuple[Tier, ...]
    verbs: Mapping[str, Callable[[What], object]]
    actions: Collection[str]
    limit_s_max: float = 120.0


def a_name(what: What) -> str:
    """Check that a verb is done to something by its name. Raises ValueError."""
    if not isinstance(what, str):
        raise ValueError(f"{what!r} is no name")  # noqa: TRY004 - pydantic reports ValueError by its place
    return what


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
        tier: `sandbox` is the embedded plant, `local` processes of Python alone; `binaries` needs the rig's servers,
            `root` also the right to change the kernel's packet filter.
        inject: verbs with what they are done to, in order.
        cause: an expression that yields something once Prometheus can see the cause.
        helps, forbidden: actions of the tier. Others are needless, and reported.
        limit_s: how long the agent has, from the injection until users are served well; in the sandbox, virtual time.
        payments_lost_max: acknowledged payments that may be missing afterwards.
        control: nothing is wrong for long, and any action is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    about: str
    tier: Tier = "binaries"
    policies: tuple[str, ...] = Field(min_length=1)
    inject: tuple[dict[str, What], ...] = Field(min_length=1)
    cause: str | None = None
    helps: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    control: bool = False
    reset_databases: bool = False
    limit_s: float = Field(30.0, gt=0)
    payments_lost_max: int = Field(0, ge=0)
    reference: Reference = Reference()

    @model_validator(mode="after")
    def _names_what_there_is(self, info: ValidationInfo) -> Fault:
        known = info.context
        if not isinstance(known, Vocabulary):
            raise TypeError("a fault is read against the vocabulary of its tier")
        if self.tier not in known.tiers:
            raise ValueError(f"tier {self.tier!r} is not one of this folder: {', '.join(known.tiers)}")
        if self.limit_s > known.limit_s_max:
            raise ValueError(f"limit_s is at most {known.limit_s_max:g}, not {self.limit_s:g}")
        for step in self.inject:
            for verb, what in step.items():
                if verb not in known.verbs:
                    raise ValueError(f"no verb {verb!r}{did_you_mean(verb, known.verbs)}")
                known.verbs[verb](what)
        for action in (*self.helps, *self.forbidden):
            if action not in known.actions:
                raise ValueError(f"no action {action!r}{did_you_mean(action, known.actions)}")
        both = set(self.helps) & set(self.forbidden)
        if both:
            raise ValueError(f"{min(both)} both helps and is forbidden")
        if self.control == bool(self.helps) or self.control == (self.cause is not None):
            raise ValueError("a fault has a cause and actions that help; a control has neither")
        return self


def load_fault(path: Path, known: Vocabulary) -> Fault:
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
        return Fault.model_validate({"name": path.stem, "tier": known.tiers[0], **data}, context=known)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the fault"
        raise UsageError(f"{path}: {where}: {first['msg']}") from error


def faults_in(folder: Path, known: Vocabulary) -> dict[str, Fault]:
    """The faults of a folder by name, sorted. Raises: UsageError: a file is wrong."""
    return {path.stem: load_fault(path, known) for path in sorted(folder.glob("*.yaml"))}
