"""Run test files: every test, its misses, and what all of them reached together."""

from __future__ import annotations

import pathlib
import posixpath
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from homeostat.model.errors import PolicyError, Position, Problem, UsageError
from homeostat.parallel import IN_PROCESS, Workers
from homeostat.policy.load import SUFFIX as POLICY_SUFFIX
from homeostat.policy.sources import FolderSources, SourceError
from homeostat.policy.yaml_tree import read_yaml
from homeostat.simulate.bench.case import Case, run_case
from homeostat.simulate.bench.course import Course
from homeostat.simulate.bench.coverage import Coverage, coverage_of
from homeostat.simulate.bench.expectations import Miss, judge
from homeostat.simulate.bench.suite import SUFFIX, Suite, load_suite, suite_paths

Watched = Callable[[Iterable[list[Course]], int], Iterable[list[Course]]]

TESTS_A_TASK = 20
"""Tests that are run together in one process."""


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
    """Load test files; folders are searched, subfolders too; of a policy, the test files beside it that name it.

    Raises:
        UsageError: a folder cannot be read or holds no test, or none names the policy.
        PolicyError: with every problem of every file.
    """
    suites: list[Suite] = []
    for path in paths:
        if not path.is_dir():
            files = suites_beside(path) if path.name.endswith(POLICY_SUFFIX) else [path]
            suites += [load_suite(file) for file in files]
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


def suites_beside(policy: pathlib.Path) -> list[pathlib.Path]:
    """The test files in a policy's folder that name it.

    Raises:
        UsageError: there is no such policy, or no test of it.
    """
    if not policy.is_file():
        raise UsageError(f"{policy}: there is no such file")
    try:
        files = sorted(policy.parent.glob(f"*{SUFFIX}"))
    except OSError as error:
        raise UsageError(f"{policy.parent}: cannot be read: {error.strerror}") from error
    found = [file for file in files if _names(file, policy.name)]
    if not found:
        example = policy.name.removesuffix(POLICY_SUFFIX) + SUFFIX
        raise UsageError(f"{policy}: no test file beside it names it; {example} with 'policy: {policy.name}' would")
    return found


def _names(file: pathlib.Path, policy: str) -> bool:
    """Whether a test file is of a policy; one that cannot be read, so that its problems are told, by its own name."""
    try:
        data = read_yaml(FolderSources(file.parent).read(file.name), str(file)).data
    except SourceError:
        data = None
    if isinstance(data, dict) and isinstance(data.get("policy"), str):
        return posixpath.normpath(str(data["policy"])) == policy
    return file.name.removesuffix(SUFFIX) == policy.removesuffix(POLICY_SUFFIX)


def run_suites(
    suites: Iterable[Suite], workers: Workers = IN_PROCESS, watched: Watched = lambda some, _: some
) -> Tested:
    """Run every test of every file, and tell of them in the order they are written.

    Args:
        suites: the files.
        workers: who runs them.
        watched: is handed what comes of each task, and their number, and hands it on: to show how far they are.
    """
    tested = Tested()
    cases = [(suite.path, case) for suite in suites for case in suite.cases]
    some = [cases[first : first + TESTS_A_TASK] for first in range(0, len(cases), TESTS_A_TASK)]
    tasks = [(f"tests from '{few[0][1].name}' of {few[0][0]} on", [case for _, case in few]) for few in some]
    courses = chain.from_iterable(watched(workers.run(_courses, tasks), len(tasks)))
    for (path, case), course in zip(cases, courses, strict=True):
        tested.outcomes.append(Outcome(path, case, course, judge(case, course)))
        covered = tested.coverage.setdefault(case.policy.name, coverage_of(case.policy))
        covered.take(case.policy, course)
    return tested


def _courses(cases: Sequence[Case]) -> list[Course]:
    return [run_case(case) for case in cases]
