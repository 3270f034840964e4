"""Each objection of the gate by itself, where everything else speaks for the ranking."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.learn.incident_streams import policy_of, records_of, remedy
from tests.unit.learn.test_learn_gate import told_by_errors

from homeostat.learn.dataset import decisions_frame
from homeostat.learn.evaluation.comparison import Comparison, Estimate
from homeostat.learn.evaluation.contradiction import Check
from homeostat.learn.evaluation.logged import Logged, logged_incidents
from homeostat.learn.evaluation.replay import Replayed
from homeostat.learn.gate import Bounds, _figures, _objection, judge
from homeostat.learn.ranker import choose_nodes, labelled_trials, train_ranking

POLICY = policy_of(remedy("restart", "shift"))
AGREES = Check("fitted simulator", "the log is not randomised", Estimate(100.0, 10.0))
NOTHING = Estimate(0.0, 0.0)


def logged() -> Logged:
    node = next(choose_nodes(POLICY))
    trials = labelled_trials(decisions_frame(records_of(told_by_errors(8)), POLICY), node)
    return logged_incidents(trials, node, POLICY)


def compared(
    seconds: Mapping[str, float], error_s: float = 10.0, worst_s: float = 0.0, worst_harms: float = 0.0
) -> Comparison:
    """Orders that take so many seconds where the ruling one takes 500, give or take the error.

    At worst they take so much longer, and do so much more harm.
    """
    taken_s = {"held out": 400.0, "trained": 400.0, "ruling": 500.0} | dict(seconds)
    one, path = np.ones(8), np.zeros((8, 2), dtype=np.intp)
    spread = np.zeros((2, 3, 3))
    spread[:, :2, 0] = [[error_s], [-error_s]]
    replayed = {name: Replayed(one * each, one, one * 0.0) for name, each in taken_s.items()}
    worst = {
        name: (Replayed(one * (each + worst_s), one, one * worst_harms), replayed["ruling"])
        for name, each in taken_s.items()
    }
    return Comparison(8, dict.fromkeys(taken_s, path), replayed, spread, worst)


def objection(
    seconds: Mapping[str, float], checked: Check = AGREES, excess: Estimate = NOTHING, elder: Check | None = None
) -> str | None:
    found = compared(seconds)
    said = _objection(found, _figures(found, checked, excess), checked, logged(), elder)
    return None if said is None else said.sentence


def test_nothing_is_objected_to_what_is_surely_better() -> None:
    assert objection({}) is None


@pytest.mark.parametrize("held_out_s", [500.0, 484.0])
def test_a_gain_whose_lower_bound_is_not_above_zero_is_not_enough(held_out_s: float) -> None:
    """The bound is 1.645 standard errors of 10 s below the gain."""
    assert objection({"held out": held_out_s}) == "is not surely better"


def test_a_gain_is_judged_less_what_is_too_good_about_it_and_no_more_for_what_is_too_bad() -> None:
    assert objection({}, excess=Estimate(90.0, 0.0)) == "is not surely better"
    assert objection({}, excess=Estimate(0.0, 80.0)) == "is not surely better"
    figures = _figures(compared({}), AGREES, Estimate(30.0, 0.0))
    assert (figures.gain_s, figures.mttr_s, figures.ruling_mttr_s) == (70.0, 430.0, 500.0)
    assert _figures(compared({}), AGREES, Estimate(-30.0, 0.0)).gain_s == 100.0


def test_a_gain_must_be_left_at_worst_and_the_reason_is_the_thin_support() -> None:
    thin = "would put 'restart' first where it was never tried"
    for worst_s, worst_harms in ((90.0, 0.0), (0.0, 0.1)):
        found = compared({}, worst_s=worst_s, worst_harms=worst_harms)
        harmed = replace(logged(), harmful=np.ones((8, 2)))
        said = _objection(found, _figures(found, AGREES, NOTHING), AGREES, harmed, None)
        assert said is not None
        assert said.sentence.startswith(thin)
        assert not said.passed
    found = compared({}, worst_s=80.0)
    assert _objection(found, _figures(found, AGREES, NOTHING), AGREES, logged(), None) is None


@pytest.mark.parametrize(("more", "error", "told"), [
    (0.0012, 0.0, True), (0.0008, 0.0, False), (0.0012, 0.0015, False), (0.0012, 0.0011, True),
])  # fmt: skip
def test_more_harm_is_a_veto_where_it_is_sure_and_could_be_seen(more: float, error: float, told: bool) -> None:
    found = compared({})
    one = np.ones(8)
    replayed = {**found.replayed, "held out": replace(found.replayed["held out"], harms=more * one)}
    spread = found.deviations.copy()
    spread[:, 0, 2] = [error, -error]
    found = replace(
        found,
        replayed=replayed,
        worst={**found.worst, "held out": (replayed["held out"], found.worst["held out"][1])},
        deviations=spread,
    )
    harmed = replace(logged(), harmful=np.ones((8, 2)))
    said = _objection(found, _figures(found, AGREES, NOTHING), AGREES, harmed, None)
    assert (said is not None and said.would_harm) is told
    assert said is None or said.sentence == "would do more harm"


def test_where_a_gain_is_not_sure_what_is_not_known_first_is_named() -> None:
    found, log = compared({"held out": 500.0}), logged()
    never = replace(log, outcome=np.where(np.arange(2) == 0, np.nan, log.outcome))
    for deferred, known in (((), log), (("restart",), never)):
        said = _objection(found, _figures(found, AGREES, NOTHING), AGREES, known, None)
        assert said is not None
        assert (said.sentence, said.would_harm, said.unknown_firsts) == ("is not surely better", False, deferred)


def test_a_gain_that_only_refits_have_does_not_count() -> None:
    said = objection({"trained": 495.0})
    assert said == "is only better when it is refitted, so its numbers are not to be trusted"


def test_a_check_that_says_the_opposite_and_a_log_that_is_off_are_objections() -> None:
    against = Check("doubly robust", "the log is randomised", Estimate(-100.0, 10.0))
    assert objection({}, against) == "is contradicted by the check"
    off = Check("fitted simulator", "weights are thin", Estimate(100.0, 10.0), off="does not go with its log")
    assert objection({}, off) == "does not go with its log"


def test_what_rules_and_has_learnt_from_more_is_heard_where_it_is_sure() -> None:
    why = "it has learnt from 1000 incidents"
    sure, unsure = Check("the ruling ranking", why, Estimate(-100.0, 10.0)), Check("", why, Estimate(-100.0, 90.0))
    assert objection({}, elder=sure) == "is contradicted by what rules, which has learnt from more"
    assert objection({}, elder=unsure) is None


def test_one_incident_can_never_be_held_out() -> None:
    decisions = decisions_frame(records_of(told_by_errors(1)), POLICY)
    bounds = Bounds(attempts_min=1, incidents_min=1, replicates=2)
    verdict = judge(train_ranking(decisions, POLICY, 0.0), decisions, POLICY, bounds=bounds)
    assert verdict.text == "Refused: 'remedy' has 1 labelled attempts in 1 incidents, and needs 1 in 2."
