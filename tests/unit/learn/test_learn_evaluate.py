"""Any order against history: its estimates, its refusals, and errors that say what to do."""

import json
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace as changed
from tests.unit.learn.incident_streams import START, policy_of, records_of, remedy
from tests.unit.learn.test_learn_gate import told_by_errors

from homeostat.learn.dataset import decisions_frame
from homeostat.learn.evaluation.report import NodeEvaluation
from homeostat.learn.evaluation.report import evaluate as evaluate_with
from homeostat.learn.ranker import train_ranking, versioned
from homeostat.model.entries import RankingTrained
from homeostat.model.errors import UsageError
from homeostat.model.policy import Policy
from homeostat.record.codec import CODEC

POLICY = policy_of(remedy("restart", "shift"))

evaluate = partial(evaluate_with, replicates=20)


def decisions_of(count: int, policy: Policy = POLICY) -> pd.DataFrame:
    return decisions_frame(records_of(told_by_errors(count)), policy)


def randomised(count: int, share: float) -> pd.DataFrame:
    """Restart was logged with this propensity, and shift with the rest; which of them was taken is as before."""
    decisions = decisions_of(count)
    taken = np.where(decisions["chosen"] == "restart", share, 1.0 - share)
    both = pd.Series([(share, 1.0 - share)] * len(decisions), dtype="object")
    eligible = pd.Series([("restart", "shift")] * len(decisions), dtype="object")
    return decisions.assign(propensity=taken, propensities=both, eligible=eligible)


def of_weights(evaluation: NodeEvaluation) -> dict[tuple[str, str], float]:
    return {(one.name, one.of): one.value for one in evaluation.estimators}


def test_a_ranking_is_estimated_beside_the_written_order() -> None:
    decisions = decisions_of(80)
    (found,) = evaluate(decisions, POLICY, train_ranking(decisions, POLICY, START + 1e9))
    assert found.refused is None
    assert found.gain_s is not None
    assert found.mttr_s is not None
    assert found.written_mttr_s is not None
    assert found.gain_s.low() > 0.0
    assert found.gain_s.value == pytest.approx(found.written_mttr_s.value - found.mttr_s.value)
    assert found.caution is not None
    assert "trained on some of these incidents" in found.caution
    assert found.assumption == "that an outcome does not depend on its place in the order"


def test_a_ranking_is_judged_on_later_incidents_where_there_are_enough() -> None:
    decisions = decisions_of(80)
    early = train_ranking(decisions[: len(decisions) // 2], POLICY, START + 1e5 * 40)
    (found,) = evaluate(decisions, POLICY, early)
    assert (found.incidents, found.caution) == (40, None)


def test_the_written_order_gains_nothing_over_itself() -> None:
    (found,) = evaluate(decisions_of(40), POLICY, None)
    assert found.gain_s is not None
    assert (found.gain_s.value, found.gain_s.error) == (0.0, 0.0)
    (same,) = evaluate(decisions_of(40), POLICY, ("restart", "shift"))
    assert same.mttr_s == found.mttr_s


def test_without_randomisation_weights_are_refused_and_replay_is_not() -> None:
    (found,) = evaluate(decisions_of(40), POLICY, ("shift", "restart"))
    assert found.refused is None
    refused = {one.refused for one in found.estimators if one.name != "direct"}
    assert refused == {"the log is not randomised"}
    assert all(math.isnan(one.value) for one in found.estimators if one.name != "direct")


def test_under_randomisation_all_estimators_speak() -> None:
    (found,) = evaluate(randomised(240, 0.5), POLICY, ("shift", "restart"))
    values = of_weights(found)
    assert found.refused is None
    assert len(values) == 10
    assert values["ips", "first_success"] == pytest.approx(0.5, abs=0.02)
    assert values["doubly robust", "first_success"] == pytest.approx(0.5, abs=0.05)
    assert all(math.isfinite(value) for value in values.values())


def test_propensities_that_do_not_go_with_the_log_are_refused() -> None:
    """Shift was taken every other time and is said to have had one chance in ten."""
    (found,) = evaluate(randomised(120, 0.9), POLICY, ("shift", "restart"))
    assert found.refused is not None
    assert "the mean weight is 5.00 and should be 1" in found.refused


def test_thin_weights_are_refused_with_their_size() -> None:
    (found,) = evaluate(randomised(40, 0.5), POLICY, ("shift", "restart"))
    refused = {one.name: one.refused for one in found.estimators if one.refused}
    assert "ips" in refused
    assert refused["ips"] is not None
    assert refused["ips"].startswith("effective sample size 20 for first attempts (30 needed)")


def test_few_incidents_and_untried_candidates_are_refused() -> None:
    (few,) = evaluate(decisions_of(4), POLICY, None)
    assert few.refused == "4 incidents with a known outcome; 5 needed"
    assert few.mttr_s is None
    grown = policy_of(remedy("restart", "shift", "new"))
    (untried,) = evaluate(decisions_of(40, grown), grown, ("new", "restart", "shift"))
    assert untried.refused == "it would put 'new' first, which was never tried"


def test_a_damaged_ranking_is_refused() -> None:
    decisions = decisions_of(40)
    ranking = replace(train_ranking(decisions, POLICY, 0.0), incidents=7)
    (found,) = evaluate(decisions, POLICY, ranking)
    assert found.refused == "the ranking is not what its version says: the hash differs"


def test_a_ranking_of_an_old_journal_is_evaluated_though_its_version_is_over_another_form() -> None:
    def of(weight: float) -> dict[str, object]:
        times = {"cost_success_s": 35.0, "cost_failure_s": 95.0, "attempts": 40, "successes": 20}
        return {"intercept": 0.0, "weights": [weight], "missing": [0.0], "failed": {}, **times}

    features = [{"signal": "errors", "median": 5.0, "spread": 8.0}]
    nodes = {"remedy": {"features": features, "candidates": {"restart": of(-3.0), "shift": of(3.0)}}}
    old = {"version": "a" * 64, "policy": "p", "trained_at": 1.0, "incidents": 80, "attempts": 80, "nodes": nodes}
    body = {"at": 1.0, "ranking": old, "gate": "", "passed": True}
    entry = CODEC.decode("ranking.trained", 1, json.dumps(body).encode())
    assert isinstance(entry, RankingTrained)
    (found,) = evaluate(decisions_of(80), POLICY, entry.ranking)
    assert found.refused is None
    assert found.first_success is not None
    assert found.first_success.value > 0.9


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"members": ()}, "the ranking mixes another number of members"),
        ({"candidates": ()}, "the ranking has a member 'pooled' of another shape"),
        ({"features": ()}, "the ranking has a member 'pooled' of another shape"),
    ],
)
def test_a_ranking_that_contradicts_itself_is_refused(wrong: dict[str, tuple[()]], why: str) -> None:
    decisions = decisions_of(40)
    ranking = train_ranking(decisions, POLICY, 0.0)
    broken = versioned(replace(ranking, nodes={"remedy": changed(ranking.nodes["remedy"], **wrong)}))
    (found,) = evaluate(decisions, POLICY, broken)
    assert found.refused == why


def test_wrong_names_are_refused_with_the_nearest_right_ones() -> None:
    decisions = decisions_of(10)
    with pytest.raises(UsageError, match="'remedy' has no candidate 'restrat'; did you mean 'restart'"):
        evaluate(decisions, POLICY, ("restrat",))
    with pytest.raises(UsageError, match="names a candidate twice: shift, shift"):
        evaluate(decisions, POLICY, ("shift", "shift"))
    with pytest.raises(UsageError, match="has no 'choose' node 'remdy'; did you mean 'remedy'"):
        evaluate(decisions, POLICY, None, node="remdy")
    with pytest.raises(UsageError, match="has no 'choose' node, so there is no order"):
        evaluate(decisions, policy_of(), None)
