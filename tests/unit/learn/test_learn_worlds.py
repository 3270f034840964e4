"""Does learning pay? Simulated mean time to recovery on incidents that were not trained on."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from tests.unit.learn.incident_streams import records_of
from tests.unit.learn.worlds import BROAD, World, fixed, journalled, learned, likeliest, mttr_s, world_policy

from homeostat.learn.dataset import decisions_frame
from homeostat.learn.gate import Bounds, judge
from homeostat.learn.ranker import train_ranking
from homeostat.model.ranking import Candidate, NodeRanking

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Measured:
    written_s: float
    context_free_s: float
    costs_ignored_s: float
    learned_s: float
    promoted: bool


def index(model: Candidate, overall: float) -> float:
    p = (model.successes + 2 * overall) / (model.attempts + 2)
    return p / (p * model.cost_success_s + (1 - p) * model.cost_failure_s)


def context_free_order(node: NodeRanking) -> tuple[str, ...]:
    attempts = sum(model.attempts for model in node.candidates)
    overall = sum(model.successes for model in node.candidates) / attempts
    return tuple(one.id for one in sorted(node.candidates, key=lambda one: -index(one, overall)))


@cache
def measured(seed: int) -> Measured:
    world = World(seed)
    policy = world_policy(world.bad_order)
    streams = journalled(world.draws(300), fixed(world.bad_order))
    decisions = decisions_frame(records_of(streams), policy)
    ranking = train_ranking(decisions, policy, trained_at=0.0)
    node = ranking.nodes["remedy"]
    future = world.draws(1000)
    return Measured(
        mttr_s(future, fixed(world.bad_order)),
        mttr_s(future, fixed(context_free_order(node))),
        mttr_s(future, likeliest(node, world.bad_order)),
        mttr_s(future, learned(node, world.bad_order)),
        judge(ranking, decisions, policy, bounds=Bounds(replicates=20)).passed,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_the_learned_order_recovers_faster_and_the_gate_lets_it(seed: int) -> None:
    result = measured(seed)
    assert result.promoted
    assert result.learned_s < 0.85 * result.written_s
    assert result.learned_s < 0.95 * result.context_free_s


def test_over_all_seeds_the_gain_is_large() -> None:
    results = [measured(seed) for seed in SEEDS]
    assert np.mean([r.learned_s / r.written_s for r in results]) < 0.75
    assert np.mean([r.learned_s / r.context_free_s for r in results]) < 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_ignoring_costs_picks_the_slow_cure_and_recovers_much_later(seed: int) -> None:
    result = measured(seed)
    assert result.costs_ignored_s > 2.0 * result.learned_s


def test_the_likeliest_candidate_is_not_the_one_to_try_first() -> None:
    world = World(0)
    policy = world_policy(world.bad_order)
    streams = journalled(world.draws(300), fixed(world.bad_order))
    node = train_ranking(decisions_frame(records_of(streams), policy), policy, 0.0).nodes["remedy"]
    contexts = [draw.context for draw in world.draws(200)]
    likely = sum(likeliest(node, world.bad_order)(context, ()) == BROAD for context in contexts)
    first = sum(learned(node, world.bad_order)(context, ()) == BROAD for context in contexts)
    assert likely > 50
    assert first < 5
