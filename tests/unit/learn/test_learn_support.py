"""What a log can be asked: which weights count, which first choices are known, and when the other opinion refuses."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.unit.learn.incident_streams import EFFECTIVE, INEFFECTIVE, START, Stream, do, policy_of, records_of, remedy
from tests.unit.learn.test_learn_evaluate import randomised

from homeostat.learn.dataset import decisions_frame
from homeostat.learn.evaluation import contradiction
from homeostat.learn.evaluation.comparison import Comparison
from homeostat.learn.evaluation.contradiction import Check, check
from homeostat.learn.evaluation.imputation import costs_of, impute, parts_of
from homeostat.learn.evaluation.logged import Logged, logged_incidents
from homeostat.learn.evaluation.orders import FixedOrder
from homeostat.learn.evaluation.replay import Replayed, follow, value
from homeostat.learn.evaluation.simulator import importance_ratios
from homeostat.learn.evaluation.support import (
    FIRST_ESS_MIN,
    MTTR_ESS_MIN,
    Weights,
    unknown_firsts,
    unsupported,
    weights_of,
)
from homeostat.learn.evaluation.worst_case import at_worst
from homeostat.learn.ranker import choose_nodes, labelled_trials
from homeostat.model.policy import Choose, Escalate, Policy
from homeostat.model.reasons import AttemptVerdict

POLICY = policy_of(remedy("restart", "shift"))
TURNED = ("shift", "restart")


def logged_of(decisions: pd.DataFrame, policy: Policy = POLICY) -> Logged:
    node = next(choose_nodes(policy))
    return logged_incidents(labelled_trials(decisions, node), node, policy)


def weights(logged: Logged) -> Weights:
    order = FixedOrder(logged.candidates, TURNED)
    return weights_of(order, follow(order, logged), logged)


def opinion(logged: Logged) -> Check:
    order = FixedOrder(logged.candidates, TURNED)
    ruling = FixedOrder(logged.candidates)
    return check(order, ruling, follow(order, logged), logged, parts_of(len(logged)))


@pytest.mark.parametrize(
    ("change", "usable"),
    [
        ({}, True),
        ({"randomised": False}, False),
        ({"first_ess": FIRST_ESS_MIN - 1.0}, False),
        ({"mttr_ess": MTTR_ESS_MIN - 1.0}, False),
        ({"mean_off": True}, False),
    ],
)
def test_weights_count_only_where_nothing_speaks_against_them(change: dict[str, float], usable: bool) -> None:
    good = Weights(randomised=True, first_ess=FIRST_ESS_MIN, mttr_ess=MTTR_ESS_MIN, mean=1.0, mean_off=False)
    assert replace(good, **change).usable is usable  # type: ignore[arg-type]  # of several types


@pytest.mark.parametrize("propensity", [0.0, np.nan])
def test_a_choice_that_was_impossible_or_unknown_makes_no_weights(propensity: float) -> None:
    logged = logged_of(randomised(40, 0.5))
    assert weights(logged).randomised
    broken = logged.propensity.copy()
    broken[3, 0] = propensity
    found = weights(replace(logged, propensity=broken))
    assert (found.randomised, found.first_ess, found.mttr_ess) == (False, 0.0, 0.0)


def told_by_a_text(zones: Sequence[str | None]) -> Logged:
    """Shift was tried, and possible, in zone a alone."""
    streams = []
    for n, zone in enumerate(zones):
        chosen = "shift" if zone == "a" else "restart"
        stream = Stream(f"i{n:03d}", START + 1e5 * n).confirm().choose(chosen, {"errors": 1.0, "zone": zone})
        streams.append(stream.attempt(chosen, EFFECTIVE).close())
    policy = policy_of(remedy("restart", "shift"), texts=["zone"])
    return logged_of(decisions_frame(records_of(streams), policy), policy)


@pytest.mark.parametrize("zone", ["b", None])
def test_a_text_that_is_unknown_is_a_pattern_like_any_other(zone: str | None) -> None:
    logged = told_by_a_text(["a", zone] * 20)
    first_shift = np.full(logged.eligible.shape, -1, dtype=np.intp)
    first_shift[:, 0] = 1
    said = unsupported(first_shift, logged)
    assert said is not None
    assert "would put 'shift' first where it was never tried: 20 of 40 incidents" in said


def test_an_unknown_first_choice_is_held_to_fail_and_to_do_the_harm_the_log_allows() -> None:
    """Shift did no harm in twenty trials, so its share of harm may be 0.05 ** (1 / 21), by which nothing is seen."""
    logged = told_by_a_text(["a", "b"] * 20)
    path = np.tile([1, 0], (40, 1))
    imputed, costs = impute(logged, parts_of(len(logged))), costs_of(logged)
    usual, (worst, same) = value(path, logged, imputed, costs), at_worst(path, path, logged, imputed, costs)
    assert worst.seconds.tolist() == same.seconds.tolist(), "it fails for whatever order tries it"
    known = unknown_firsts(path, logged) == np.array([False, True] * 20)
    assert known.all()
    assert worst.seconds[::2] == pytest.approx(usual.seconds[::2])
    assert worst.harms[::2] == pytest.approx(usual.harms[::2])
    assert worst.first_success.tolist() == [1.0, 0.0] * 20
    assert (usual.first_success > 0.1).all()
    assert (worst.seconds[1::2] > usual.seconds[1::2]).all()
    assert worst.harms[1] - usual.harms[1] == pytest.approx(1.0 - 0.05 ** (1 / 21) - costs.harm[1], rel=0.2)


def test_calling_people_first_needs_no_support() -> None:
    policy = policy_of(Choose("remedy", (do("restart"), Escalate("people", "oncall"))), texts=["zone"])
    streams = [
        Stream(f"i{n}", START + 1e5 * n).confirm().choose("restart", {"errors": 8.0, "zone": "a"}).attempt("restart")
        for n in range(10)
    ]
    logged = logged_of(decisions_frame(records_of([stream.close() for stream in streams]), policy), policy)
    assert logged.certain.tolist() == [False, True]
    assert unsupported(np.array([[1, -1]] * 10), logged) is None


def test_propensities_that_do_not_go_with_the_log_are_an_objection() -> None:
    assert opinion(logged_of(randomised(240, 0.5))).name == "doubly robust"
    found = opinion(logged_of(randomised(240, 0.9)))
    assert found.name == "fitted simulator"
    assert found.off == "does not go with its log: the mean weight is 5.00 and should be 1"


def test_what_an_end_that_nobody_could_judge_took_out_is_not_what_an_order_would_have_chosen() -> None:
    stream = Stream("i", START).confirm()
    stream.choose("a", eligible=("a", "b", "c")).attempt("a", INEFFECTIVE)
    stream.choose("b", eligible=("b", "c")).attempt("b", AttemptVerdict.INCONCLUSIVE)
    stream.failed["remedy"] = ("a",)
    stream.choose("c", eligible=("c",)).attempt("c", EFFECTIVE).close()
    policy = policy_of(remedy("a", "b", "c"))
    logged = logged_of(decisions_frame(records_of([stream]), policy), policy)
    order = FixedOrder(logged.candidates)
    assert importance_ratios(logged, order).tolist() == [[1.0, 1.0]]
    assert importance_ratios(logged, FixedOrder(logged.candidates, ("c", "b", "a"))).tolist() == [[0.0, 1.0]]
    logged.trials["eligible"] = [(), ()]
    assert importance_ratios(logged, order).tolist() == [[1.0, 1.0]]


def test_the_fitted_simulator_refutes_nothing_on_few_incidents(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = logged_of(randomised(40, 0.5))
    assert not opinion(logged).can_refute
    monkeypatch.setattr(contradiction, "SIMULATOR_INCIDENTS_MIN", 40)
    assert opinion(logged).can_refute


def test_errors_are_of_the_deviations_from_the_fit_to_all_and_differences_are_paired() -> None:
    """What both orders share cancels; a deviation that all resamples share does not."""
    path = np.zeros((1, 1), dtype=np.intp)
    deviations = np.array([[[3.0, 0.0, 0.5], [1.0, 0.0, 0.2]], [[3.0, 0.0, 0.5], [1.0, 0.0, 0.2]]])
    one = Replayed(np.ones(1), np.ones(1), np.ones(1))
    compared = Comparison(1, {"a": path, "b": path}, {"a": one, "b": one}, deviations)
    assert compared.seconds("a").error == pytest.approx(3.0)
    assert compared.gain_s("a", "b").error == pytest.approx(2.0)
    assert compared.more_harms("a", "b").error == pytest.approx(0.3)
