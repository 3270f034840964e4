"""Which policies were drilled when, by their workspace's journal, and which are due."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read
from homeostat.authoring.versions import Version, read_version
from homeostat.learn.drills import drill_records
from homeostat.model.drill_entries import TABLETOP
from homeostat.model.drill_schedule import DrillKind, DrillSchedule, kind_of
from homeostat.model.entries import DrillRan
from homeostat.model.errors import PolicyError, Problem
from homeostat.model.ports import Journal
from homeostat.policy.load import read_draft
from homeostat.policy.sources import FolderSources
from homeostat.simulate.tabletop import NOTHING


class DrillState(StrEnum):
    """How a policy stands. soon: due within the time that was asked about. unscheduled: it declares no schedule."""

    OVERDUE = "overdue"
    SOON = "soon"
    OK = "ok"
    UNSCHEDULED = "unscheduled"


@dataclass(slots=True)
class DrillsOfPolicy:
    """What a journal tells of one policy's drills.

    Attributes:
        last: the newest, passed or not.
        passed: the newest of each kind that `counts`.
    """

    last: DrillRan
    passed: dict[DrillKind, DrillRan] = field(default_factory=dict)

    @property
    def passed_at(self) -> dict[DrillKind, float]:
        """When the last passed drill of each kind ended, Unix seconds."""
        return {kind: ran.at for kind, ran in self.passed.items()}


@dataclass(frozen=True, slots=True)
class DrillDue:
    """One policy's standing.

    Attributes:
        counted: the last passed drill that its schedule counts; any kind counts where there is no schedule.
        due_at: Unix seconds; None: at once, or never where there is no schedule.
        is_same: whether `counted` was of the policy as it is now; None: there is none.
    """

    policy: str
    state: DrillState
    schedule: DrillSchedule | None
    last: DrillRan | None
    counted: DrillRan | None
    due_at: float | None
    is_same: bool | None


def drills_by_policy(journal: Journal) -> dict[str, DrillsOfPolicy]:
    """Every policy that was ever drilled, by all drills that a journal tells of, of whatever tier."""
    found: dict[str, DrillsOfPolicy] = {}
    for ran in drills_in(journal):
        for policy in ran.policies:
            of_policy = found.setdefault(policy, DrillsOfPolicy(ran))
            of_policy.last = ran
            kind = kind_of(ran.tier)
            if kind is not None and counts(ran):
                of_policy.passed[kind] = ran
    return found


def counts(ran: DrillRan) -> bool:
    """Whether a drill has shown anything of the plan: it was passed, and something had to be done."""
    return (
        ran.passed
        and not ran.control
        and (ran.tier != TABLETOP or any(answer.expected != (NOTHING,) for answer in ran.answers))
    )


def drills_in(journal: Journal) -> list[DrillRan]:
    """Every drill that a journal tells of, oldest first."""
    drills = [record.entry for record in drill_records(journal) if isinstance(record.entry, DrillRan)]
    return sorted(drills, key=lambda ran: ran.at)


def passed_drills(settings: Settings) -> dict[str, Mapping[DrillKind, float]]:
    """Policy -> kind -> when the last passed drill ended, Unix seconds. Raises UsageError, JournalError."""
    with journal_to_read(settings) as journal:
        return {policy: drills.passed_at for policy, drills in drills_by_policy(journal).items()}


def drills_due(settings: Settings, files: Sequence[Path], now: float, within_s: float) -> list[DrillDue]:
    """How policies stand, the most urgent first. Where there is no journal yet, nothing was drilled.

    Args:
        settings: whose journal is asked.
        files: of the policies.
        now: Unix seconds.
        within_s: what is due so soon is told apart.

    Raises:
        PolicyError: a policy cannot be loaded. JournalError: the journal cannot be read.
    """
    known: dict[str, DrillsOfPolicy] = {}
    if has_journal(settings):
        with journal_to_read(settings) as journal:
            known = drills_by_policy(journal)
    order = list(DrillState)
    due = [_due(version, known, now, within_s) for version in _loaded(files)]
    return sorted(due, key=lambda one: (order.index(one.state), one.due_at or 0.0, one.policy))


def _loaded(files: Iterable[Path]) -> list[Version]:
    """Load the policies. Raises PolicyError, with the problems of all."""
    versions: list[Version] = []
    problems: list[Problem] = []
    for path in files:
        try:
            versions.append(read_version(FolderSources(path.parent), path.name))
        except PolicyError as error:
            problems += error.problems
    if problems:
        raise PolicyError(list(dict.fromkeys(problems)))
    return versions


def _due(version: Version, known: Mapping[str, DrillsOfPolicy], now: float, within_s: float) -> DrillDue:
    name, fields = version.policy.name, version.fields.drills
    drills = known.get(name)
    last = drills.last if drills else None
    passed = {} if drills is None else drills.passed
    schedule = None if fields is None else fields.schedule
    kinds = passed if schedule is None else schedule.kinds
    counted = max((passed[kind] for kind in kinds if kind in passed), key=lambda ran: ran.at, default=None)
    is_same = None if counted is None else counted.policies[name] in _hashes(version)
    if schedule is None:
        return DrillDue(name, DrillState.UNSCHEDULED, None, last, counted, None, is_same)
    due_at = schedule.due_at({kind: ran.at for kind, ran in passed.items()})
    if due_at is None or due_at <= now:
        state = DrillState.OVERDUE
    else:
        state = DrillState.SOON if due_at <= now + within_s else DrillState.OK
    return DrillDue(name, state, schedule, last, counted, due_at, is_same)


def _hashes(version: Version) -> set[str]:
    """The hash of a policy in each environment it declares, and without any."""
    path = Path(version.draft.document.file)
    drafts = [read_draft(FolderSources(path.parent), path.name, name) for name in version.fields.environments]
    return {version.policy.hash, *(draft.policy.hash for draft in drafts if draft.policy is not None)}
