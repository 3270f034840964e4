"""A judge who learnt from the same incidents as the ranking shares what chance made it believe."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as changed
from tests.unit.learn.incident_streams import Stream, policy_of, records_of, remedy
from tests.unit.learn.test_learn_gate import NOISE, told_by_errors, told_by_noise

from homeostat.learn.dataset import decisions_frame
from homeostat.learn.evaluation import optimism
from homeostat.learn.evaluation.comparison import Estimate
from homeostat.learn.evaluation.imputation import parts_of
from homeostat.learn.evaluation.integrity import counted_samples
from homeostat.learn.evaluation.logged import logged_incidents
from homeostat.learn.evaluation.optimism import optimism_s
from homeostat.learn.evaluation.orders import FixedOrder
from homeostat.learn.ranker import choose_nodes, labelled_trials, train_node
from homeostat.model.policy import Policy
from homeostat.model.ranking import Stack


def excess(streams: list[Stream], policy: Policy, *, believed: bool = False) -> Estimate:
    """The excess of the ranking trained on these; `believed`: it takes its members at their word."""
    node = next(choose_nodes(policy))
    trials = labelled_trials(decisions_frame(records_of(streams), policy), node)
    logged, model = logged_incidents(trials, node, policy), train_node(trials, node, policy)
    if believed:
        model = changed(model, stack=Stack(0.0, tuple(1.0 / len(model.members) for _ in model.members)))
    counted = counted_samples(model, logged.trials, logged.samples)
    return optimism_s(model, counted, FixedOrder(logged.candidates), logged, parts_of(len(logged)))


def test_what_is_learnt_from_noise_looks_better_to_who_saw_the_same_noise() -> None:
    noise = excess(told_by_noise(200, NOISE), policy_of(remedy("restart", "shift"), signals=NOISE), believed=True)
    assert noise.low() > 0.0


def test_a_share_of_the_excess_is_taken_off_and_of_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = told_by_noise(200, NOISE), policy_of(remedy("restart", "shift"), signals=NOISE)
    share = excess(*judged, believed=True)
    monkeypatch.setattr(optimism, "SHARE", 1.0)
    whole = excess(*judged, believed=True)
    assert share.value == pytest.approx(0.5 * whole.value)
    assert share.error == pytest.approx(0.5 * whole.error)


def test_where_there_is_something_to_learn_hardly_anything_is_taken_off() -> None:
    clear = excess(told_by_errors(80), policy_of(remedy("restart", "shift")))
    assert abs(clear.value) < 3.0


def test_too_few_incidents_cannot_be_split() -> None:
    few = excess(told_by_errors(4), policy_of(remedy("restart", "shift")))
    assert few == replace(few, value=0.0, error=0.0)
