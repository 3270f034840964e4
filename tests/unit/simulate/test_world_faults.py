"""What goes wrong beside an incident: late and lying signals, failing runs, restarts of the agent, relapses."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.simulate.bench_texts import POLICY, policy_in, trials_in, world_in

from homeostat.model import entries as e
from homeostat.model.errors import PolicyError
from homeostat.simulate.bench.measures import LINES, lines_of, measure
from homeostat.simulate.bench.simulated_incident import SimulatedIncident
from homeostat.simulate.bench.stage import BEGIN
from homeostat.simulate.bench.trial import Fate, course_of, run_trials

WORLD = """\
signals: {errors: 0.1%, phase: old}
causes: [{name: leak, sets: {errors: 8%}, cures: {restart: 100%}}]
"""
ONE = "steps: [{id: again, do: restart, target: svc/a, verify: {if: errors < 1%, within: 2m}}]\n"


def faults(text: str) -> str:
    return f"{WORLD}faults: {{{text}}}\n"


def test_late_samples_show_what_was_and_say_how_old_they_are(tmp_path: Path) -> None:
    policy = policy_in(tmp_path)
    world = world_in(tmp_path, faults("late: {share: 100%, by: 2m}"), policy)
    incident = SimulatedIncident(world, policy, 1, 1, BEGIN)
    before, after = (incident.sample("errors", BEGIN + late) for late in (119.0, 120.0))
    assert (before.value, before.age_s) == (0.001, 120.0)
    assert after.value == 0.08
    plain, late = (trials_in(tmp_path, text, 1)[0] for text in (WORLD, faults("late: {share: 100%, by: 40s}")))
    assert late.fate is Fate.RECOVERED
    assert late.over_s > plain.over_s


def test_a_sample_older_than_its_signal_allows_starts_nothing(tmp_path: Path) -> None:
    (trial,) = trials_in(tmp_path, faults("late: {share: 100%, by: 1h}"), 1)
    assert (trial.fate, trial.actions) == (Fate.UNKNOWN, 0)


def test_a_signal_that_lies_shows_its_healthy_value_all_through_an_incident(tmp_path: Path) -> None:
    trials = trials_in(tmp_path, faults("lying: {share: 30%}"), 40)
    unseen = [trial for trial in trials if trial.fate is Fate.UNKNOWN]
    assert {trial.actions for trial in unseen} == {0}
    assert 0.1 <= len(unseen) / 40 <= 0.5
    other = trials_in(tmp_path, faults("lying: {share: 100%, signals: [phase]}"), 5)
    assert {trial.fate for trial in other} == {Fate.RECOVERED}


def test_recovery_by_a_lying_signal_alone_is_a_mistake(tmp_path: Path) -> None:
    top = POLICY.replace("  errors: up\n", "  errors: up\n  lag: replica_lag\n")
    top = top.replace("resolved: {if: errors < 1%", "resolved: {if: errors < 1% and lag < 5")
    text = """\
signals: {errors: 0.1%, phase: old, lag: 0}
causes: [{name: half, sets: {errors: 8%, lag: 60}}]
actions: {restart: {sets: {errors: 0.1%}}}
"""
    policy = policy_in(tmp_path, top=top)
    (seen,) = run_trials(policy, world_in(tmp_path, text, policy), 1, 1)
    assert seen.fate is Fate.ESCALATED
    world = world_in(tmp_path, text + "faults: {lying: {share: 100%, signals: [lag]}}\n", policy)
    (unseen,) = run_trials(policy, world, 1, 1)
    assert (unseen.fate, unseen.recovered_s) == (Fate.MISTAKEN, None)
    measured = measure(policy, [unseen])
    assert (measured.recovered, measured.mistaken) == (0.0, 1.0)
    assert {line.key for line in LINES} - {line.key for line in lines_of([measure(policy, [seen])])} == {"mistaken"}


def test_a_share_of_all_runs_fails(tmp_path: Path) -> None:
    trials = trials_in(tmp_path, faults("failing: 50%"), 60, steps=ONE)
    assert 0.3 <= sum(trial.fate is Fate.ESCALATED for trial in trials) / 60 <= 0.7


def test_an_agent_that_is_restarted_goes_on_where_its_journal_ends(tmp_path: Path) -> None:
    text = faults("restarts: {share: 100%, after: 100s, down: 30s}") + "actions: {restart: {takes: 90s}}\n"
    policy = policy_in(tmp_path)
    for number in range(1, 6):
        course = course_of(policy, world_in(tmp_path, text, policy), number, 1)
        assert sum(isinstance(entry, e.AgentStarted) for _, entry in course.entries) == 2
        assert [start.node for start in course.starts()] == ["again"]
        assert isinstance(list(course.of_incidents())[-1], e.Closed)


def test_a_restart_changes_nothing_that_the_agent_does(tmp_path: Path) -> None:
    half = WORLD.replace("restart: 100%", "restart: 50%")
    restarts = half + "faults: {restarts: {share: 100%, after: {mean: 3m, spread: 0.5}, down: 0s}}\n"
    plain, restarted = (trials_in(tmp_path, text, 25) for text in (half, restarts))
    assert [(trial.fate, trial.starts, trial.over_s) for trial in plain] == [
        (trial.fate, trial.starts, trial.over_s) for trial in restarted
    ]


def test_a_cure_that_does_not_last_brings_a_second_incident(tmp_path: Path) -> None:
    policy = policy_in(tmp_path)
    world = world_in(tmp_path, faults("relapses: {probability: 60%, after: 20m}"), policy)
    counts = [len(course_of(policy, world, number, 1).streams()) for number in range(1, 21)]
    assert min(counts) == 1
    assert max(counts) >= 3


def test_an_unknown_signal_cannot_lie(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="E121 unknown signal 'error'"):
        world_in(tmp_path, faults("lying: {share: 5%, signals: [error]}"), policy_in(tmp_path))
