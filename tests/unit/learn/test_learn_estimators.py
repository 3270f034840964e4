"""Against the formulas written out by hand, and against a truth that is known exactly."""

import math

import numpy as np
import pytest

from homeostat.learn.evaluation import estimators as est
from homeostat.learn.evaluation.comparison import Estimate
from homeostat.learn.evaluation.contradiction import Check

WEIGHT = np.array([2.0, 0.0, 30.0, 1.0])
REWARD = np.array([1.0, 1.0, 0.0, 1.0])
PREDICTED = np.array([0.5, 0.4, 0.2, 0.9])
EXPECTED = np.array([0.6, 0.7, 0.3, 0.9])


def test_one_step_estimators_are_their_formulas() -> None:
    assert est.ips(WEIGHT, REWARD) == pytest.approx((2 + 0 + 0 + 1) / 4)
    assert est.snips(WEIGHT, REWARD) == pytest.approx(3 / 33)
    corrections = [2 * (1 - 0.5), 0.0, 30 * (0 - 0.2), 1 * (1 - 0.9)]
    assert est.doubly_robust(WEIGHT, REWARD, PREDICTED, EXPECTED) == pytest.approx((2.5 + sum(corrections)) / 4)
    switched = (2.5 + corrections[0] + corrections[3]) / 4
    assert est.switch_doubly_robust(WEIGHT, REWARD, PREDICTED, EXPECTED) == pytest.approx(switched)
    at_30 = est.switch_doubly_robust(WEIGHT, REWARD, PREDICTED, EXPECTED, 30.0)
    assert at_30 == pytest.approx(est.doubly_robust(WEIGHT, REWARD, PREDICTED, EXPECTED))


def test_trajectory_estimators_are_their_formulas() -> None:
    ratios = np.array([[2.0, 0.5], [1.0, 3.0], [0.0, 1.0]])
    rewards = np.array([[1.0, 4.0], [2.0, 1.0], [5.0, 5.0]])
    assert est.trajectory_is(ratios, rewards) == pytest.approx((1 * 5 + 3 * 3 + 0) / 3)
    assert est.trajectory_is_weighted(ratios, rewards) == pytest.approx(14 / 4)
    assert est.per_decision_is(ratios, rewards) == pytest.approx(((2 + 4) + (2 + 3) + 0) / 3)
    assert est.per_decision_is_weighted(ratios, rewards) == pytest.approx((2 + 2) / 3 + (4 + 3) / 4)


def test_doubly_robust_over_trajectories_is_its_recursion() -> None:
    ratios, rewards = np.array([[2.0, 0.5]]), np.array([[1.0, 4.0]])
    predicted, expected = np.array([[3.0, 2.0]]), np.array([[2.5, 1.5, 0.0]])
    last = 1.5 + 0.5 * (4.0 + 0.0 - 2.0)
    first = 2.5 + 2.0 * (1.0 + last - 3.0)
    assert est.doubly_robust_trajectories(ratios, rewards, predicted, expected) == pytest.approx([first])


def test_all_find_the_value_that_is_known() -> None:
    """Three arms, uniform logging of two contexts; the judged policy takes arm 2 in context 1, arm 0 in context 0."""
    random = np.random.default_rng(3)
    rates = np.array([[0.8, 0.2, 0.1], [0.1, 0.3, 0.6]])
    context, logged = random.integers(0, 2, 40_000), random.integers(0, 3, 40_000)
    reward = (random.random(40_000) < rates[context, logged]).astype(float)
    target = np.where(context == 1, 2, 0)
    weight = np.where(logged == target, 3.0, 0.0)
    wrong = np.full(rates.shape, 0.5)
    for estimate in (
        est.ips(weight, reward),
        est.snips(weight, reward),
        est.doubly_robust(weight, reward, wrong[context, logged], wrong[context, target]),
        est.doubly_robust(weight, reward, rates[context, logged], rates[context, target]),
        est.switch_doubly_robust(weight, reward, wrong[context, logged], wrong[context, target]),
    ):
        assert estimate == pytest.approx(0.7, abs=0.02)
    assert not est.mean_weight_is_off(weight, np.full(40_000, 1.0 / 3.0))


def test_effective_sample_size_counts_equal_weights_and_no_weights() -> None:
    assert est.effective_sample_size(np.full(50, 3.0)) == pytest.approx(50)
    assert est.effective_sample_size(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)
    assert est.effective_sample_size(np.zeros(4)) == 0.0
    assert math.isnan(est.snips(np.zeros(4), np.ones(4)))


def test_a_mean_weight_far_from_one_is_noticed() -> None:
    certain, even = np.ones(100), np.full(100, 0.5)
    assert est.mean_weight_is_off(np.full(100, 0.5), certain)
    assert not est.mean_weight_is_off(np.ones(100), certain)
    assert not est.mean_weight_is_off(np.array([0.0, 2.0] * 50), even)
    assert est.mean_weight_is_off(np.array([0.0, 1.0] * 50), even)
    assert est.mean_weight_is_off(np.full(100, 2.0), even)
    assert est.mean_weight_is_off(np.ones(1), certain[:1])


def test_a_rare_choice_that_did_not_come_up_is_chance() -> None:
    """Of 200 choices with one chance in eighty none comes up in one log of twelve; of 2,000 hardly ever none."""
    weight, propensity = np.repeat([1.0, 0.0], [300, 200]), np.repeat([1.0, 1.0 / 80.0], [300, 200])
    assert not est.mean_weight_is_off(weight, propensity)
    assert est.mean_weight_is_off(np.repeat(weight, 10), np.repeat(propensity, 10))


def test_one_tiny_propensity_does_not_hide_that_all_others_are_wrong() -> None:
    weight, propensity = np.full(1_000, 2.0), np.full(1_000, 0.5)
    weight[0], propensity[0] = 0.0, 1e-9
    assert est.mean_weight_is_off(weight, propensity)
    weight[1::2] = 0.0
    assert not est.mean_weight_is_off(weight, propensity)
    weight[:] = 0.0
    assert est.mean_weight_is_off(weight, propensity)
    propensity[1:] = 0.99
    weight[100:] = 1.0 / 0.99
    assert est.mean_weight_is_off(weight, propensity)


def test_a_certain_choice_that_rounds_above_one_is_certain() -> None:
    above = np.full(100, np.nextafter(1.0, 2.0))
    assert not est.mean_weight_is_off(1.0 / above, above)
    assert est.mean_weight_is_off(np.full(100, 0.5), above)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_weight_that_is_no_number_is_off() -> None:
    even = np.full(100, 0.5)
    for wrong in (np.inf, np.nan):
        assert est.mean_weight_is_off(np.where(np.arange(100) == 0, wrong, np.array([0.0, 2.0] * 50)), even)


@pytest.mark.parametrize(
    ("can_refute", "gain_s", "refutes"), [(True, -50.0, True), (True, 0.0, False), (False, -50.0, False)]
)
def test_a_check_refutes_only_where_it_is_sure_and_to_be_believed(
    can_refute: bool, gain_s: float, refutes: bool
) -> None:
    checked = Check("fitted simulator", "few incidents", Estimate(gain_s, 10.0), can_refute=can_refute)
    assert checked.refutes is refutes
