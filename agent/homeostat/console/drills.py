"""What the page about drills shows: those that the journal tells of, and which policies are due for one."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from homeostat.app.clock import SystemClock
from homeostat.app.drill_schedule import DrillDue, drills_due
from homeostat.app.settings import Settings
from homeostat.console.followed import Followed
from homeostat.console.kept import Kept
from homeostat.model.entries import DrillRan
from homeostat.model.errors import PolicyError
from homeostat.model.ports import Record
from homeostat.policy.load import policy_paths

DRILLS_MAX = 200
SOON_S = 14 * 86400.0
DUE_S = 10.0
"""How old what is due may be: the policies' files are read for it."""


@dataclass(frozen=True, slots=True)
class DrillRow:
    """One drill. `elsewhere`: it was run on a system of its own, so that no incident of this journal is its.

    `people`: who sat at a tabletop.
    """

    at: float
    began_at: float
    tier: str
    fault: str
    policies: tuple[str, ...]
    passed: bool
    why: str
    elsewhere: bool
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drilled:
    """How a policy stands, as `homeostat drill due` says.

    Attributes:
        state: see `app.drill_schedule.DrillState`. every_days: of its schedule; None where it has none.
        last_at, last_passed: of its newest drill; None: there is none.
        due_at: Unix seconds; None: at once, or never where there is no schedule.
        as_now: whether the drill that counts was of the policy as it is now; None: none counts.
    """

    policy: str
    state: str
    every_days: int | None
    last_at: float | None
    last_passed: bool | None
    due_at: float | None
    as_now: bool | None


@dataclass(frozen=True, slots=True)
class DrillsPage:
    """The newest drills, newest first, and every policy, the most urgent first.

    `trouble`: why it cannot be said what is due; "" where it can.
    """

    position: int
    rows: list[DrillRow]
    policies: list[Drilled]
    trouble: str


def _add(ran: deque[DrillRow], record: Record) -> None:
    if isinstance(record.entry, DrillRan):
        ran.append(_row(record.entry))


_ran: Followed[deque[DrillRow]] = Followed({DrillRan.TYPE}, lambda: deque(maxlen=DRILLS_MAX), _add)
_due: Kept[tuple[list[Drilled], str]] = Kept(4, DUE_S)


def drills_page(settings: Settings) -> DrillsPage:
    """See `DrillsPage`. Raises JournalError."""
    position, rows = _ran.view(settings, lambda ran: list(reversed(ran)))
    newest = rows[0].at if rows else 0.0
    key = (settings.journal, settings.store.url, settings.policies, newest)
    policies, trouble = _due.get(key, lambda: _read_due(settings))
    return DrillsPage(position, rows, policies, trouble)


def _read_due(settings: Settings) -> tuple[list[Drilled], str]:
    try:
        paths = policy_paths(settings.policies)
        due = drills_due(settings, paths, SystemClock().now(), SOON_S)
    except PolicyError as error:
        return [], str(error)
    except OSError as error:
        return [], f"{settings.policies}: {error.strerror}"
    return [_drilled(one) for one in due], ""


def _row(ran: DrillRan) -> DrillRow:
    policies = tuple(sorted(ran.policies))
    return DrillRow(ran.at, ran.began_at, ran.tier, ran.fault, policies, ran.passed, ran.why, ran.elsewhere, ran.people)


def _drilled(due: DrillDue) -> Drilled:
    return Drilled(
        due.policy,
        due.state.value,
        due.schedule.every_days if due.schedule else None,
        due.last.at if due.last else None,
        due.last.passed if due.last else None,
        due.due_at,
        due.is_same,
    )
