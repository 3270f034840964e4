"""Advice on policies: the loader's errors, warnings, and the worst case a plan can come to.

Rules are small functions in the `lint_*.py` beside this; each yields findings with a code of `codes.py`. A policy that
declares environments is looked at in every one of them.
"""

from __future__ import annotations

import pathlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from homeostat.model.errors import PolicyError, Problem
from homeostat.policy.bounds import worst_case_of
from homeostat.policy.guards_file import load_guards
from homeostat.policy.lint_dag import DAG_RULES
from homeostat.policy.lint_pairs import oscillation, same_name, taken_back
from homeostat.policy.lint_rules import PLAN_RULES, secrets_in_catalogue
from homeostat.policy.lint_safety import SAFETY_RULES
from homeostat.policy.lint_unused import idle_attempts_max, unused
from homeostat.policy.lint_windows import WINDOW_RULES
from homeostat.policy.linted import Allowed, Drilled, Given, Linted
from homeostat.policy.load import POLICIES_MAX, Draft, policy_paths, read_draft
from homeostat.policy.sources import FolderSources

SCRAPE_INTERVAL_S = 15.0
"""How often Prometheus scrapes where nobody says otherwise."""

_RULES = (*PLAN_RULES, *WINDOW_RULES, *DAG_RULES, *SAFETY_RULES, idle_attempts_max, taken_back)


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
    """What lint has to say of one policy file.

    Attributes:
        policy: its name; None where it cannot be loaded.
        worst_cases: by environment, of those in which it can be loaded; the key None: without any.
    """

    path: pathlib.Path
    findings: tuple[Finding, ...]
    policy: str | None = None
    worst_cases: Mapping[str | None, WorstCase] = field(default_factory=dict)

    @property
    def has_errors(self) -> bool:
        """Whether the policy would be refused."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    @property
    def worst_case(self) -> WorstCase | None:
        """The worst of all environments; None where it cannot be loaded."""
        return max(self.worst_cases.values(), key=lambda worst: worst.seconds, default=None)


def lint(path: pathlib.Path, *, today: date, scrape_interval_s: float = SCRAPE_INTERVAL_S) -> Report:
    """Check one policy file and what it names. Never raises for what is in the files. See `lint_all`."""
    return lint_all([path], today=today, scrape_interval_s=scrape_interval_s)[0]


def lint_all(
    paths: Sequence[pathlib.Path],
    *,
    today: date,
    scrape_interval_s: float = SCRAPE_INTERVAL_S,
    environment: str | None = None,
    people: Collection[str] | None = None,
    tried: Mapping[str, Mapping[str, int]] | None = None,
    allowed: Allowed | None = None,
    drilled: Drilled | None = None,
) -> list[Report]:
    """Check several policy files, reading each folder only once.

    Args:
        paths: of the policies. Their neighbours are read too, to tell what is shared and used by nobody.
        today: the day that `review_by` is held against.
        scrape_interval_s: of the Prometheus that will be read.
        environment: look at this one alone; None: at every one that a policy declares.
        people: names of people and roles that can be asked; None: nobody can say.
        tried: policy -> node id -> attempts in recorded incidents; None: no recordings are given.
        allowed: policy, action, target -> why it must not be run, None where it may; None: nobody can say.
        drilled: when what was drilled, as a journal tells; None: nobody can say.
    """
    given = Given(today, scrape_interval_s, people, tried, allowed, drilled)
    library = _Library()
    return [_report(path, library.environments(path, environment), library, given) for path in paths]


class _Library:
    """Reads every policy once per environment."""

    def __init__(self) -> None:
        self._drafts: dict[tuple[pathlib.Path, str | None], Draft] = {}
        self._folders: dict[pathlib.Path, list[Draft]] = {}
        self._guards: dict[pathlib.Path, list[Problem]] = {}

    def draft(self, path: pathlib.Path, environment: str | None) -> Draft:
        key = (path, environment)
        if key not in self._drafts:
            self._drafts[key] = read_draft(FolderSources(path.parent), path.name, environment)
        return self._drafts[key]

    def environments(self, path: pathlib.Path, wanted: str | None) -> dict[str | None, Draft]:
        """A policy in the environment that is wanted, or in every one it declares and in none.

        In none is left out where it only lacks values that every environment gives: nobody can run it so.
        """
        if wanted is not None:
            return {wanted: self.draft(path, wanted)}
        plain = self.draft(path, None)
        declared = plain.document.data.get("environments") if isinstance(plain.document.data, dict) else None
        if not isinstance(declared, dict) or not declared:
            return {None: plain}
        drafts: dict[str | None, Draft] = {name: self.draft(path, name) for name in declared}
        lacks_values = any(problem.code == "E161" for problem in plain.problems)
        return drafts if lacks_values else {None: plain, **drafts}

    def neighbours(self, path: pathlib.Path) -> list[Draft]:
        """Every policy of the file's folder, in an environment in which it loads if there is one."""
        folder = path.parent
        if folder not in self._folders:
            try:
                paths = policy_paths(folder)[:POLICIES_MAX]
            except OSError:
                paths = []
            self._folders[folder] = [self._loaded(other) for other in paths]
        return self._folders[folder]

    def guards(self, folder: pathlib.Path) -> list[Problem]:
        """What is wrong with the guards that the policies of a folder share."""
        if folder not in self._guards:
            try:
                load_guards(folder)
            except PolicyError as error:
                self._guards[folder] = error.problems
            else:
                self._guards[folder] = []
        return self._guards[folder]

    def _loaded(self, path: pathlib.Path) -> Draft:
        plain = self.draft(path, None)
        if plain.policy is not None:
            return plain
        drafts = self.environments(path, None).values()
        return next((draft for draft in drafts if draft.policy is not None), plain)


def _report(path: pathlib.Path, drafts: Mapping[str | None, Draft], library: _Library, given: Given) -> Report:
    found = {name: set(_problems(draft, library.neighbours(path), given)) for name, draft in drafts.items()}
    for problems in found.values():
        problems.update(library.guards(path.parent))
    loaded = {name: draft.policy for name, draft in drafts.items() if draft.policy is not None}
    return Report(
        path,
        tuple(Finding(problem) for problem in _told_once(found)),
        next((policy.name for policy in loaded.values()), None),
        {name: WorstCase(*worst_case_of(policy)) for name, policy in loaded.items()},
    )


def _told_once(found: Mapping[str | None, set[Problem]]) -> list[Problem]:
    """Each problem once; one that only some environments have says which."""
    told = []
    for problem in set().union(*found.values()):
        within = [name for name, problems in found.items() if problem in problems]
        if len(within) < len(found):
            where = ", ".join("no environment" if name is None else name for name in within)
            problem = replace(problem, message=f"{problem.message} (in {where})")
        told.append(problem)
    return sorted(told)


def _problems(draft: Draft, neighbours: Sequence[Draft], given: Given) -> Iterator[Problem]:
    policy, fields = draft.policy, draft.fields
    if policy is None or fields is None or draft.signals is None or draft.actions is None:
        yield from draft.problems
        return
    linted = Linted(policy, fields, draft.document, draft.origins, draft.signals, draft.actions, given)
    for rule in _RULES:
        yield from rule(linted)
    yield from secrets_in_catalogue(policy, draft.actions)
    yield from unused(draft, neighbours)
    yield from oscillation(linted, neighbours)
    yield from same_name(draft, neighbours)
