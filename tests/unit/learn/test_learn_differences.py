"""What another order would change: told from the situations that were logged, whatever ruled then."""

import pandas as pd
import pytest
from tests.unit.learn.incident_streams import INEFFECTIVE, START, Stream, policy_of, records_of, remedy
from tests.unit.learn.test_learn_gate import told_by_errors

from homeostat.learn.dataset import decisions_frame
from homeostat.learn.differences import difference
from homeostat.learn.ranker import choose_nodes, labelled_trials, train_ranking
from homeostat.learn.why import Situation, reasons
from homeostat.model.ranking import NodeRanking
from homeostat.model.reasons import AttemptVerdict

POLICY = policy_of(remedy("shift", "restart"))


def logged() -> tuple[NodeRanking, pd.DataFrame]:
    decisions = decisions_frame(records_of(told_by_errors(40, eligible=("restart", "shift"))), POLICY)
    return train_ranking(decisions, POLICY, 0.0).nodes["remedy"], labelled_trials(decisions, next(choose_nodes(POLICY)))


def test_the_written_order_is_the_one_in_the_file_and_not_the_one_that_was_ranked_then() -> None:
    """Restart was ranked first in every log entry; the file has shift first."""
    model, trials = logged()
    found = difference(None, model, trials, ("shift", "restart"))
    assert (found.decisions, found.firsts_before) == (40, {"shift": 40})
    assert found.moves == {("shift", "restart"): 20}
    assert found.changed == 20
    assert found.firsts_after == {"shift": 20, "restart": 20}
    back = difference(model, None, trials, ("shift", "restart"))
    assert back.moves == {("restart", "shift"): 20}
    assert back.chances["shift"][1] is None


def test_candidates_of_today_are_compared_and_no_others() -> None:
    model, trials = logged()
    found = difference(None, model, trials, ("restart", "new"))
    assert (found.firsts_before, found.firsts_after) == ({"restart": 40}, {"restart": 40})


def test_each_incident_is_counted_once_by_its_first_decision_and_unknown_chances_are_left_out() -> None:
    stream = Stream("late", START + 1e9).confirm().choose("restart", {"errors": 1.0}, eligible=("restart", "shift"))
    stream.attempt("restart", INEFFECTIVE).choose("shift", {"errors": 9.0}, eligible=("shift",)).attempt("shift")
    alone = (
        Stream("alone", START + 2e9).confirm().choose("shift", {"errors": 9.0}, eligible=("shift",)).attempt("shift")
    )
    model, _ = logged()
    decisions = decisions_frame(records_of([stream.close(), alone.close()]), POLICY)
    found = difference(None, model, labelled_trials(decisions, next(choose_nodes(POLICY))), ("shift", "restart"))
    assert (found.decisions, found.moves, found.changed) == (2, {("shift", "restart"): 1}, 1)
    assert (found.firsts_before, found.firsts_after) == ({"shift": 2}, {"restart": 1, "shift": 1})
    assert found.chances["restart"][1] is not None
    assert found.chances["restart"][1] > 0.8, "of the one decision in which it could be taken"


def test_an_incident_whose_first_decision_has_no_label_is_not_counted_by_a_later_one() -> None:
    stream = Stream("unclear", START).confirm().choose("restart", {"errors": 1.0}, eligible=("restart", "shift"))
    stream.attempt("restart", AttemptVerdict.INCONCLUSIVE).choose("shift", {"errors": 9.0}, eligible=("shift",))
    decisions = decisions_frame(records_of([stream.attempt("shift").close()]), POLICY)
    trials = labelled_trials(decisions, next(choose_nodes(POLICY)))
    assert len(trials) == 1
    assert difference(None, None, trials, ("shift", "restart")).decisions == 0


def test_a_chance_is_a_mean_over_the_decisions_in_which_it_is_known() -> None:
    """Beside a candidate the model does not know nothing is foretold: the written order stands."""
    model, _ = logged()
    streams = [
        Stream(f"i{n}", START + 1e6 * n).confirm().choose("restart", {"errors": 1.0}, eligible=("restart", other))
        for n, other in enumerate(["shift", "new"])
    ]
    decisions = decisions_frame(records_of([stream.attempt("restart").close() for stream in streams]), POLICY)
    trials = labelled_trials(decisions, next(choose_nodes(POLICY)))
    names = ("shift", "restart", "new")
    both, known = (difference(None, model, rows, names).chances["restart"][1] for rows in (trials, trials[:1]))
    assert known is not None
    assert both == known


@pytest.mark.parametrize("value", ["a text", None, float("nan")])
def test_a_signal_that_was_something_else_then_explains_nothing(value: str | float | None) -> None:
    model, trials = logged()
    told = [str(why) for why in reasons(model, trials, Situation({"errors": value}, (), None))]
    assert all("when errors" not in why for why in told)
