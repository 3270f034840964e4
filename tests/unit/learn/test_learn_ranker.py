import hashlib
import json
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import replace as changed
from tests.unit.learn.incident_streams import EFFECTIVE, INEFFECTIVE, START, Stream, do, policy_of, records_of, remedy
from tests.unit.learn.worlds import World, fixed, journalled, world_policy

from homeostat.decide import scoring as live
from homeostat.decide.ranking import rank
from homeostat.learn.costs import COST_MIN_S, declared_cost
from homeostat.learn.dataset import decisions_frame
from homeostat.learn.features import fit_features, text_columns
from homeostat.learn.ranker import choose_nodes, labelled_trials, samples_of, train_ranking, versioned
from homeostat.learn.scoring import indices, success_probabilities
from homeostat.model.entries import Option
from homeostat.model.policy import Branch, Choose, Decide, Escalate, Policy, Retry, Steps
from homeostat.model.ranking import Candidate, Feature, LinearModel, NodeRanking, Ranking, Stack
from homeostat.model.reasons import AttemptVerdict
from homeostat.model.signals import Value

NOW = START + 1e9


def trained(streams: list[Stream], policy: Policy) -> Ranking:
    return train_ranking(decisions_frame(records_of(streams), policy, as_of=NOW), policy, NOW)


def tried(name: str, candidate: str, *, works: bool, context: dict[str, Value] | None = None) -> Stream:
    verdict = EFFECTIVE if works else INEFFECTIVE
    at = START + 1e5 * int(name[1:])
    return Stream(name, at).confirm().choose(candidate, context or {}).attempt(candidate, verdict).close()


def live_probability(node: NodeRanking, candidate: str, context: Mapping[str, Value], failed: tuple[str, ...]) -> float:
    columns = live.feature_columns(node.features, context)
    return live.success_probabilities(node, columns, [node.places[name] for name in failed])[node.places[candidate]]


def candidate_of(node: NodeRanking, name: str) -> Candidate:
    return node.candidates[node.places[name]]


def world_trials(seed: int, incidents: int) -> tuple[pd.DataFrame, Policy, Ranking]:
    world = World(seed)
    policy = world_policy(world.bad_order)
    streams = journalled(world.draws(incidents), fixed(world.bad_order))
    decisions = decisions_frame(records_of(streams), policy)
    return labelled_trials(decisions, next(choose_nodes(policy))), policy, train_ranking(decisions, policy, NOW)


def context_of(row: Mapping[Hashable, Any], policy: Policy) -> dict[str, Value]:
    values = {name: float(row[f"signal:{name}"]) for name in policy.signals}
    return {name: None if np.isnan(value) else value for name, value in values.items()}


def test_scores_over_frames_are_the_live_scorers() -> None:
    trials, policy, ranking = world_trials(seed=5, incidents=40)
    node = ranking.nodes["remedy"]
    samples = samples_of(trials, next(choose_nodes(policy)), node.features)
    probabilities = success_probabilities(node, samples.columns, samples.failed)
    scores = indices(node, samples.columns, samples.failed)
    for place, row in enumerate(trials.to_dict("records")):
        for column, candidate in enumerate(node.candidates):
            p = live_probability(node, candidate.id, context_of(row, policy), row["failed"])
            cost_s = p * candidate.cost_success_s + (1 - p) * candidate.cost_failure_s
            assert probabilities[place, column] == pytest.approx(p, abs=1e-12)
            assert scores[place, column] == pytest.approx(p / cost_s, abs=1e-12)


def test_what_is_deferred_comes_last_until_something_has_failed_over_frames_as_live() -> None:
    trials, policy, ranking = world_trials(seed=5, incidents=40)
    node = changed(ranking.nodes["remedy"], deferred=("flush", ranking.nodes["remedy"].candidates[0].id))
    samples = samples_of(trials, next(choose_nodes(policy)), node.features)
    scores = indices(node, samples.columns, samples.failed)
    names = [candidate.id for candidate in node.candidates]
    deferred = set(node.deferred) & set(names)
    assert len(deferred) < len(names)
    for place, row in enumerate(trials.to_dict("records")):
        left = [name for name in names if name not in row["failed"]]
        options = [Option(id=name, eligible=True) for name in left]
        ranked, chosen = rank(node, options, context_of(row, policy), row["failed"])
        order = [option.id for option in ranked]
        assert order == sorted(left, key=lambda name: -scores[place, names.index(name)])
        assert chosen == order[0]
        if not row["failed"]:
            assert set(order[-len(deferred) :]) == deferred
            assert ranked == sorted(ranked, key=lambda option: (option.id in deferred, -(option.index or 0.0)))
        else:
            assert ranked == sorted(ranked, key=lambda option: -(option.index or 0.0))


def test_what_is_deferred_is_ordered_over_frames_as_live_however_unlikely_it_is() -> None:
    logits = (0.0, -24.0, -23.0, -20.0)
    linear = LinearModel("linear", logits, ((),) * 4, ((0.0,) * 4,) * 4)
    names = ("a", "b", "c", "d")
    costs = (1e-3, 1e6, 1e6, 1e6)
    candidates = tuple(Candidate(name, cost_s, cost_s) for name, cost_s in zip(names, costs, strict=True))
    for deferred in (("b", "c"), ("a", "b", "c"), names, ("gone", "b", "c")):
        node = NodeRanking((), candidates, (linear,), Stack(0.0, (1.0,)), deferred=deferred)
        (scores,) = indices(node, np.zeros((1, 0)), np.zeros((1, 4), dtype=bool))
        ranked, _ = rank(node, [Option(id=name, eligible=True) for name in names], {}, ())
        assert [names[place] for place in np.argsort(-scores, kind="stable")] == [option.id for option in ranked]


def test_a_failure_of_what_is_no_candidate_any_more_lets_nothing_out() -> None:
    _, _, ranking = world_trials(seed=5, incidents=40)
    node = ranking.nodes["remedy"]
    first = rank(node, [Option(id=one.id, eligible=True) for one in node.candidates], {}, ())[1]
    assert first is not None
    held = changed(node, deferred=(first,))
    for failed in ((), ("long-gone",)):
        options = [Option(id=one.id, eligible=True) for one in node.candidates]
        assert rank(held, options, {}, failed)[0][-1].id == first


def test_the_context_decides_what_is_learnt() -> None:
    policy = policy_of(remedy("restart", "shift"), signals=["errors"])
    streams = [
        tried(f"i{n}", "restart" if n % 2 else "shift", works=(n % 2 == 1) == (n % 4 < 2), context={"errors": level})
        for n, level in enumerate([1.0, 1.0, 9.0, 9.0] * 20)
    ]
    node = trained(streams, policy).nodes["remedy"]
    assert live_probability(node, "restart", {"errors": 1.0}, ()) > 0.6
    assert live_probability(node, "restart", {"errors": 9.0}, ()) < 0.4
    assert live_probability(node, "shift", {"errors": 9.0}, ()) > 0.6
    assert live_probability(node, "shift", {"errors": 1.0}, ()) < 0.4


def test_what_failed_before_is_evidence() -> None:
    policy = policy_of(remedy("a", "b", "c"), signals=[])
    streams = []
    for n in range(60):
        stream = Stream(f"i{n}", START + 1e5 * n).confirm()
        if n % 2:
            stream.choose("a").attempt("a", INEFFECTIVE)
        streams.append(stream.choose("b").attempt("b", INEFFECTIVE if n % 2 else EFFECTIVE).close())
    node = trained(streams, policy).nodes["remedy"]
    assert live_probability(node, "b", {}, ("a",)) < live_probability(node, "b", {}, ()) - 0.1


def test_untried_candidates_get_a_model_of_what_is_true_of_the_others() -> None:
    policy = policy_of(remedy("a", "b", "new"))
    streams = [tried(f"i{n}", "a" if n % 2 else "b", works=n % 4 < 2) for n in range(40)]
    node = trained(streams, policy).nodes["remedy"]
    assert set(node.places) == {"a", "b", "new"}
    new = candidate_of(node, "new")
    assert (new.attempts, new.successes) == (0.0, 0.0)
    assert live_probability(node, "new", {}, ()) == pytest.approx(0.5, abs=0.05)
    declared = declared_cost(do("new"), policy)
    assert (new.cost_success_s, new.cost_failure_s) == (declared.success_s, declared.failure_s)


@pytest.mark.parametrize("works", [True, False])
def test_one_kind_of_outcome_only_is_counted_not_fitted(works: bool) -> None:
    policy = policy_of(remedy("a", "b"))
    node = trained([tried(f"i{n}", "a", works=works) for n in range(8)], policy).nodes["remedy"]
    tried_p, untried_p = (live_probability(node, name, {"errors": 1.0}, ()) for name in "ab")
    assert 0.0 < tried_p < 1.0
    assert (tried_p > untried_p) == works
    assert (untried_p > 0.5) == works


def test_one_attempt_is_enough_to_train_and_none_is_not() -> None:
    policy = policy_of(remedy("a", "b"))
    assert set(trained([tried("i1", "a", works=True)], policy).nodes["remedy"].places) == {"a", "b"}
    empty = trained([], policy)
    assert (empty.nodes, empty.attempts, empty.incidents) == ({}, 0, 0)


@pytest.mark.parametrize(
    "values",
    [
        [3.0] * 12,
        [None] * 12,
        [float("inf"), float("-inf"), 1.0] * 4,
        [float("inf")] * 12,
        [1.7e308, -1.7e308, 0.0] * 4,
        [0.0] * 11 + [1e300],
        [5e-324, 0.0] * 6,
        [0.0] * 10 + [1e-12, 2e-12],
    ],
    ids=["constant", "never known", "infinite", "always infinite", "huge", "one huge", "denormal", "tiny"],
)
def test_odd_signals_give_finite_models(values: list[Value]) -> None:
    policy = policy_of(remedy("a", "b"), signals=["errors", "odd"])
    streams = [
        tried(f"i{n}", "a" if n % 2 else "b", works=n % 3 == 0, context={"errors": float(n), "odd": value})
        for n, value in enumerate(values)
    ]
    ranking = trained(streams, policy)
    json.dumps(to_builtins(ranking), allow_nan=False)
    node = ranking.nodes["remedy"]
    assert all(feature.spread > 0 for feature in node.features)
    for value in (*values, None, 0.0, 1e308, -1e308, float("inf")):
        assert 0.0 < live_probability(node, "a", {"errors": 3.0, "odd": value}, ()) < 1.0


def test_infinite_readings_do_not_move_the_scale() -> None:
    decisions = pd.DataFrame({"signal:errors": [1.0, 2.0, 3.0, 4.0, 5.0, np.inf, np.inf, np.inf, np.nan]})
    (feature,) = fit_features(decisions, policy_of(remedy("a", "b"), signals=["errors"]))
    assert (feature.median, feature.spread) == (3.0, 2.0)


def test_a_signal_that_never_varied_moves_nothing() -> None:
    policy = policy_of(remedy("a", "b"), signals=["constant", "unseen"])
    streams = [
        tried(f"i{n}", "ab"[n % 2], works=n % 2 == 0 and n % 6 != 0, context={"constant": 7.0, "unseen": None})
        for n in range(30)
    ]
    node = trained(streams, policy).nodes["remedy"]
    usual = live_probability(node, "a", {"constant": 7.0, "unseen": None}, ())
    new_contexts: list[dict[str, Value]] = [{"constant": 900.0, "unseen": None}, {"constant": None, "unseen": 3.0}]
    for context in new_contexts:
        assert live_probability(node, "a", context, ()) == pytest.approx(usual, abs=1e-12)


def test_an_alarm_that_is_mostly_silent_still_counts() -> None:
    policy = policy_of(remedy("a", "b"), signals=["alarm"])
    streams = [tried(f"i{n}", "a", works=n % 8 == 0, context={"alarm": 1.0 if n % 8 == 0 else 0.0}) for n in range(120)]
    node = trained(streams, policy).nodes["remedy"]
    assert live_probability(node, "a", {"alarm": 1.0}, ()) > live_probability(node, "a", {"alarm": 0.0}, ()) + 0.3


def test_rows_of_candidates_that_are_no_longer_there_or_mean_something_else_are_left_out() -> None:
    policy = policy_of(remedy("a", "b"))
    renamed = Stream("i1").confirm().choose("old").attempt("old").close()
    changed = Stream("i2", START + 1e6).confirm().choose("a").attempt("a", action="another").close()
    kept = (
        Stream("i3", START + 2e6).confirm().choose("old").attempt("old", INEFFECTIVE).choose("a").attempt("a").close()
    )
    ranking = trained([renamed, changed, kept], policy)
    assert (ranking.attempts, ranking.incidents) == (1, 1)
    assert set(ranking.nodes["remedy"].places) == {"a", "b"}


def test_what_was_tried_in_written_order_counts_once_the_order_is_to_be_learnt() -> None:
    stream = Stream("i1").confirm().choose("remedy", node="remedy", kind="if")
    stream.choose("a", kind="try").attempt("a", INEFFECTIVE).choose("b", kind="try").attempt("b").close()
    ranking = trained([stream], policy_of(remedy("a", "b")))
    assert ranking.attempts == 2
    assert candidate_of(ranking.nodes["remedy"], "b").successes == 1.0


def test_rows_that_are_immature_or_without_weight_are_left_out() -> None:
    policy = policy_of(remedy("a", "b"))
    unknown = Stream("i1").confirm().choose("a").attempt("a", AttemptVerdict.UNKNOWN).close()
    young = Stream("i2", NOW - 600.0).confirm().choose("a").attempt("a").close()
    assert trained([unknown, young], policy).nodes == {}


def test_costs_are_means_shrunk_to_what_is_declared() -> None:
    policy = policy_of(remedy("a", "b"))
    streams = [tried(f"i{n}", "a", works=n < 3) for n in range(4)]
    model = candidate_of(trained(streams, policy).nodes["remedy"], "a")
    declared = declared_cost(do("a"), policy)
    assert (declared.success_s, declared.failure_s) == (60.0, 120.0)
    assert model.cost_success_s == pytest.approx((3 * 35.0 + 2 * 60.0) / 5)
    assert model.cost_failure_s == pytest.approx((1 * 35.0 + 2 * 120.0) / 3)


def test_the_time_an_agent_was_down_is_not_the_actions_cost() -> None:
    policy = policy_of(remedy("a", "b"))
    slow = Stream("i1").confirm().choose("a").attempt("a", runs_s=1e6).close()
    assert candidate_of(trained([slow], policy).nodes["remedy"], "a").cost_success_s == (390.0 + 2 * 60.0) / 3


def test_declared_costs_of_compound_candidates() -> None:
    policy = policy_of()
    leaf = do("a", takes_s=10.0, retry=Retry(times_max=2, wait_s=5.0))
    assert declared_cost(leaf, policy).failure_s == 3 * 100.0 + 2 * 5.0
    steps = declared_cost(Steps("s", (do("a"), do("b"))), policy)
    assert (steps.success_s, steps.failure_s) == (120.0, (120.0 + 60.0 + 120.0) / 2)
    choice = declared_cost(remedy("a", "b"), policy)
    assert (choice.success_s, choice.failure_s) == (60.0, 240.0)
    branches = Decide("d", (Branch(None, do("a")), Branch(None, do("b", takes_s=90.0))))
    assert declared_cost(branches, policy).success_s == 90.0
    assert declared_cost(do("a", takes_s=0.0, verify=False), policy).success_s == 0.0
    assert declared_cost(Escalate("e", "oncall"), replace(policy, rto_s=600.0)).success_s == 600.0


def test_nothing_is_free() -> None:
    policy = policy_of(Choose("remedy", (do("a", takes_s=0.0, verify=False), do("b"))))
    node = trained([tried("i1", "b", works=True)], policy).nodes["remedy"]
    assert candidate_of(node, "a").cost_success_s == COST_MIN_S


def test_calling_people_comes_after_whatever_is_worth_its_time() -> None:
    policy = policy_of(Choose("remedy", (Escalate("people-now", "oncall"), do("a"))))
    node = trained([tried(f"i{n}", "a", works=n % 2 == 0) for n in range(10)], policy).nodes["remedy"]
    nothing_failed = np.zeros((1, 2), dtype=bool)
    columns = np.array([live.feature_columns(node.features, {})])
    scores = dict(zip(node.places, indices(node, columns, nothing_failed)[0], strict=True))
    assert scores["people-now"] == pytest.approx(1 / 3600.0, rel=1e-6)
    assert scores["a"] > scores["people-now"]


def test_the_version_is_of_everything_learnt_and_nothing_else() -> None:
    policy = policy_of(remedy("a", "b"))
    streams = [tried(f"i{n}", "a", works=n % 2 == 0) for n in range(10)]
    ranking = trained(streams, policy)
    assert ranking.version == trained(list(reversed(streams)), policy).version
    assert len(ranking.version) == 64
    assert ranking.version != trained(streams[:-1], policy).version
    held = replace(ranking, nodes={"remedy": changed(ranking.nodes["remedy"], deferred=("a",))})
    assert versioned(held).version != ranking.version


def test_a_ranking_from_before_anything_could_be_deferred_keeps_its_version() -> None:
    ranking = trained([tried(f"i{n}", "a", works=n % 2 == 0) for n in range(10)], policy_of(remedy("a", "b")))
    body = to_builtins(ranking)
    del body["version"], body["nodes"]["remedy"]["deferred"]
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    assert ranking.version == hashlib.sha256(text.encode()).hexdigest()
    assert (ranking.policy, ranking.trained_at, ranking.attempts, ranking.incidents) == ("p", NOW, 10, 10)
    a = candidate_of(ranking.nodes["remedy"], "a")
    assert (a.attempts, a.successes) == (10.0, 5.0)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from("abc"), st.booleans(), st.one_of(st.none(), st.floats(allow_nan=False)), st.booleans()
        ),
        min_size=1,
        max_size=30,
    )
)
def test_any_history_gives_a_model_of_plain_finite_numbers(
    rows: list[tuple[str, bool, float | None, bool]],
) -> None:
    policy = policy_of(remedy("a", "b", "c"), signals=["errors"])
    streams = []
    for n, (candidate, works, value, after_another) in enumerate(rows):
        stream = Stream(f"i{n}", START + 1e5 * n).confirm()
        if after_another:
            other = "b" if candidate == "a" else "a"
            stream.choose(other, {"errors": value}).attempt(other, INEFFECTIVE)
        stream.choose(candidate, {"errors": value}).attempt(candidate, EFFECTIVE if works else INEFFECTIVE)
        streams.append(stream.close())
    ranking = trained(streams, policy)
    json.dumps(to_builtins(ranking), allow_nan=False)
    for model in ranking.nodes["remedy"].candidates:
        assert min(model.cost_success_s, model.cost_failure_s) >= COST_MIN_S
        assert model.successes <= model.attempts


def test_a_text_that_has_no_column_is_other_as_an_unknown_one() -> None:
    """Beyond the commonest values, or never seen in training: neither a failure nor a warning."""
    seen = pd.Series(["b", "never seen", None, "a"], dtype="str")
    flags = text_columns(Feature("zone", categories=("a", "b")), seen)
    assert flags.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 0, 0]]
