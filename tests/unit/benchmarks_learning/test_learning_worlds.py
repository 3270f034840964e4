from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from benchmarks.learning import baselines, classification, synthetic
from benchmarks.learning.catalogue import make
from benchmarks.learning.oracle import optimal_orders
from benchmarks.learning.report import tables
from benchmarks.learning.results import Results
from benchmarks.learning.stream import (
    BadChoice,
    Incident,
    Measured,
    measure,
    play,
    play_orders,
    seconds_of,
)
from benchmarks.learning.worlds import (
    DRIFT_AT,
    ESCALATION_S,
    INCIDENTS,
    VERIFY_FAILED_S,
    VERIFY_OK_S,
    Context,
    Facts,
    Floats,
    Truth,
    World,
    load,
    save,
)

NO_PEERS = Path("no-such-environment")


@pytest.fixture(scope="module")
def mixture() -> World:
    return synthetic.mixture(0)


@pytest.fixture(scope="module")
def oracle_s(mixture: World) -> Floats:
    return play_orders(mixture, optimal_orders(mixture.truth)[0])


def expected_s(truth: Truth, incident: int, order: tuple[int, ...]) -> float:
    """Of an order, by walking through every cause."""
    total = 0.0
    for cause, weight in enumerate(truth.posterior[incident]):
        alive = float(weight)
        for candidate in order:
            chance = truth.success[incident, cause, candidate]
            total += alive * (truth.run_s[candidate] + chance * VERIFY_OK_S + (1 - chance) * VERIFY_FAILED_S)
            alive *= 1 - chance
        total += alive * ESCALATION_S
    return total


@pytest.mark.parametrize("tries_max", [2, 5])
def test_the_oracle_equals_brute_force_on_tiny_worlds(tries_max: int) -> None:
    random = np.random.default_rng(7)
    incidents, causes, candidates = 20, 3, 5
    truth = Truth(
        random.dirichlet([1.0] * causes, incidents),
        random.random((incidents, causes, candidates)) ** 2,
        random.uniform(10, 600, candidates),
    )
    orders, seconds = optimal_orders(truth, tries_max)
    for incident in range(incidents):
        every = permutations(range(candidates), tries_max)
        best = min(expected_s(truth, incident, order) for order in every)
        assert seconds[incident] == pytest.approx(best, rel=1e-9)
        assert expected_s(truth, incident, tuple(orders[incident])) == pytest.approx(best, rel=1e-9)


def test_the_posterior_of_a_mixture_is_calibrated(mixture: World) -> None:
    """The oracle's expected seconds are what it then needs, within what luck explains."""
    orders, seconds = optimal_orders(mixture.truth)
    spent_s = play_orders(mixture, orders)
    error = spent_s - seconds
    assert abs(error.mean()) < 3.5 * error.std() / len(error) ** 0.5
    assert mixture.truth.posterior.max(axis=1).mean() < 0.95


class Recorder:
    """Chooses by a random order of its own and keeps what it was shown."""

    def __init__(self, salt: int) -> None:
        self._salt = salt
        self.shown: dict[tuple[int, int], tuple[bool, float, bool]] = {}
        self.numbers: list[Floats] = []

    def begin(self, seed: int, facts: Facts) -> None:
        self._random = np.random.default_rng([seed, self._salt])

    def choose(self, context: Context, failed: tuple[int, ...], eligible: tuple[int, ...], *, frozen: bool) -> int:
        return int(self._random.choice(eligible))

    def learn(self, incident: Incident) -> None:
        for each in incident.attempts:
            self.shown[len(self.numbers), each.candidate] = each.worked, each.runs_s, each.harmed
        self.numbers.append(incident.context.numbers)


def test_every_method_meets_the_same_draws(mixture: World, oracle_s: Floats) -> None:
    one, other = Recorder(1), Recorder(2)
    for recorder in (one, other):
        measure(mixture, oracle_s, recorder)
    both = set(one.shown) & set(other.shown)
    assert one.shown.keys() != other.shown.keys()
    assert len(both) > 1000
    assert all(one.shown[each] == other.shown[each] for each in both)
    np.testing.assert_array_equal(one.numbers, other.numbers)


@pytest.mark.parametrize("name", ["mixture", "smooth", "drift"])
def test_no_fixed_order_beats_the_oracle(name: str) -> None:
    world = make(name, 3, NO_PEERS)
    oracle_s = play_orders(world, optimal_orders(world.truth)[0])
    for method in (baselines.WrittenOrder(), baselines.CheapestFirst(), baselines.AtRandom()):
        assert measure(world, oracle_s, method).mttr_ratio > 1.1


def test_a_world_is_the_same_for_the_same_seed_and_another_for_another(mixture: World) -> None:
    again, other = synthetic.mixture(0), synthetic.mixture(1)
    np.testing.assert_array_equal(mixture.draws.runs_s, again.draws.runs_s)
    np.testing.assert_array_equal(mixture.draws.numbers, again.draws.numbers)
    assert mixture.facts.candidates != other.facts.candidates or (mixture.draws.works != other.draws.works).any()


def test_drift_gives_one_cause_another_best_candidate() -> None:
    success = synthetic.mixture(5, "drift").truth.success
    before, after = success[DRIFT_AT - 1], success[DRIFT_AT]
    assert (success[:DRIFT_AT] == before).all()
    assert (success[DRIFT_AT:] == after).all()
    narrow = [i for i, name in enumerate(synthetic.mixture(5, "drift").facts.candidates) if name.startswith("narrow")]
    changed = before[:, narrow].argmax(axis=1) != after[:, narrow].argmax(axis=1)
    assert changed.sum() == 1


def test_rows_of_held_out_incidents_are_not_in_the_stream() -> None:
    classes = np.arange(400) % 4
    chosen = classification._choose_rows(np.random.default_rng(0), classes, np.full(4, 0.25))
    assert len(chosen) == INCIDENTS
    assert not set(chosen[:-500]) & set(chosen[-500:])


def test_a_choice_that_is_not_eligible_ends_the_run(mixture: World) -> None:
    with pytest.raises(BadChoice, match="is not one of"):
        play(mixture, 0, lambda context, failed, eligible: 99)


def test_an_incident_that_nothing_cured_waits_for_people(mixture: World) -> None:
    numbers = np.flatnonzero(~mixture.draws.works.any(axis=1))
    number = int(numbers[0])
    incident = play(mixture, number, lambda context, failed, eligible: eligible[-1])
    everything = mixture.draws.runs_s[number].sum() + len(incident.attempts) * VERIFY_FAILED_S
    assert len(incident.attempts) == len(mixture.facts.candidates)
    assert seconds_of(incident) == pytest.approx(everything + ESCALATION_S)


def test_a_world_survives_its_file(mixture: World, oracle_s: Floats, tmp_path: Path) -> None:
    save(mixture, tmp_path / "world.npz", oracle_s=oracle_s)
    world, (read_s,) = load(tmp_path / "world.npz", "oracle_s")
    np.testing.assert_array_equal(read_s, oracle_s)
    np.testing.assert_array_equal(world.draws.numbers, mixture.draws.numbers)
    np.testing.assert_array_equal(world.truth.success, mixture.truth.success)
    assert world.facts.candidates == mixture.facts.candidates
    assert world.context(9).categories == mixture.context(9).categories


def line(method: str, seed: int, ratio: float) -> str:
    frozen = {50: ratio, 200: ratio, 1000: ratio}
    windows = {"1000-1100": ratio, "1100-1300": ratio, "1000-1200": ratio, "1300-2000": ratio}
    measured = Measured(ratio, frozen, windows, (1.0,), (1.0,), 0.5, 0.1, 0.2)
    return json.dumps({"method": method, "world": "mixture", "seed": seed, **vars(measured)})


def test_results_of_an_interrupted_run_are_kept_and_those_of_other_rules_are_not(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    Results(file, "old").add([line("random", 0, 9.0)])
    results = Results(file, "new")
    results.add([line("random", 1, 3.0), line("random", 1, 4.0)])
    with file.open("a") as cut_off:
        cut_off.write('{"method": "rand')
    results.add([line("random", 2, 5.0)])
    ratios = {key: row["mttr_ratio"] for key, row in results.read().items()}
    assert ratios == {("random", "mixture", 1): 4.0, ("random", "mixture", 2): 5.0}


def test_the_table_gives_the_difference_paired_by_seed_with_its_standard_error(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl", "rules")
    results.add([line("random", 0, 3.0), line("random", 1, 5.0), line("random", 2, 9.0)])
    results.add([line("cheapest first", 0, 2.0), line("cheapest first", 1, 3.0)])
    table = tables(results.read(), "cheapest first")
    assert "| random | 5.667 (+1.500 ± 0.500)" in table
    assert "| cheapest first | 2.500 |" in table
