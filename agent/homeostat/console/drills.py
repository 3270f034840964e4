"""What the page about drills shows: those that the journal tells of, and what was never tried."""

from __future__ import annotations

from dataclasses import dataclass

from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read
from homeostat.console.policies import workspace_policies
from homeostat.model.entries import DrillRan

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


def drills_page(settings: Settings) -> DrillsPage:
    """See `DrillsPage`. Raises JournalError."""
    ran: list[DrillRan] = []
    position = 0
    if has_journal(settings):
        with journal_to_read(settings) as journal:
            position = journal.position()
            found = (record.entry for record in journal.since(0.0, {DrillRan.TYPE}))
            ran = [entry for entry in found if isinstance(entry, DrillRan)]
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
