import numpy as np
import pytest
from numpy.random import default_rng

from homeostat.learn.columns import RELIABILITY_DTYPES
from homeostat.learn.reliability import expected_calibration_error, reliability_table


def test_right_forecasts_lie_near_the_diagonal_and_wrong_ones_do_not() -> None:
    random = default_rng(5)
    foretold = random.random(4000)
    succeeded = random.random(4000) < foretold
    right, wrong = reliability_table(foretold, succeeded), reliability_table(foretold, ~succeeded)
    assert right["trials"].tolist() == [400] * 10
    assert (right["predicted_low"] <= right["predicted"]).all()
    assert ((right["observed_low"] <= right["predicted"]) & (right["predicted"] <= right["observed_high"])).sum() >= 7
    assert expected_calibration_error(right) < 0.04 < 0.4 < expected_calibration_error(wrong)


def test_equal_forecasts_stay_together() -> None:
    table = reliability_table(np.array([0.2, 0.2, 0.2, 0.9]), np.array([True, False, False, True]), groups=2)
    assert table["trials"].tolist() == [3, 1]
    assert table["observed"].tolist() == pytest.approx([1 / 3, 1.0])
    assert expected_calibration_error(table) == pytest.approx((3 * (1 / 3 - 0.2) + 0.1) / 4)


def test_the_interval_of_a_share_is_wilsons() -> None:
    row = reliability_table(np.full(40, 0.5), np.arange(40) < 10).iloc[0]
    assert (row["observed_low"], row["observed_high"]) == pytest.approx((0.1559, 0.3758), abs=2e-4)


def test_no_forecasts_give_an_empty_table_of_the_same_shape() -> None:
    empty = reliability_table(np.zeros(0), np.zeros(0, dtype=bool))
    assert empty.dtypes.to_dict() == {name: np.dtype(dtype) for name, dtype in RELIABILITY_DTYPES.items()}
    assert np.isnan(expected_calibration_error(empty))
