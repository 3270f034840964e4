"""Where a tabletop's scenario comes from: a test of the policy, a recorded incident, or a simulated world."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from homeostat.app.recordings import ranking_used
from homeostat.app.settings import Settings, policies_folder
from homeostat.model import entries as e
from homeostat.model.errors import PolicyError, Problem, UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal
from homeostat.model.ranking import Ranking
from homeostat.model.streams import policy_stream
from homeostat.policy.load import SUFFIX as POLICY_SUFFIX
from homeostat.record.recording import read_recording
from homeostat.simulate.bench.case import Case, run_case
from homeostat.simulate.bench.course import Course
from homeostat.simulate.bench.suite import SUFFIX, load_suite
from homeostat.simulate.bench.trial import course_of
from homeostat.simulate.bench.world import World
from homeostat.simulate.replay import replay
from homeostat.simulate.tabletop import Scenario, scenario_of


def scenario_of_test(settings: Settings, policy: Policy, given: str, wanted: str | None) -> Scenario:
    """A test of the policy as a scenario.

    Args:
        settings: where its folder is.
        policy: it.
        given: its name or its file, as the user said.
        wanted: the test's name; None: the test that asks most, the first of several.

    Raises:
        UsageError: there is no such test, or nothing is asked in it.
        PolicyError: the policy's tests are wrong.
    """
    folder = Path(given).parent if given.endswith(POLICY_SUFFIX) else policies_folder(settings)
    cases = _cases(folder, policy)
    if wanted is None:
        scenarios = [scenario for case in cases.values() if (scenario := _scenario_or_none(case)) is not None]
        if not scenarios:
            raise UsageError(f"no test of {policy.name} has an incident in it; --incident and --world give others")
        return max(scenarios, key=lambda scenario: len(scenario.questions))
    if wanted not in cases:
        hint = did_you_mean(wanted, cases) or f"; it has: {'; '.join(cases)}"
        raise UsageError(f"{policy.name} has no test '{wanted}'{hint}")
    return _of_course(wanted, cases[wanted].policy, run_case(cases[wanted]))


def _cases(folder: Path, policy: Policy) -> dict[str, Case]:
    cases: dict[str, Case] = {}
    problems: list[Problem] = []
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        suite = load_suite(file)
        problems += suite.problems
        cases |= {case.name: case for case in suite.cases if case.policy.name == policy.name}
    if not cases and problems:
        raise PolicyError(problems)
    if not cases:
        raise UsageError(f"{folder}: no *{SUFFIX} in it tests {policy.name}; --incident and --world give others")
    return cases


def _scenario_or_none(case: Case) -> Scenario | None:
    try:
        return _of_course(case.name, case.policy, run_case(case))
    except UsageError:
        return None


def _of_course(name: str, policy: Policy, course: Course) -> Scenario:
    """The first incident of a run."""
    return scenario_of(name, policy, next(iter(course.streams().values()), ()))


def scenario_of_world(policy: Policy, world: World, number: int, seed: int) -> Scenario:
    """One incident of a simulated world. Raises UsageError: the policy never notices it."""
    return _of_course(f"{world.name}, incident {number}, seed {seed}", policy, course_of(policy, world, number, seed))


def scenario_of_recording(policy: Policy, path: Path) -> Scenario:
    """A recorded incident, as `incidents record` wrote it. See `_of_incident`.

    Raises:
        PolicyError: the recording is wrong. UsageError: nothing is asked in it.
    """
    recording = read_recording(path)
    return _of_incident(policy, recording.incident, recording.entries, recording.ranking)


def scenario_of_incident(policy: Policy, journal: Journal, incident: str) -> Scenario:
    """An incident of the journal, by its id. See `_of_incident`.

    Raises:
        UsageError: nothing is asked in it. JournalError: the journal cannot be read.
    """
    entries = [record.entry for record in journal.read(incident)]
    opened = next((entry for entry in entries if isinstance(entry, e.Suspected)), None)
    of_policy = [] if opened is None else [record.entry for record in journal.read(policy_stream(opened.policy))]
    return _of_incident(policy, incident, entries, ranking_used(of_policy, entries))


def _of_incident(policy: Policy, incident: str, entries: Sequence[e.Entry], ranking: Ranking | None) -> Scenario:
    """The policy as it is now decides on what was seen then; where it parts from what was done, the scenario ends."""
    replayed = replay(policy, entries, ranking)
    return scenario_of(
        f"incident {incident}", policy, replayed.entries, replayed.why if replayed.duration_s is None else ""
    )
