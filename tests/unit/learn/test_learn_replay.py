"""Imputed replay against enumeration by hand and the agent's own order, and a world whose truth is known."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from tests.unit.learn.incident_streams import EFFECTIVE, INEFFECTIVE, START, Stream, do, policy_of, records_of, remedy
from tests.unit.learn.test_learn_gate import told_by_errors
from tests.unit.learn.worlds import CANDIDATES, World, fixed, journalled, world_policy

from homeostat.decide.ranking import rank
from homeostat.learn.dataset import decisions_frame
from homeostat.learn.evaluation import resampling
from homeostat.learn.evaluation.causes import Imputation
from homeostat.learn.evaluation.comparison import compare
from homeostat.learn.evaluation.imputation import Costs, costs_of, impute, parts_of
from homeostat.learn.evaluation.logged import Logged, logged_incidents
from homeostat.learn.evaluation.orders import FixedOrder, RankedOrder
from homeostat.learn.evaluation.replay import follow, value
from homeostat.learn.features import Floats
from homeostat.learn.ranker import choose_nodes, labelled_trials, train_node
from homeostat.learn.samples import Bools, Ints
from homeostat.model.entries import Option
from homeostat.model.policy import Choose, Escalate, Policy
from homeostat.model.reasons import AttemptVerdict, Result

ABC = ("a", "b", "c")


def logged_of(streams: Sequence[Stream], policy: Policy) -> Logged:
    node = next(choose_nodes(policy))
    return logged_incidents(labelled_trials(decisions_frame(records_of(streams), policy), node), node, policy)


def world_logged(seed: int, count: int) -> tuple[Logged, Policy]:
    world = World(seed)
    policy = world_policy(world.bad_order)
    return logged_of(journalled(world.draws(count), fixed(world.bad_order)), policy), policy


def two_of_three() -> Logged:
    """In one incident a failed and b worked; in the other b worked at once."""
    first = Stream("i1").confirm().choose("a", {"errors": 8.0}, eligible=ABC).attempt("a", INEFFECTIVE, verifies_s=90.0)
    first.choose("b", {"errors": 9.0}, eligible=("b", "c")).attempt("b", EFFECTIVE).close()
    second = Stream("i2", START + 1e6).confirm().choose("b", {"errors": 1.0}, eligible=ABC).attempt("b", EFFECTIVE)
    return logged_of([first, second.close()], policy_of(remedy(*ABC)))


def test_the_logged_order_gives_back_what_was_logged() -> None:
    """Facts are not touched, whatever the model says of the rest."""
    logged, _ = world_logged(1, 60)
    path = follow(FixedOrder(logged.candidates), logged)
    replayed = value(path, logged, impute(logged, parts_of(len(logged))), costs_of(logged))
    taken_s = np.nansum(logged.seconds, axis=1)
    lost = ~(logged.outcome == 1.0).any(axis=1)
    assert replayed.seconds == pytest.approx(taken_s + lost * logged.people_s)
    assert replayed.first_success == pytest.approx(logged.samples.succeeded[logged.rows[:, 0]].astype(float))


def test_what_was_not_tried_is_expected_over_the_causes() -> None:
    """Order c, a, b in two incidents with two causes: every outcome of c is enumerated."""
    logged = two_of_three()
    beliefs = np.array([[0.3, 0.7], [1.0, 0.0]])
    success = np.broadcast_to(np.array([[0.1, 0.2, 0.9], [0.5, 0.6, 0.4]]), (2, 2, 3))
    costs = Costs(np.array([10.0, 20.0, 30.0]), np.array([100.0, 200.0, 300.0]), np.array([0.01, 0.02, 0.03]))
    path = follow(FixedOrder(ABC, ("c", "a", "b")), logged)
    assert path.tolist() == [[2, 0, 1], [2, 0, 1]]
    replayed = value(path, logged, Imputation(beliefs, success), costs)
    expected = [0.0, 0.0]
    for incident, (cause, c_works, a_works) in product(range(2), product(range(2), (True, False), (True, False))):
        chance = beliefs[incident, cause]
        chance *= success[0, cause, 2] if c_works else 1.0 - success[0, cause, 2]
        a_is_known = incident == 0
        chance *= float(not a_works) if a_is_known else success[0, cause, 0] if a_works else 1.0 - success[0, cause, 0]
        spent_s = 30.0 if c_works else 300.0
        if not c_works:
            spent_s += 95.0 if a_is_known else 10.0 if a_works else 100.0
            spent_s += 0.0 if a_works else 35.0
        expected[incident] += chance * spent_s
    assert replayed.seconds == pytest.approx(expected)
    assert replayed.first_success == pytest.approx([0.3 * 0.9 + 0.7 * 0.4, 0.9])


def one_of_three() -> Logged:
    """Only a could be tried; it did harm, and people were called."""
    stream = Stream("i1").confirm().choose("a", {"errors": 8.0}, eligible=("a",))
    stream.attempt("a", AttemptVerdict.HARMFUL, verifies_s=90.0).escalate()
    return logged_of([stream.close(Result.ESCALATED)], policy_of(remedy(*ABC)))


def test_where_nothing_works_people_take_their_time_and_logged_harm_is_a_fact() -> None:
    logged = one_of_three()
    costs = Costs(np.full(3, 10.0), np.full(3, 100.0), np.full(3, 0.01))
    imputed = Imputation(np.array([[1.0]]), np.full((1, 1, 3), 0.5))
    replayed = value(follow(FixedOrder(ABC), logged), logged, imputed, costs)
    assert logged.people_s > 0.0
    assert replayed.seconds == pytest.approx([95.0 + logged.people_s])
    assert replayed.harms == pytest.approx([1.0])
    none = replace(logged, harmful=np.zeros(logged.harmful.shape))
    assert value(np.array([[0, -1, -1]]), none, imputed, costs).harms == pytest.approx([0.0])


def test_a_candidate_that_is_certain_ends_every_path_and_works() -> None:
    policy = policy_of(Choose("remedy", (do("a"), Escalate("people", "oncall"), do("b"))))
    stream = Stream("i1").confirm().choose("a", {"errors": 8.0}, eligible=("a", "people", "b"))
    logged = logged_of([stream.attempt("a", INEFFECTIVE).close()], policy)
    path = follow(FixedOrder(logged.candidates), logged)
    assert path.tolist() == [[0, 1, -1]]
    costs = Costs(np.full(3, 10.0), np.full(3, 100.0), np.full(3, 0.01))
    doubted = Imputation(np.array([[1.0]]), np.full((1, 1, 3), 0.1))
    assert value(path, logged, doubted, costs).seconds == pytest.approx([35.0 + 10.0])


def test_costs_are_means_shrunk_to_what_is_declared_and_harm_is_a_share_of_trials() -> None:
    logged = two_of_three()
    assert logged.harmful[0, 0] == 0.0
    harmful = logged.harmful.copy()
    harmful[0, 0] = 1.0
    costs = costs_of(replace(logged, harmful=harmful))
    a, b, c = logged.declared
    assert costs.success_s == pytest.approx([a.cost.success_s, (2 * 35.0 + 2 * b.cost.success_s) / 4, c.cost.success_s])
    assert costs.failure_s == pytest.approx([(95.0 + 2 * a.cost.failure_s) / 3, b.cost.failure_s, c.cost.failure_s])
    assert costs.harm == pytest.approx([1.02 / 3, 0.02 / 4, 0.01])


class Watched:
    """A fixed order that notes which rows it was shown."""

    def __init__(self, *names: str) -> None:
        self.order = FixedOrder(ABC, names)
        self.rows: list[int] = []

    def scores(self, rows: Ints, failed: Bools, left: Bools) -> Floats:
        self.rows.append(int(rows[0]))
        return self.order.scores(rows, failed, left)


@pytest.mark.parametrize(("names", "rows"), [("abc", [0, 1, 1]), ("acb", [0, 1, 1]), ("cab", [0, 0, 0])])
def test_signals_are_read_again_only_as_long_as_the_path_is_the_logged_one(names: str, rows: list[int]) -> None:
    watched = Watched(*names)
    follow(watched, two_of_three())
    assert watched.rows == rows


def test_a_ranking_is_followed_as_the_agent_would() -> None:
    """The path is what `decide.ranking.rank` picks on the same signals, failure by failure."""
    logged, policy = world_logged(2, 40)
    model = train_node(logged.trials, next(choose_nodes(policy)), policy)
    path = follow(RankedOrder(model, logged), logged)
    for incident in range(len(logged)):
        failed: tuple[str, ...] = ()
        step = 0
        for place in path[incident]:
            if place < 0:
                break
            row = logged.trials.iloc[logged.rows[incident, step]]
            values = {
                name: None if np.isnan(row[f"signal:{name}"]) else row[f"signal:{name}"] for name in policy.signals
            }
            options = [Option(id=name, eligible=name not in failed) for name in logged.candidates]
            assert rank(model, options, values, failed)[1] == logged.candidates[place]
            same = logged.chosen[incident, step] == place and len(failed) == step
            if same and step + 1 < logged.rows.shape[1] and logged.rows[incident, step + 1] >= 0:
                step += 1
            failed = (*failed, logged.candidates[place])


def test_no_path_goes_on_after_a_known_success_or_to_what_was_not_eligible() -> None:
    stream = Stream("i1").confirm().choose("a", {"errors": 8.0}, eligible=("a", "c")).attempt("a", EFFECTIVE).close()
    logged = logged_of([stream], policy_of(remedy(*ABC)))
    assert follow(FixedOrder(ABC), logged).tolist() == [[0, -1, -1]]
    assert follow(FixedOrder(ABC, ("c", "b", "a")), logged).tolist() == [[2, 0, -1]]


def test_an_order_that_forgets_candidates_tries_them_last() -> None:
    assert follow(FixedOrder(ABC, ("c",)), two_of_three()).tolist() == [[2, 0, 1], [2, 0, 1]]


def test_an_incident_is_imputed_by_a_model_that_has_not_seen_it() -> None:
    """Changing what happened in one incident changes nothing in the causes it is judged by, only its own beliefs."""
    logged, _ = world_logged(4, 40)
    part = parts_of(len(logged))
    outcome = logged.outcome.copy()
    outcome[7] = 1.0 - outcome[7]
    turned = logged.samples.succeeded ^ (logged.samples.incident == 7)
    other = replace(logged, outcome=outcome, samples=replace(logged.samples, succeeded=turned))
    before, after = impute(logged, part), impute(other, part)
    assert np.array_equal(before.success[7], after.success[7])
    assert not np.array_equal(before.success[8], after.success[8])


def test_the_interval_is_the_same_for_the_same_seed_and_narrows_with_history() -> None:
    policy = policy_of(remedy("restart", "shift"))
    orders = {"written": ("restart", "shift"), "turned": ("shift", "restart")}

    def error(count: int, seed: int) -> float:
        logged = logged_of(told_by_errors(count), policy)
        named = {name: FixedOrder(logged.candidates, order) for name, order in orders.items()}
        return compare(named, logged, replicates=20, seed=seed).gain_s("turned", "written").error

    assert error(40, 0) == error(40, 0)
    assert error(40, 0) != error(40, 1)
    assert error(160, 0) < error(40, 0)


def test_the_interval_holds_what_is_not_known_of_the_causes(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = logged_of(told_by_errors(40), policy_of(remedy("restart", "shift")))
    orders = {"written": FixedOrder(logged.candidates), "turned": FixedOrder(logged.candidates, ("shift", "restart"))}
    refitted = compare(orders, logged, replicates=20).gain_s("turned", "written").error
    monkeypatch.setattr(resampling, "_STEPS_EACH", 0)
    assert refitted > compare(orders, logged, replicates=20).gain_s("turned", "written").error


def test_what_was_never_seen_to_work_is_held_to_work_rarely() -> None:
    logged = logged_of(told_by_errors(40), policy_of(remedy("restart", "shift", "new")))
    assert logged.eligible[:, 2].all()
    assert impute(logged, parts_of(len(logged))).success[:, :, 2].max() < 0.2


def test_candidates_of_the_world_are_all_there() -> None:
    logged, _ = world_logged(1, 30)
    assert set(logged.candidates) == set(CANDIDATES)
    assert logged.eligible.all()
