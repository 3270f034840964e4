"""How often a policy is to be drilled, and what counts as a drill of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from homeostat.model.drill_entries import TABLETOP

DAY_S = 86400.0


class DrillKind(StrEnum):
    """How a drill is held: in words, on the embedded plant, on local processes, or on the rig of real servers."""

    TABLETOP = TABLETOP
    SANDBOX = "sandbox"
    LOCAL = "local"
    RIG = "rig"


_KIND_OF_TIER = {**{kind.value: kind for kind in DrillKind}, "binaries": DrillKind.RIG, "root": DrillKind.RIG}


def kind_of(tier: str) -> DrillKind | None:
    """The kind of a journalled drill, by its tier; None where an older release did not say."""
    return _KIND_OF_TIER.get(tier)


@dataclass(frozen=True, slots=True)
class DrillSchedule:
    """When a policy is due for a drill.

    Attributes:
        every_days: so long after a passed drill the next is due.
        kinds: a passed drill of any of these counts, and of no other.
    """

    every_days: int
    kinds: frozenset[DrillKind]

    def last(self, passed: Mapping[DrillKind, float]) -> float | None:
        """The last passed drill that counts, Unix seconds, given the last of each kind; None: there is none."""
        return max(_of(passed, self.kinds), default=None)

    def due_at(self, passed: Mapping[DrillKind, float]) -> float | None:
        """When the next drill is due, Unix seconds; None: at once, for none that counts was ever passed."""
        last = self.last(passed)
        return None if last is None else last + self.every_days * DAY_S


def _of(passed: Mapping[DrillKind, float], kinds: Iterable[DrillKind]) -> list[float]:
    return [passed[kind] for kind in kinds if kind in passed]
