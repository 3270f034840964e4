"""Guards that all policies of a workspace share: what must not be started now, however right a plan may be.

They block harm and never undo. All durations are seconds, all times of day UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from homeostat.model.signals import Condition, SignalSpec

WINDOW_S_MAX = 7 * 86400.0
"""How far back guards remember; no window may be longer."""

DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `starts_max` starts within `within_s`, counted per each of `per` (`policy`, `action`, `target`).

    Attributes:
        actions, targets: globs; only such starts are counted and held back.
    """

    per: frozenset[str]
    starts_max: int
    within_s: float
    actions: str = "*"
    targets: str = "*"


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """How many distinct targets may be touched within `within_s`. The tighter of the two limits holds.

    Attributes:
        targets: a glob over targets, as in `node/*`.
        eligible: how many such targets there are: a number, or the name of a guard signal that tells.
    """

    targets: str
    within_s: float
    count_max: int | None = None
    share_max: float | None = None
    eligible: float | str | None = None


@dataclass(frozen=True, slots=True)
class Storm:
    """More than `incidents_max` incidents opened within `within_s`: something is wrong with the watching itself."""

    incidents_max: int
    within_s: float


@dataclass(frozen=True, slots=True)
class Recurrence:
    """One action on one target, used in `incidents_max` incidents of a policy within `within_s`, is no cure.

    Attributes:
        actions, targets: globs; only these are meant. Draining traffic is part of every recovery, and no cure.
    """

    incidents_max: int
    within_s: float
    actions: str = "*"
    targets: str = "*"


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A time in which people work on targets and the agent keeps its hands off.

    Either once, from `from_s` to `to_s` (Unix seconds), or on weekdays (`days`, Monday is 0) from `from_s` to `to_s`
    (seconds after midnight UTC; a window whose end is not after its start runs over midnight).
    """

    name: str
    from_s: float
    to_s: float
    days: frozenset[int] | None = None
    policies: tuple[str, ...] = ("*",)
    targets: tuple[str, ...] = ("*",)

    def covers(self, now: float) -> bool:
        """Whether it is on."""
        if self.days is None:
            return self.from_s <= now < self.to_s
        day, second = divmod(now, DAY_S)
        weekday = (int(day) + 3) % 7  # 1970-01-01 was a Thursday
        if self.from_s < self.to_s:
            return weekday in self.days and self.from_s <= second < self.to_s
        return (weekday in self.days and second >= self.from_s) or (
            (weekday - 1) % 7 in self.days and second < self.to_s
        )


@dataclass(frozen=True, slots=True)
class Telemetry:
    """When the data are too poor to act on.

    Attributes:
        known_min: least share of a policy's signals that must be known.
        condition: over the guards' own signals; anything but true freezes.
    """

    known_min: float = 0.0
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Guards:
    """All shared guards of a workspace. The empty one guards nothing.

    Attributes:
        hash: SHA-256 of the file's text; journalled when it comes into use.
    """

    rates: tuple[Rate, ...] = ()
    blast_radius: tuple[BlastRadius, ...] = ()
    storm: Storm | None = None
    recurrence: tuple[Recurrence, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    telemetry: Telemetry | None = None
    signals: Mapping[str, SignalSpec] = field(default_factory=dict)
    hash: str = ""
    text: str = field(default="", repr=False)


NO_GUARDS = Guards()
