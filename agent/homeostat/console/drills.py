"""What the page about drills shows: those that the journal tells of, and what was never tried."""

from __future__ import annotations

from dataclasses import dataclass

from homeostat.app.settings import Settings
from homeostat.console.followed import Followed
from homeostat.console.policies import workspace_policies
from homeostat.model.entries import DrillRan
from homeostat.model.ports import Record

DRILLS_MAX = 200


@dataclass(frozen=True, slots=True)
class DrillRow:
    """One drill. `elsewhere`: it was run on a system of its own, so that no incident of this journal is its."""

    at: float
    began_at: float
    tier: str
    fault: str
    policies: tuple[str, ...]
    passed: bool
    why: str
    elsewhere: bool


@dataclass(frozen=True, slots=True)
class Drilled:
    """When a policy was drilled last.

    Attributes:
        at: Unix seconds; None: never. passed: its verdict. as_now: whether it was tried as it is now.
    """

    policy: str
    at: float | None
    passed: bool
    as_now: bool


@dataclass(frozen=True, slots=True)
class DrillsPage:
    """The newest drills, newest first, and every policy with its last one."""

    position: int
    rows: list[DrillRow]
    policies: list[Drilled]


def _add(ran: list[DrillRan], record: Record) -> None:
    if isinstance(record.entry, DrillRan):
        ran.append(record.entry)


_ran: Followed[list[DrillRan]] = Followed({DrillRan.TYPE}, list, _add)


def drills_page(settings: Settings) -> DrillsPage:
    """See `DrillsPage`. Raises JournalError."""
    position, ran = _ran.view(settings, list)
    policies, _ = workspace_policies(settings)
    rows = [_row(entry) for entry in ran[::-1][:DRILLS_MAX]]
    return DrillsPage(position, rows, [_drilled(ran, name, policy.hash) for name, policy in policies.items()])


def _row(ran: DrillRan) -> DrillRow:
    return DrillRow(
        ran.at, ran.began_at, ran.tier, ran.fault, tuple(sorted(ran.policies)), ran.passed, ran.why, ran.elsewhere
    )


def _drilled(ran: list[DrillRan], name: str, version: str) -> Drilled:
    last = next((entry for entry in reversed(ran) if name in entry.policies), None)
    if last is None:
        return Drilled(name, None, passed=False, as_now=False)
    return Drilled(name, last.at, last.passed, last.policies[name] == version)
