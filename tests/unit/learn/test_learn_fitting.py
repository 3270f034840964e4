"""`fit_node`: the mixture, forgetting, drift, uncertainty, and what is kept from call to call."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from homeostat.decide import scoring as live
from homeostat.learn.costs import Cost
from homeostat.learn.drift import THRESHOLD, Cusum
from homeostat.learn.fitting import Declared, fit_node
from homeostat.learn.foretelling import FIRST_INCIDENTS, Memory, foretell, row_weights
from homeostat.learn.members.checks import draw_samples
from homeostat.learn.members.hierarchical import Hierarchical
from homeostat.learn.members.latent import LatentCauses
from homeostat.learn.members.pooled import PooledLogistic
from homeostat.learn.samples import Samples
from homeostat.learn.scoring import success_probabilities
from homeostat.learn.stacking import equal_shares, fit_stack, mixed_logits
from homeostat.learn.uncertainty import uncertainty_of
from homeostat.model.ranking import Feature, LinearModel, MemberModel, NodeRanking

QUICK = (PooledLogistic(), Hierarchical())
FEATURES = (Feature("a"), Feature("b"), Feature("c"))
DECLARED = tuple(Declared(str(place), Cost(60.0, 120.0), 3600.0) for place in range(4))


def changed(samples: Samples, candidate: int, since: int) -> Samples:
    """From the row `since` on, a candidate always fails."""
    stopped = (samples.candidate == candidate) & (np.arange(len(samples)) >= since)
    return replace(samples, succeeded=samples.succeeded & ~stopped)


def node_of(samples: Samples, memory: Memory | None = None, previous: NodeRanking | None = None) -> NodeRanking:
    return fit_node(samples, FEATURES, DECLARED, members=QUICK, memory=memory, previous=previous)


def test_little_is_told_by_the_pooled_member_and_without_context_by_counts() -> None:
    few = draw_samples(FIRST_INCIDENTS - 1, seed=0)
    assert [model.name for model in node_of(few).members] == ["pooled"]
    bare = replace(few, columns=np.zeros((len(few), 0)))
    assert [model.name for model in fit_node(bare, (), DECLARED, members=QUICK).members] == ["hierarchical"]
    enough = node_of(draw_samples(FIRST_INCIDENTS, seed=0))
    assert [model.name for model in enough.members] == ["pooled", "hierarchical"]


def test_nothing_is_foretold_by_a_model_that_has_seen_it() -> None:
    """Other outcomes from some row on leave everything foretold up to there as it was."""
    samples = draw_samples(120, seed=1)
    half = len(samples) // 2
    later = np.arange(len(samples)) >= half
    other = replace(samples, succeeded=samples.succeeded ^ later)
    one, two = (foretell(each, QUICK, Memory()).logits for each in (samples, other))
    assert np.array_equal(one[:half], two[:half], equal_nan=True)
    assert not np.array_equal(one, two, equal_nan=True)


def test_a_memory_makes_it_faster_and_nothing_else() -> None:
    samples = changed(draw_samples(150, seed=2), candidate=0, since=120)
    memory, node = Memory(), None
    for rows in np.flatnonzero(np.diff(samples.incident)) + 1:
        node = node_of(samples.take(slice(0, int(rows))), memory, node)
        assert memory.foretold is not None
    known = samples.take(slice(0, int(rows)))
    at_once = node_of(known)
    assert node is not None
    one, two = (success_probabilities(each, known.columns, known.failed) for each in (node, at_once))
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-4)


def test_a_memory_of_another_history_is_not_used() -> None:
    samples = draw_samples(60, seed=3)
    memory = Memory()
    foretell(draw_samples(60, seed=4), QUICK, memory)
    found = foretell(samples, QUICK, memory)
    np.testing.assert_array_equal(found.logits, foretell(samples, QUICK, Memory()).logits)


def test_an_action_that_stops_working_is_noticed_and_its_past_counts_little() -> None:
    samples = changed(draw_samples(500, seed=5), candidate=3, since=500)
    found = foretell(samples, QUICK, Memory())
    assert {change.candidate for change in found.changes} == {3}
    change = found.changes[0]
    assert change.since >= 475
    assert change.since <= change.noticed
    assert change.worse
    weights = row_weights(samples, found.changes)
    own = samples.candidate == 3
    before = np.arange(len(samples)) < change.since
    assert weights[own & before].max() < 0.06
    assert weights[~own].min() > 0.5
    node = node_of(samples)
    assert success_probabilities(node, samples.columns[-50:], samples.failed[-50:] & False)[:, 3].mean() < 0.15


def test_after_a_change_the_next_fits_are_due_soon_and_then_by_growth_again() -> None:
    samples = changed(draw_samples(500, seed=5), candidate=3, since=500)
    fits: list[int] = []

    class Noted(PooledLogistic):
        def fit(self, samples: Samples, previous: MemberModel | None = None) -> LinearModel:
            fits.append(len(np.unique(samples.incident)))
            return super().fit(samples, previous)

    found = foretell(samples, (Noted(),), Memory())
    noticed = int(samples.incident[found.changes[0].noticed]) - int(samples.incident[0])
    (at,) = (place for place, incidents in enumerate(fits) if incidents - 1 == noticed)
    assert [later - fits[at] for later in fits[at + 1 : at + 5]] == [5, 10, 15, 23]
    usual = [later - before for before, later in pairwise(fits[:at])][-3:-1]
    assert min(usual) > 10


def test_nothing_is_noticed_where_nothing_changes() -> None:
    for seed in (6, 7, 8):
        assert foretell(draw_samples(400, seed=seed), QUICK, Memory()).changes == ()


def test_the_cusum_sums_up_and_tells_where_it_began() -> None:
    samples = draw_samples(40, seed=9)
    samples = replace(samples, candidate=np.zeros(len(samples), dtype=np.intp), succeeded=np.arange(len(samples)) < 20)
    change = Cusum().first_change(samples, 0, len(samples), np.full(len(samples), 1.0))
    assert change is not None
    assert (change.candidate, change.since) == (0, 20)
    per_failure = np.log1p(np.exp(1.0)) - np.log1p(np.exp(-1.5))
    assert change.noticed == 20 + int(THRESHOLD / per_failure)


def test_the_mixture_prefers_the_member_that_foretells() -> None:
    random = np.random.default_rng(10)
    truth = random.normal(0.0, 2.0, 800)
    succeeded = random.random(800) < 1.0 / (1.0 + np.exp(-truth))
    stack = fit_stack(np.column_stack([truth, random.normal(0.0, 2.0, 800)]), succeeded, np.ones(800))
    assert stack.weights[0] == pytest.approx(1.0, abs=0.2)
    assert stack.weights[1] == pytest.approx(0.0, abs=0.1)
    too_sure = fit_stack(np.column_stack([3.0 * truth, 3.0 * truth]), succeeded, np.ones(800))
    assert sum(too_sure.weights) == pytest.approx(1 / 3, abs=0.1)
    assert fit_stack(np.zeros((0, 2)), succeeded[:0], np.ones(0)) == equal_shares(2)


def test_no_member_is_weighted_below_0() -> None:
    random = np.random.default_rng(11)
    truth = random.normal(0.0, 2.0, 800)
    succeeded = random.random(800) < 1.0 / (1.0 + np.exp(-truth))
    assert fit_stack(np.column_stack([truth, -truth]), succeeded, np.ones(800)).weights[1] == 0.0


def test_intervals_get_narrower_with_evidence_and_never_vanish() -> None:
    def width(incidents: int) -> float:
        samples = draw_samples(incidents, seed=12)
        uncertainty = uncertainty_of(PooledLogistic().fit_posterior(samples), samples)
        return float(np.mean(live.logit_sds(uncertainty, samples.columns[0].tolist())))

    few, some, many = width(30), width(150), width(600)
    assert few > some > many > 0.3


def test_what_is_kept_of_the_covariance_is_nearly_all_of_it() -> None:
    samples = draw_samples(200, seed=13)
    posterior = PooledLogistic().fit_posterior(samples)
    uncertainty = uncertainty_of(posterior, samples)
    point = np.concatenate([[1.0], samples.columns[5]])
    exact = [point @ covariance[: len(point), : len(point)] @ point for covariance in posterior.covariance]
    floors = uncertainty_of(replace(posterior, covariance=0.0 * posterior.covariance), samples).floors[0]
    ours = np.square(live.logit_sds(uncertainty, samples.columns[5].tolist())) - floors**2
    ratio = ours / np.array(exact)
    assert ratio.max() / ratio.min() == pytest.approx(1.0, abs=0.05)


def test_mixed_logits_are_what_the_live_scorer_says() -> None:
    samples = draw_samples(60, seed=14)
    node = fit_node(samples, FEATURES, DECLARED, members=(PooledLogistic(), LatentCauses(iterations_max=10)))
    (probabilities,) = success_probabilities(node, samples.columns[:1], samples.failed[:1])
    alone = live.success_probabilities(node, samples.columns[0].tolist(), np.flatnonzero(samples.failed[0]).tolist())
    np.testing.assert_allclose(alone, probabilities, rtol=0, atol=1e-12)
    assert mixed_logits(node.stack, np.zeros((1, 2)))[0] == node.stack.intercept


def test_harm_is_a_shrunk_share() -> None:
    samples = draw_samples(60, seed=15)
    harmful = (samples.candidate == 1) & (np.arange(len(samples)) % 2 == 0)
    node = node_of(replace(samples, harmful=harmful))
    assert node.candidates[1].harm > 0.2
    assert 0.0 < node.candidates[0].harm < 0.01
