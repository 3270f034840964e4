"""Advice on policies: the loader's errors, warnings, and the worst case a plan can come to.

Rules are small functions in `lint_rules.py` and `lint_windows.py`; each yields findings with a code of `codes.py`.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from homeostat.model.errors import Problem
from homeostat.model.policy import Policy
from homeostat.policy.bounds import worst_case_of
from homeostat.policy.catalogues import Signals
from homeostat.policy.lint_rules import PLAN_RULES, secrets_in_catalogue, unused_signals
from homeostat.policy.lint_windows import WINDOW_RULES
from homeostat.policy.linted import Linted
from homeostat.policy.load import POLICIES_MAX, Draft, policy_paths, read_draft
from homeostat.policy.sources import FolderSources
from homeostat.policy.usage import signals_used

SCRAPE_INTERVAL_S = 15.0
"""How often Prometheus scrapes where nobody says otherwise."""


class Severity(StrEnum):
    """`error`: the policy is refused. `warning`: it works, and its author should look."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing found, and how bad it is."""

    problem: Problem

    @property
    def severity(self) -> Severity:
        """Told by the first letter of the code."""
        return Severity.WARNING if self.problem.code.startswith("W") else Severity.ERROR

    def __str__(self) -> str:
        return f"{self.problem.position}: {self.severity} {self.problem.code} {self.problem.message}"


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The most that an incident under a policy can come to: attempts, and seconds from its first sign to its end."""

    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What lint has to say of one policy file. `policy` and `worst_case` are None where it cannot be loaded."""

    path: pathlib.Path
    findings: tuple[Finding, ...]
    policy: str | None = None
    worst_case: WorstCase | None = None

    @property
    def has_errors(self) -> bool:
        """Whether the policy would be refused."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)


def lint(path: pathlib.Path, *, today: date, scrape_interval_s: float = SCRAPE_INTERVAL_S) -> Report:
    """Check one policy file and what it names. Never raises for what is in the files.

    Args:
        path: of the policy. Its neighbours are read too, to tell which shared signals nobody uses.
        today: the day that `review_by` is held against.
        scrape_interval_s: of the Prometheus that will be read.
    """
    return lint_all([path], today=today, scrape_interval_s=scrape_interval_s)[0]


def lint_all(
    paths: Sequence[pathlib.Path], *, today: date, scrape_interval_s: float = SCRAPE_INTERVAL_S
) -> list[Report]:
    """Check several policy files, reading each folder only once. See `lint`."""
    folders: dict[pathlib.Path, dict[str, Draft]] = {}
    reports = []
    for path in paths:
        if path.parent not in folders:
            folders[path.parent] = _drafts(path.parent)
        draft = folders[path.parent].get(path.name) or read_draft(FolderSources(path.parent), path.name)
        reports.append(_report(path, draft, list(folders[path.parent].values()), today, scrape_interval_s))
    return reports


def _drafts(folder: pathlib.Path) -> dict[str, Draft]:
    """Every policy of a folder by its file's name."""
    try:
        paths = policy_paths(folder)
    except OSError:
        return {}
    return {path.name: read_draft(FolderSources(path.parent), path.name) for path in paths[:POLICIES_MAX]}


def _report(
    path: pathlib.Path, draft: Draft, neighbours: Sequence[Draft], today: date, scrape_interval_s: float
) -> Report:
    policy, fields = draft.policy, draft.fields
    if policy is None or fields is None or draft.signals is None or draft.actions is None:
        return Report(path, tuple(Finding(problem) for problem in sorted(set(draft.problems))))
    linted = Linted(policy, fields, draft.document, draft.origins, draft.signals, today, scrape_interval_s)
    problems = {problem for rule in (*PLAN_RULES, *WINDOW_RULES) for problem in rule(linted)}
    problems.update(secrets_in_catalogue(policy, draft.actions))
    problems.update(unused_signals(draft.signals, _used_by_all(policy, draft.signals, neighbours)))
    findings = tuple(Finding(problem) for problem in sorted(problems))
    return Report(path, findings, policy.name, WorstCase(*worst_case_of(policy)))


def _used_by_all(policy: Policy, signals: Signals, neighbours: Sequence[Draft]) -> set[str] | None:
    """Signals that any policy of the folder reads from the same catalogue; None when that cannot be said."""
    used = set(signals_used(policy))
    if signals.inline:
        return used
    for other in neighbours:
        if other.signals is not None and other.signals.document.file != signals.document.file:
            continue
        if other.policy is None:
            return None
        used.update(signals_used(other.policy))
    return used
