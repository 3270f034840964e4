"""Simulated worlds: what the file says comes about, luck depends on nothing else, and measures add up."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from tests.unit.simulate.bench_texts import STEPS, policy_in, trials_in, world_in

from homeostat.model.errors import PolicyError
from homeostat.model.policy import Policy
from homeostat.model.signals import Absence
from homeostat.simulate.bench.draws import lognormal, uniform
from homeostat.simulate.bench.matrix_html import matrix_html
from homeostat.simulate.bench.measures import LINES, measure, percentile
from homeostat.simulate.bench.paths import PATHS_MAX, paths_of
from homeostat.simulate.bench.simulated_incident import SimulatedIncident
from homeostat.simulate.bench.trial import Fate, Trial, run_trial, run_trials

SIGNALS = "signals: {errors: 0.1%, phase: old}\n"
CURED = SIGNALS + "causes: [{name: leak, sets: {errors: 8%}, cures: {restart: 100%}}]\n"
ONE = "steps: [{id: again, do: restart, target: svc/a, verify: {if: errors < 1%, within: 2m}}]\n"
REPLICA = "signals: {errors: 0.1%, phase: old, replica: 0}\n"


def test_a_cure_ends_the_incident(tmp_path: Path) -> None:
    for trial in trials_in(tmp_path, CURED, count=5):
        assert (trial.fate, trial.starts, trial.why) == (Fate.RECOVERED, ("again",), "recovered")
        assert trial.recovered_s is not None
        assert 90.0 <= trial.recovered_s <= 150.0  # a minute to confirm, half a minute's action, two polls at most
        assert trial.recovered_s + 60.0 <= trial.over_s
        assert (trial.actions, trial.concurrency_max) == (1, 1)


def test_the_same_seed_gives_the_same_incidents_and_another_one_others(tmp_path: Path) -> None:
    world = SIGNALS + "causes: [{name: leak, sets: {errors: 8%}, cures: {restart: 50%}}]\n"
    assert trials_in(tmp_path, world, seed=3) == trials_in(tmp_path, world, seed=3)
    assert trials_in(tmp_path, world, seed=3) != trials_in(tmp_path, world, seed=4)


def test_policies_meet_the_same_luck(tmp_path: Path) -> None:
    text = SIGNALS + (
        "causes: [{name: one, sets: {errors: 8%}, cures: {restart: 50%}}, {name: two, sets: {errors: 9%}}]\n"
        "actions: {restart: {takes: {mean: 2m, spread: 0.5}}}\n"
    )
    short = trials_in(tmp_path, text, 40, steps=ONE)
    long = trials_in(tmp_path, text, 40)
    assert [trial.cause for trial in short] == [trial.cause for trial in long]
    first_cured = [trial.number for trial in long if trial.fate is Fate.RECOVERED and trial.starts == ("again",)]
    assert set(first_cured) <= {trial.number for trial in short if trial.fate is Fate.RECOVERED}
    assert {trial.fate for trial in short} == {Fate.RECOVERED, Fate.ESCALATED}


def test_causes_come_by_their_weights(tmp_path: Path) -> None:
    text = SIGNALS + (
        "causes: [{name: often, weight: 3, sets: {errors: 8%}, cures: {restart: 100%}}, "
        "{name: seldom, sets: {errors: 8%}, cures: {restart: 100%}}]\n"
    )
    causes = [trial.cause for trial in trials_in(tmp_path, text, 200)]
    assert 0.68 <= causes.count("often") / 200 <= 0.82


def test_an_action_without_what_it_requires_does_nothing(tmp_path: Path) -> None:
    cause = "causes: [{name: lost, sets: {errors: 8%}}]\n"
    actions = (
        "actions: {restart: {sets: {replica: 1}, takes: 1m}, rollback: {requires: replica == 1, sets: {errors: 0}}}\n"
    )
    steps = "steps: [{id: back, do: rollback, target: svc/a, verify: none}]\n"
    (alone,) = trials_in(tmp_path, REPLICA + cause + actions, 1, steps=steps)
    assert alone.fate is Fate.ESCALATED
    first = "steps: [{id: again, do: restart, target: svc/b, verify: none}, " + steps.removeprefix("steps: [")
    (both,) = trials_in(tmp_path, REPLICA + cause + actions, 1, steps=first)
    assert both.fate is Fate.RECOVERED


def test_a_cause_changes_how_actions_go(tmp_path: Path) -> None:
    text = SIGNALS + (
        "causes: [{name: leak, sets: {errors: 8%}, cures: {restart: 100%}, actions: {restart: {succeeds: 0%}}}]\n"
        "actions: {restart: {succeeds: 100%, takes: 1m}}\n"
    )
    assert {trial.fate for trial in trials_in(tmp_path, text, 3, steps=ONE)} == {Fate.ESCALATED}


def test_a_cure_gives_back_what_no_action_has_set(tmp_path: Path) -> None:
    text = "signals: {errors: 0.1%, phase: old}\ncauses: [{name: leak, sets: {errors: 8%}, cures: {restart: 100%}}]\n"
    text += "actions: {restart: {sets: {errors: 3%}}}\n"
    (trial,) = trials_in(tmp_path, text, 1, steps=ONE)
    assert trial.fate is Fate.ESCALATED  # the cure took hold first, then the action's own effect


def test_an_action_may_cure_any_cause(tmp_path: Path) -> None:
    text = SIGNALS + "causes: [{name: leak, sets: {errors: 8%}}]\nactions: {restart: {cures: true, delay: 1m}}\n"
    (trial,) = trials_in(tmp_path, text, 1, steps=ONE)
    assert trial.fate is Fate.RECOVERED


def test_what_heals_by_itself(tmp_path: Path) -> None:
    text = SIGNALS + "causes: [{name: leak, sets: {errors: 8%}, heals: {after: 2m}}]\n"
    (trial,) = trials_in(tmp_path, text, 1)
    assert trial.fate is Fate.RECOVERED
    blip = SIGNALS + "causes: [{name: blip, sets: {errors: '8%x1 0.1%'}}]\n"
    assert {trial.fate for trial in trials_in(tmp_path, blip, 5)} == {Fate.DISMISSED}


def test_what_an_action_has_set_does_not_heal(tmp_path: Path) -> None:
    text = SIGNALS + "causes: [{name: leak, sets: {errors: 8%}, heals: {after: 150s}}]\n"
    (healed,) = trials_in(tmp_path, text, 1, steps=ONE)
    assert healed.fate is Fate.RECOVERED
    (worse,) = trials_in(tmp_path, text + "actions: {restart: {takes: 30s, sets: {errors: 9%}}}\n", 1, steps=ONE)
    assert worse.fate is Fate.ESCALATED


def test_what_nobody_notices_is_unknown(tmp_path: Path) -> None:
    text = SIGNALS + "causes: [{name: small, sets: {errors: 2%}}]\n"
    (trial,) = trials_in(tmp_path, text, 1)
    assert (trial.fate, trial.why, trial.actions) == (Fate.UNKNOWN, "never noticed", 0)


def test_a_relapse_counts(tmp_path: Path) -> None:
    text = SIGNALS + (
        "causes: [{name: leak, sets: {errors: 8%}}]\nactions: {restart: {sets: {errors: '0%x20 8%'}, takes: 10s}}\n"
    )
    (trial,) = trials_in(tmp_path, text, 1, steps=ONE)
    assert trial.actions >= 2


def test_missing_samples_and_slow_runs(tmp_path: Path) -> None:
    none = CURED + "faults: {missing: 100%}\n"
    assert {trial.fate for trial in trials_in(tmp_path, none, 2)} == {Fate.UNKNOWN}
    slow = CURED + "actions: {restart: {takes: 30s}}\nfaults: {slow: {share: 100%, factor: 3}}\n"
    (usual,) = trials_in(tmp_path, CURED, 1)
    (slower,) = trials_in(tmp_path, slow, 1)
    assert slower.recovered_s is not None
    assert usual.recovered_s is not None
    assert slower.recovered_s - usual.recovered_s == 60.0


def test_so_many_samples_are_missing_as_the_world_says(tmp_path: Path) -> None:
    policy = policy_in(tmp_path)
    incident = SimulatedIncident(world_in(tmp_path, CURED + "faults: {missing: 5%}\n", policy), policy, 1, 1, 0.0)
    for signal in ("errors", "phase"):
        absences = [incident.sample(signal, tick * 30.0 + 7.0).absence for tick in range(4000)]
        assert 0.04 <= absences.count(Absence.MISSING) / 4000 <= 0.06


def test_people_answer_what_they_are_asked(tmp_path: Path) -> None:
    steps = ONE.replace("verify", "approval: {from: boss, timeout: 10m}, verify")
    (prompt,) = trials_in(tmp_path, CURED, 1, steps=steps)
    (late,) = trials_in(tmp_path, CURED + "people: {answer: 5m}\n", 1, steps=steps)
    assert prompt.recovered_s is not None
    assert late.recovered_s is not None
    assert late.recovered_s - prompt.recovered_s >= 240.0
    (never,) = trials_in(tmp_path, CURED + "people: {agree: 0%}\n", 1, steps=steps)
    assert never.fate is Fate.ESCALATED
    (suggested,) = trials_in(tmp_path, CURED, 1, steps=ONE.replace("verify", "mode: suggest, verify"))
    assert suggested.fate is Fate.RECOVERED


def test_people_work_as_the_world_says(tmp_path: Path) -> None:
    steps = "steps: [{id: swap, manual: swap it, check: it is green}]\n"
    text = SIGNALS + "causes: [{name: disk, sets: {errors: 8%}, cures: {swap: 100%}}]\nactions: {swap: {takes: 20m}}\n"
    (trial,) = trials_in(tmp_path, text, 1, steps=steps)
    assert trial.fate is Fate.RECOVERED
    assert trial.recovered_s is not None
    assert 20 * 60.0 <= trial.recovered_s <= 23 * 60.0


def test_idle_time_and_concurrency(tmp_path: Path) -> None:
    steps = """\
steps:
- dag:
  - {id: a, do: restart, target: svc/a, verify: none}
  - {id: b, do: restart, target: svc/b, verify: none}
  - {id: c, do: restart, target: svc/c, verify: none, needs: [a, b]}
- {id: pause, wait: 10m}
- {id: d, do: rollback, target: svc/a, verify: none}
"""
    text = SIGNALS + "causes: [{name: leak, sets: {errors: 8%}, cures: {rollback: 100%}}]\n"
    (trial,) = trials_in(tmp_path, text, 1, steps=steps)
    assert trial.starts == ("a", "b", "c", "d")
    assert trial.concurrency_max == 2
    assert 600.0 <= trial.wait_s_max <= 660.0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("causes: []\n", "E111 the key 'signals' is missing"),
        (SIGNALS + "causes: []\n", "E112"),
        (
            SIGNALS + "causes: [{name: a, sets: {eror: 1}}]\n",
            "3:27: E121 unknown signal 'eror'; did you mean 'errors'?",
        ),
        (SIGNALS + "causes: [{name: a, sets: {errors: high}}]\n", "E190 'errors'"),
        (SIGNALS + "causes: [{name: a, sets: {}, weight: 0}]\n", "above 0"),
        (SIGNALS + "causes: [{name: a, sets: {}, cures: {restart: 120%}}]\n", "a probability from 0% to 100%"),
        (SIGNALS + "causes: [{name: a, sets: {}}, {name: a, sets: {}}]\n", "E140 another cause is named 'a'"),
        (CURED + "actions: {restart: {takes: 5}}\n", "E113"),
        (CURED + "actions: {restart: {takes: {mean: 5m, spred: 1}}}\n", "did you mean 'spread'?"),
        (CURED + "actions: {restart: {requires: eror == 1}}\n", "E121"),
        (CURED + "actions: {restart: {sets: {eror: 1}}}\n", "E121"),
        (CURED + "intervall: 5s\n", "did you mean 'interval'?"),
        (CURED + "interval: 1ms\n", "E192 a duration of at least 1s"),
        (CURED + "interval: 1s\nincident_max: 30d\n", "E192 incident_max is more than"),
        ("- a\n", "E101"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(PolicyError) as caught:
        trials_in(tmp_path, text)
    assert complaint in str(caught.value)


def test_names_that_world_and_policies_do_not_share(tmp_path: Path) -> None:
    policy = policy_in(tmp_path)
    world = world_in(tmp_path, "signals: {errors: 0}\ncauses: [{name: a, sets: {}, cures: {restrat: 5%}}]\n", policy)
    told = "; ".join(world.names_not_shared([policy]))
    assert "no policy here does 'restrat'; did you mean 'restart'?" in told
    assert "the world has no signal 'phase'" in told
    (trial,) = run_trials(policy, world, 1, 1)
    assert trial.fate is Fate.UNKNOWN


def test_draws_are_uniform_and_lognormal() -> None:
    draws = [uniform(1, number, "a") for number in range(2000)]
    assert 0.48 <= statistics.fmean(draws) <= 0.52
    assert all(0.0 <= draw < 1.0 for draw in draws)
    durations = [lognormal(100.0, 0.3, 1, number) for number in range(4000)]
    assert 98.0 <= statistics.fmean(durations) <= 102.0
    assert 27.0 <= statistics.stdev(durations) <= 33.0
    assert lognormal(100.0, 0.0, 1) == 100.0


def a_trial(recovered_s: float | None, fate: Fate = Fate.RECOVERED) -> Trial:
    return Trial(1, "c", fate, recovered_s, 900.0, 2, 1, 30.0, 10, ("a",), "")


def test_measures(tmp_path: Path) -> None:
    policy = policy_in(tmp_path)
    trials = [a_trial(600.0), a_trial(1200.0), a_trial(2400.0), a_trial(None, Fate.ESCALATED)]
    measured = measure(policy, trials)
    assert (measured.recovered, measured.escalated, measured.unknown) == (0.75, 0.25, 0.0)
    assert (measured.mttr_mean_s, measured.mttr_p50_s, measured.mttr_p99_s) == (1400.0, 1200.0, 2400.0)
    assert (measured.rto_s, measured.rto_attainment) == (1800.0, 0.5)
    assert measure(policy, trials, rto_s=600.0).rto_attainment == 0.25
    assert measured.worst_attempts == 2
    assert {line.source for line in LINES} == {"simulated", "computed", "declared"}
    page = matrix_html("a <title>", [measured])
    assert "a &lt;title&gt;" in page
    assert "23m20s" in page
    assert "<th class=s>source</th>" in page
    chart = page[page.index("<svg") :]
    for written in (">p50<", ">p90<", ">p99<", ">20m<", ">40m<", ">0s<"):
        assert written in chart
    assert chart.count(">40m<") == 3, "p90, p99 and a tick of the axis"
    assert "<script" not in page


def test_percentiles_are_values_that_were_there() -> None:
    assert percentile([], 0.5) is None
    assert percentile([7.0], 0.99) == 7.0
    assert [percentile([1.0, 2.0, 3.0, 4.0], share) for share in (0.25, 0.5, 0.9, 0.99)] == [1.0, 2.0, 4.0, 4.0]


DO = "{{id: {0}, do: restart, target: svc/{0}, verify: none{1}}}"


def plan(tmp_path: Path, text: str) -> Policy:
    steps = text.format(*(DO.format(name, "") for name in "abc"), a_if=DO.format("a", ", if: errors > 5%"))
    return policy_in(tmp_path, f"steps: [{steps}]\n")


@pytest.mark.parametrize(
    ("steps", "paths"),
    [
        ("{0}", 2),  # well, or not
        ("{0}, {1}, {2}", 4),  # three places to fail, one way through
        ("{{try: [{0}, {1}, {2}]}}", 4),
        ("{{choose: [{0}, {1}]}}", 6),  # one of two at once; either after the other; neither, in two orders
        ("{{dag: [{0}, {1}, {2}]}}", 8),  # each by itself
        ("{a_if}, {1}", 5),  # passed over is one more way on
        ("{{decide: [{{if: errors > 5%, steps: [{0}]}}, {{else: {1}}}]}}", 4),
        ("{{decide: [{{if: errors > 5%, steps: [{0}, {1}]}}]}}", 4),
        ("{{steps: [{0}], fallback: {1}}}", 3),
        ("{{wait: 5m}}, {0}", 2),
    ],
)
def test_paths_through_a_plan(tmp_path: Path, steps: str, paths: int) -> None:
    assert paths_of(plan(tmp_path, steps)) == paths


def test_too_many_paths_are_only_said_to_be_many(tmp_path: Path) -> None:
    many = ", ".join(DO.format(f"s{number}", "") for number in range(60))
    assert paths_of(policy_in(tmp_path, f"steps: [{{choose: [{many}]}}]\n")) == PATHS_MAX


def test_one_trial_is_the_one_of_its_number(tmp_path: Path) -> None:
    policy = policy_in(tmp_path, STEPS)
    world = world_in(tmp_path, CURED, policy)
    assert list(run_trials(policy, world, 3, 5))[2] == run_trial(policy, world, 3, 5)
