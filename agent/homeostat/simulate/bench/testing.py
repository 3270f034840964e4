"""Run test files: every test, its misses, and what all of them reached together."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from homeostat.model.errors import PolicyError, Position, Problem, UsageError
from homeostat.simulate.bench.case import Case, run_case
from homeostat.simulate.bench.course import Course
from homeostat.simulate.bench.coverage import Coverage, coverage_of
from homeostat.simulate.bench.expectations import Miss, judge
from homeostat.simulate.bench.suite import SUFFIX, Suite, load_suite, suite_paths


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test went; without misses it passed."""

    suite: str
    case: Case
    course: Course
    misses: list[Miss]

    @property
    def passed(self) -> bool:
        """Whether every expectation was met."""
        return not self.misses


@dataclass(slots=True)
class Tested:
    """How a set of test files went. `coverage`: by the policy's name."""

    outcomes: list[Outcome] = field(default_factory=list)
    coverage: dict[str, Coverage] = field(default_factory=dict)

    @property
    def failed(self) -> list[Outcome]:
        """The tests that failed."""
        return [outcome for outcome in self.outcomes if not outcome.passed]


def load_suites(paths: Iterable[pathlib.Path]) -> list[Suite]:
    """Load test files; folders are searched, subfolders too.

    Raises:
        UsageError: a folder cannot be read or holds no test. PolicyError: with every problem of every file.
    """
    suites: list[Suite] = []
    for path in paths:
        if not path.is_dir():
            suites.append(load_suite(path))
            continue
        try:
            found = suite_paths(path)
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
        if not found:
            raise UsageError(f"{path}: holds no *{SUFFIX}; `docs/policy-tests.md` shows how to write one")
        suites += [load_suite(file) for file in found]
    problems = [problem for suite in suites for problem in suite.problems]
    if problems:
        raise PolicyError(list(dict.fromkeys(problems)))
    if not any(suite.cases for suite in suites):
        raise PolicyError([Problem(Position(suite.path, 1, 1), "E112", "there is no test in it") for suite in suites])
    return suites


def run_suites(suites: Iterable[Suite]) -> Tested:
    """Run every test of every file."""
    tested = Tested()
    for suite in suites:
        for case in suite.cases:
            course = run_case(case)
            tested.outcomes.append(Outcome(suite.path, case, course, judge(case, course)))
            covered = tested.coverage.setdefault(case.policy.name, coverage_of(case.policy))
            covered.take(case.policy, course)
    return tested
