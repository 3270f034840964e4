"""Every set of one, two and three crashes at the boundaries of a run: nothing twice, nothing left lying.

By default all single faults, and a share of the pairs and triples, are lived through. `HOMEOSTAT_CRASHES_MAX=2` (or 3)
`pytest -s` lives through all sets of so many and gives their number.
"""

from __future__ import annotations

import os

import pytest
from tests.simulation.crash_scenarios import ONE_UNSAFE, SCENARIOS
from tests.simulation.crash_search import Search
from tests.simulation.crash_world import Scenario
from tests.simulation.naive import ForgetfulHands, OutcomeOnly

CRASHES_MAX = int(os.environ.get("HOMEOSTAT_CRASHES_MAX", "0"))
SHARES = (1.0,) * CRASHES_MAX if CRASHES_MAX else (1.0, 0.015, 0.01)
SMALL_SHARES = (1.0,) * CRASHES_MAX if CRASHES_MAX else (1.0, 0.15, 0.01)
TIMEOUT_S = 8 * 3600 if CRASHES_MAX else 180
TWICE = " had its effect "


@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_set_of_crashes_does_anything_twice_or_leaves_anything_open(scenario: Scenario) -> None:
    found = Search(scenario, shares=SMALL_SHARES if scenario is ONE_UNSAFE else SHARES).run()
    print(f"{scenario.name}: {found.schedules} schedules, {found.lives} lives, {len(found.wrongs)} wrong")
    assert found.wrongs[:10] == []
    assert found.schedules > 50


def test_an_executor_that_runs_again_what_it_does_not_remember_is_caught() -> None:
    found = Search(ONE_UNSAFE, make_hands=ForgetfulHands, has_claims=False, shares=(1.0,)).run()
    assert sum(TWICE in wrong for wrong in found.wrongs) > 0


def test_a_loop_that_records_only_outcomes_is_caught() -> None:
    found = Search(
        ONE_UNSAFE, make_agent=OutcomeOnly, make_hands=ForgetfulHands, has_claims=False, lies=False, shares=(1.0,)
    ).run()
    assert sum(TWICE in wrong for wrong in found.wrongs) > 0


def test_without_crashes_both_of_them_do_well() -> None:
    """So what the search finds is the crashes' doing."""
    forgetful = Search(ONE_UNSAFE, make_hands=ForgetfulHands, has_claims=False, shares=()).run()
    outcomes = Search(
        ONE_UNSAFE, make_agent=OutcomeOnly, make_hands=ForgetfulHands, has_claims=False, lies=False, shares=()
    ).run()
    assert (forgetful.wrongs, outcomes.wrongs) == ([], [])
    assert (forgetful.lives, outcomes.lives) == (1, 1)


def test_the_scenarios_do_what_they_are_there_for() -> None:
    """No plan may have become so harmless that its crashes prove nothing."""
    effects = {scenario.name: len(Search(scenario, shares=()).run().last.world.effects) for scenario in SCENARIOS}
    assert effects == {
        "one unsafe step": 1,
        "a retry of every kind": 4,
        "keyed": 2,
        "the signals can tell": 1,
        "probe": 1,
        "try": 2,
        "choose": 1,
        "dag": 3,
        "undo": 3,
        "nothing helps": 1,
        "a step that hangs": 1,
        "an agent that is away for long": 2,
        "approval": 1,
        "two policies, one target": 2,
    }
