"""Names of systemd's units, by systemd.unit(5).

https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html
"""

from __future__ import annotations

import re

from homeostat.model.nearest import did_you_mean

UNIT_NAME_CHARACTERS_MAX = 255
UNIT_SUFFIXES = (
    "automount",
    "device",
    "mount",
    "path",
    "scope",
    "service",
    "slice",
    "socket",
    "swap",
    "target",
    "timer",
)

_NAME = re.compile(r"[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\@-]*)?", re.ASCII)


def with_unit_type(name: str) -> str:
    """A name that ends in no type of a unit is that of a service, as `systemctl` takes it."""
    _, dot, suffix = name.rpartition(".")
    return name if dot and suffix in UNIT_SUFFIXES else f"{name}.service"


def unit_name_fault(name: str) -> str | None:
    """Why a name cannot be that of a unit with its suffix; None where it can.

    A pattern is refused too: `systemctl` would take it for all units that it matches.
    """
    if any(character in name for character in "*?["):
        return f"{name!r} is a pattern, and would be all units that it matches; name one unit"
    stem, dot, suffix = name.rpartition(".")
    if not dot or suffix not in UNIT_SUFFIXES:
        hint = did_you_mean(suffix, UNIT_SUFFIXES) if dot else f"; did you mean '{name}.service'?"
        return f"{name!r} does not end in the type of a unit, like .service{hint}"
    if len(name) > UNIT_NAME_CHARACTERS_MAX:
        return f"the name of a unit has at most {UNIT_NAME_CHARACTERS_MAX} characters, not {len(name)}"
    if not stem or name.startswith("-") or _NAME.fullmatch(stem) is None or stem.startswith("@"):
        return f"{name!r} is not the name of a unit: letters, digits and ':-_.\\', and an instance after '@'"
    if stem.endswith("@"):
        return f"{name!r} is a template; name an instance of it, like {stem}1.{suffix}"
    return None
