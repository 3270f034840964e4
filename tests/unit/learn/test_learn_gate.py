import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace as changed
from sklearn.linear_model import LogisticRegression
from tests.unit.learn.incident_streams import EFFECTIVE, INEFFECTIVE, START, Stream, do, policy_of, records_of, remedy

from homeostat.learn.dataset import decisions_frame
from homeostat.learn.evaluation.comparison import compare
from homeostat.learn.evaluation.imputation import parts_of
from homeostat.learn.evaluation.logged import logged_incidents
from homeostat.learn.evaluation.orders import RankedOrder
from homeostat.learn.gate import ATTEMPTS_MIN, INCIDENTS_MIN, Bounds, GateVerdict, _held_out_ruling, judge
from homeostat.learn.ranker import choose_nodes, labelled_trials, samples_of, train_ranking, versioned
from homeostat.model.policy import Choose, Policy
from homeostat.model.ranking import LinearModel, MemberModel, NodeRanking, Ranking
from homeostat.model.reasons import AttemptVerdict

NOW = START + 1e8
QUICK = Bounds(replicates=20)

ALL = ("restart", "shift", "new")


def told_by_errors(count: int, eligible: tuple[str, ...] = ALL) -> list[Stream]:
    """Restart helps where errors are low, shift where they are high."""
    streams = []
    for n in range(count):
        candidate, level = ("restart", "shift")[n % 2], (1.0, 1.0, 9.0, 9.0)[n % 4]
        works = (candidate == "restart") == (level < 5)
        stream = Stream(f"i{n:03d}", START + 1e5 * n).confirm().choose(candidate, {"errors": level}, eligible=eligible)
        streams.append(stream.attempt(candidate, EFFECTIVE if works else INEFFECTIVE).close())
    return streams


def told_by_nothing(count: int) -> list[Stream]:
    """What helps has nothing to do with the signal, which is different every time."""
    streams = []
    for n in range(count):
        candidate, works = ("restart", "shift")[n % 2], (n // 2) % 2 == 0
        level = float((n * 37) % 101)
        stream = Stream(f"i{n:03d}", START + 1e5 * n).confirm().choose(candidate, {"errors": level}, eligible=ALL[:2])
        streams.append(stream.attempt(candidate, EFFECTIVE if works else INEFFECTIVE).close())
    return streams


def judged(
    streams: list[Stream],
    policy: Policy,
    attempts_min: int = ATTEMPTS_MIN,
    incidents_min: int = INCIDENTS_MIN,
    incumbent: Ranking | None = None,
) -> GateVerdict:
    decisions = decisions_frame(records_of(streams), policy)
    ranking = train_ranking(decisions, policy, 0.0)
    bounds = replace(QUICK, attempts_min=attempts_min, incidents_min=incidents_min)
    return judge(ranking, decisions, policy, incumbent=incumbent, bounds=bounds)


def test_a_ranking_that_recovers_sooner_passes_and_says_by_how_much() -> None:
    verdict = judged(told_by_errors(80), policy_of(remedy("restart", "shift")))
    assert verdict.passed
    figures = verdict.figures["remedy"]
    assert 0.0 < figures.gain_low_s < figures.gain_s < figures.gain_high_s
    assert figures.gain_s == pytest.approx(figures.ruling_mttr_s - figures.mttr_s)
    assert figures.first_success > 0.9
    assert figures.ruling_first_success == pytest.approx(0.5, abs=0.05)
    assert f"a gain of {figures.gain_s:.0f} s, by resampling at least {figures.gain_low_s:.0f} s" in verdict.text
    assert "on 80 incidents" in verdict.text
    assert "Assumed: that an outcome does not depend on its place in the order." in verdict.text


def test_a_ranking_that_does_not_is_refused_with_its_figures() -> None:
    verdict = judged(told_by_nothing(80), policy_of(remedy("restart", "shift")))
    assert not verdict.passed
    assert verdict.text.startswith("Refused: 'remedy' is not surely better: replayed on 80 incidents")
    assert verdict.figures["remedy"].gain_low_s <= 0.0


def test_thin_support_is_refused_with_its_numbers() -> None:
    policy = policy_of(remedy("restart", "shift"))
    verdict = judged(told_by_errors(19), policy)
    assert not verdict.passed
    assert verdict.text == "Refused: 'remedy' has 19 labelled attempts in 19 incidents, and needs 20 in 5."
    assert judged(told_by_errors(80), policy, attempts_min=80).passed
    assert not judged(told_by_errors(80), policy, attempts_min=81).passed
    assert not judged(told_by_errors(80), policy, incidents_min=81).passed


def test_many_attempts_in_few_incidents_are_thin_support() -> None:
    names = [f"c{n}" for n in range(10)]
    streams = []
    for n in range(4):
        stream = Stream(f"i{n}", START + 1e5 * n).confirm()
        for place, name in enumerate(names):
            stream.choose(name).attempt(name, EFFECTIVE if place == 9 else INEFFECTIVE)
        streams.append(stream.close())
    verdict = judged(streams, policy_of(remedy(*names)))
    assert verdict.text == "Refused: 'remedy' has 40 labelled attempts in 4 incidents, and needs 20 in 5."


def test_outcomes_that_are_all_alike_are_foretold_by_their_rate() -> None:
    streams = [
        Stream(f"i{n}", START + 1e5 * n).confirm().choose("restart", {"errors": 8.0}).attempt("restart").close()
        for n in range(40)
    ]
    assert not judged(streams, policy_of(remedy("restart", "shift"))).passed


def cheap_newcomer() -> Policy:
    return policy_of(Choose("remedy", (do("restart"), do("shift"), do("new", takes_s=1.0, verify=False))))


def test_an_untried_candidate_is_not_put_first() -> None:
    verdict = judged(told_by_errors(80), cheap_newcomer())
    assert verdict.text == "Refused: 'remedy' would put 'new' first, which was never tried."


def test_an_untried_candidate_that_was_never_eligible_does_not_matter() -> None:
    assert judged(told_by_errors(80, eligible=("restart", "shift")), cheap_newcomer()).passed


def test_an_untried_candidate_may_stand_alone() -> None:
    streams = told_by_errors(80, eligible=("restart", "shift"))
    last = Stream("last", START + 1e8).confirm().choose("new", {"errors": 1.0}, eligible=("new",))
    assert judged([*streams, last.close()], cheap_newcomer()).passed


def test_each_node_is_judged_by_itself() -> None:
    policy = policy_of(remedy("restart", "shift"), Choose("second", (do("x"), do("y"))))
    verdict = judged(told_by_errors(80), policy)
    assert verdict.passed
    assert {name: node.passed for name, node in verdict.nodes.items()} == {"remedy": True, "second": False}
    assert "Refused: 'second' has 0 labelled attempts" in verdict.text


def test_without_a_choice_there_is_nothing_to_pass() -> None:
    verdict = judged([], policy_of(do("restart")))
    assert not verdict.passed
    assert "no 'choose' node" in verdict.text


def test_the_ruling_ranking_is_what_has_to_be_beaten() -> None:
    policy = policy_of(remedy("restart", "shift"))
    decisions = decisions_frame(records_of(told_by_errors(80)), policy)
    ranking = train_ranking(decisions, policy, 0.0)
    verdict = judge(ranking, decisions, policy, incumbent=ranking, bounds=QUICK)
    assert not verdict.passed
    assert "and the ruling ranking in" in verdict.text
    assert judge(ranking, decisions, policy, bounds=QUICK).passed


def test_what_cannot_be_judged_in_time_is_refused() -> None:
    asked: list[bool] = []

    def time_is_up() -> bool:
        asked.append(True)
        return len(asked) > 3

    policy = policy_of(remedy("restart", "shift"))
    decisions = decisions_frame(records_of(told_by_errors(80)), policy)
    bounds = replace(QUICK, time_is_up=time_is_up)
    verdict = judge(train_ranking(decisions, policy, 0.0), decisions, policy, bounds=bounds)
    assert verdict.text == "Refused: 'remedy' could not be judged in time on 80 incidents."
    assert len(asked) == 4


def test_only_the_newest_incidents_are_replayed() -> None:
    policy = policy_of(remedy("restart", "shift"))
    decisions = decisions_frame(records_of(told_by_errors(80)), policy)
    ranking = train_ranking(decisions, policy, 0.0)
    verdict = judge(ranking, decisions, policy, bounds=replace(QUICK, incidents_max=60))
    assert verdict.figures["remedy"].incidents == 60


def harm_of(shift_harms: int) -> GateVerdict:
    """Shift always works when restart does not, at the price of harm."""
    streams = []
    for n in range(80):
        candidate, works = ("restart", "shift")[n % 2], n % 2 == 1 and n % 20 >= 2 * shift_harms
        stream = Stream(f"i{n:03d}", START + 1e5 * n).confirm().choose(candidate, {"errors": 1.0}, eligible=ALL[:2])
        failed = AttemptVerdict.HARMFUL if candidate == "shift" else INEFFECTIVE
        streams.append(stream.attempt(candidate, EFFECTIVE if works else failed).close())
    return judged(streams, policy_of(remedy("restart", "shift")))


def test_more_harm_is_refused_however_soon_it_recovers() -> None:
    assert harm_of(0).passed
    verdict = harm_of(2)
    assert verdict.text.startswith("Refused: 'remedy' would do more harm: replayed on 80 incidents")
    assert verdict.figures["remedy"].gain_low_s > 0.0


def permuted(model: NodeRanking) -> NodeRanking:
    """Every candidate has another's coefficients."""
    members: list[MemberModel] = []
    for member in model.members:
        if isinstance(member, LinearModel):
            members.append(
                changed(
                    member, intercepts=member.intercepts[::-1], weights=member.weights[::-1], failed=member.failed[::-1]
                )
            )
        else:
            members.append(changed(member, success=tuple(row[::-1] for row in member.success)))
    return changed(model, members=tuple(members))


def damaged(change: Callable[[NodeRanking], NodeRanking], *, told: bool = True) -> str:
    policy = policy_of(remedy("restart", "shift"))
    decisions = decisions_frame(records_of(told_by_errors(80)), policy)
    ranking = train_ranking(decisions, policy, 0.0)
    ranking = replace(ranking, nodes={"remedy": change(ranking.nodes["remedy"])})
    return judge(versioned(ranking) if told else ranking, decisions, policy, bounds=QUICK).text


def test_permuted_coefficients_are_found() -> None:
    assert "worse than refits to the same do" in damaged(permuted)


def test_a_number_changed_behind_its_hash_is_found() -> None:
    assert damaged(permuted, told=False) == "Refused: 'remedy' is not what its version says: the hash differs."


def test_a_number_that_is_none_is_found() -> None:
    text = damaged(lambda model: changed(model, harm_s=math.nan), told=False)
    assert text == "Refused: 'remedy' holds a number that is not finite."


def test_a_model_of_another_shape_is_found() -> None:
    assert "was trained for other candidates" in damaged(
        lambda model: changed(model, candidates=model.candidates[::-1])
    )
    cut = damaged(lambda model: changed(model, members=(changed(model.members[0], weights=()), *model.members[1:])))
    assert "has a member 'pooled' of another shape" in cut
    assert "mixes another number of members" in damaged(lambda model: changed(model, members=model.members[:1]))


NOISE = tuple(f"noise{place:02d}" for place in range(30))


def told_by_noise(count: int, signals: tuple[str, ...]) -> list[Stream]:
    """What helps has nothing to do with the signals, which are different every time."""
    random = np.random.default_rng(8)
    streams = []
    for n in range(count):
        context = dict(zip(signals, random.normal(size=len(signals)).tolist(), strict=True))
        candidate = ("restart", "shift")[n % 2]
        stream = Stream(f"i{n:03d}", START + 1e5 * n).confirm().choose(candidate, context, eligible=ALL[:2])
        streams.append(stream.attempt(candidate, EFFECTIVE if random.random() < 0.5 else INEFFECTIVE).close())
    return streams


def memorised(model: NodeRanking, trials: pd.DataFrame, node: Choose) -> NodeRanking:
    """A linear model that knows every outcome by heart."""
    samples = samples_of(trials, node, model.features)
    fits = [
        LogisticRegression(C=1e4, max_iter=5_000).fit(samples.columns[own], samples.succeeded[own])
        for own in (samples.candidate == 0, samples.candidate == 1)
    ]
    member = LinearModel(
        "pooled",
        tuple(float(fit.intercept_[0]) for fit in fits),
        tuple(tuple(fit.coef_[0].tolist()) for fit in fits),
        ((0.0, 0.0), (0.0, 0.0)),
    )
    return changed(model, members=(member,), stack=changed(model.stack, intercept=0.0, weights=(1.0,)))


@pytest.mark.parametrize(("incidents", "signals"), [(100, 30), (80, 10)], ids=["all of them", "a few of them"])
def test_memorised_outcomes_are_found(incidents: int, signals: int) -> None:
    """Of many outcomes few signals can tell but little more than they should, and that is found too."""
    policy = policy_of(remedy("restart", "shift"), signals=NOISE[:signals])
    decisions = decisions_frame(records_of(told_by_noise(incidents, NOISE[:signals])), policy)
    ranking = train_ranking(decisions, policy, 0.0)
    assert "memorised" not in judge(ranking, decisions, policy, bounds=QUICK).text
    node = next(choose_nodes(policy))
    knows = memorised(ranking.nodes["remedy"], labelled_trials(decisions, node), node)
    leaked = versioned(replace(ranking, nodes={"remedy": knows}))
    text = judge(leaked, decisions, policy, bounds=QUICK).text
    assert text.startswith("Refused: 'remedy' knows the outcomes it was trained on better than refits to the same do")
    assert text.endswith("it has memorised them.")


def told_by_zone(tried_in_b: bool) -> GateVerdict:
    """Restart never helps. Shift does in zone a; in zone b the log may know nothing of it."""
    streams = []
    for n in range(80):
        zone = "ab"[n % 2]
        stream = Stream(f"i{n:03d}", START + 1e5 * n).confirm()
        stream.choose("restart", {"errors": 1.0, "zone": zone}, eligible=ALL[:2]).attempt("restart", INEFFECTIVE)
        if zone == "a" or tried_in_b:
            stream.choose("shift", {"errors": 1.0, "zone": zone}, eligible=("shift",)).attempt("shift", EFFECTIVE)
        streams.append(stream.close())
    return judged(streams, policy_of(remedy("restart", "shift"), texts=["zone"]))


def test_a_first_choice_that_was_never_possible_in_its_pattern_is_thin_support() -> None:
    assert "where it was never tried" not in told_by_zone(tried_in_b=True).text
    verdict = told_by_zone(tried_in_b=False)
    assert verdict.text.startswith(
        "Refused: 'remedy' would put 'shift' first where it was never tried: 40 of 80 incidents have a first choice"
        " that the log does not know in their pattern: replayed on 80 incidents"
    )
    assert verdict.figures["remedy"].first_success == 0.5, "what is not known is held to fail"


def test_what_gains_even_if_all_fails_that_the_log_does_not_know_needs_no_more_support() -> None:
    """Six of eighty incidents are of a zone in which shift was never tried; it is held to fail there."""
    streams = []
    for n in range(80):
        zone = "b" if n % 13 == 0 else "a"
        stream = Stream(f"i{n:03d}", START + 1e5 * n).confirm()
        stream.choose("restart", {"errors": 1.0, "zone": zone}, eligible=ALL[:2]).attempt("restart", INEFFECTIVE)
        if zone == "a":
            stream.choose("shift", {"errors": 1.0, "zone": zone}, eligible=("shift",)).attempt("shift", EFFECTIVE)
        streams.append(stream.close())
    verdict = judged(streams, policy_of(remedy("restart", "shift"), texts=["zone"]))
    assert verdict.passed
    assert verdict.figures["remedy"].first_success == pytest.approx(73 / 80)


def told_by_chance(count: int, signals: tuple[str, ...]) -> list[Stream]:
    """What helps is drawn, and so is every signal."""
    random = np.random.default_rng(5)
    streams = []
    for n in range(count):
        context = dict(zip(signals, random.normal(size=len(signals)).tolist(), strict=True))
        stream = Stream(f"i{n:03d}", START + 1e5 * n).confirm()
        stream.choose(ALL[n % 2], context, eligible=ALL[:2])
        streams.append(stream.attempt(ALL[n % 2], EFFECTIVE if random.random() < 0.5 else INEFFECTIVE).close())
    return streams


def test_what_rules_is_judged_as_it_orders_what_it_has_not_seen() -> None:
    """A model fits the chance in what it has seen, and looks good there alone."""
    signals = ("errors", "a", "b", "c", "d", "e", "f", "g")
    policy = policy_of(remedy("restart", "shift"), signals=signals)
    decisions = decisions_frame(records_of(told_by_chance(80, signals)), policy, as_of=NOW)
    (node,) = choose_nodes(policy)
    model = train_ranking(decisions, policy, trained_at=NOW).nodes[node.id]
    logged = logged_incidents(labelled_trials(decisions, node), node, policy)
    part = parts_of(len(logged))
    orders = {
        "seen": RankedOrder(model, logged),
        "held out": _held_out_ruling(model, NOW, logged, part),
        "all later": _held_out_ruling(model, 0.0, logged, part),
    }
    compared = compare(orders, logged, replicates=2)
    assert compared.first_success("seen").value > compared.first_success("held out").value + 0.02
    assert compared.first_success("all later").value == compared.first_success("seen").value


def one_helps(count: int, candidate: str, start: int = 0) -> list[Stream]:
    """Each of two is tried first in every second incident; one of them always works."""
    return [
        Stream(f"i{n:03d}", START + 1e5 * n)
        .confirm()
        .choose(ALL[n % 2], {"errors": 1.0}, eligible=ALL[:2])
        .attempt(ALL[n % 2], EFFECTIVE if ALL[n % 2] == candidate else INEFFECTIVE)
        .close()
        for n in range(start, start + count)
    ]


@pytest.mark.parametrize(("learnt_from", "passed"), [(61, False), (60, True), (30, True)])
def test_what_rules_is_asked_where_it_has_learnt_from_more(learnt_from: int, passed: bool) -> None:
    """It has seen restart work and shift fail; the log since then says the opposite."""
    policy = policy_of(remedy("restart", "shift"))
    before = decisions_frame(records_of(one_helps(60, "restart")), policy)
    ruling = replace(train_ranking(before, policy, START + 1e5 * 60), incidents=learnt_from)
    verdict = judged(one_helps(60, "shift", start=60), policy, incumbent=ruling)
    assert verdict.passed is passed
    told = "is contradicted by what rules, which has learnt from more" in verdict.text
    assert told is not passed
    assert (f"the ruling ranking, as it has learnt from {learnt_from} incidents" in verdict.text) is not passed


def test_what_rules_and_does_not_know_a_candidate_of_today_is_not_asked() -> None:
    before = decisions_frame(records_of(one_helps(60, "restart")), policy_of(remedy("restart", "shift")))
    ruling = train_ranking(before, policy_of(remedy("restart", "shift")), START + 1e5 * 60)
    old = replace(ruling, incidents=1_000)
    verdict = judged(one_helps(60, "shift", start=60), policy_of(remedy("restart", "shift", "rollback")), incumbent=old)
    assert "has learnt from" not in verdict.text


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (("restart", "shift"), ("shift", "restart")),
        (("restart", "shift", "new"), ("shift", "restart")),
    ],
    ids=["written in another order", "one is gone"],
)
def test_what_rules_is_judged_as_it_orders_the_candidates_of_today(was: tuple[str, ...], now: tuple[str, ...]) -> None:
    streams = told_by_errors(80, eligible=("restart", "shift"))
    old, policy = policy_of(remedy(*was)), policy_of(remedy(*now))
    ruling = train_ranking(decisions_frame(records_of(streams), old), old, NOW)
    decisions = decisions_frame(records_of(streams), policy)
    verdict = judge(train_ranking(decisions, policy, NOW), decisions, policy, incumbent=ruling, bounds=QUICK)
    figures = verdict.figures["remedy"]
    assert figures.ruling_first_success > 0.9, "it orders as well as when it was let rule"
    assert not verdict.passed


def test_where_a_candidate_is_new_the_written_order_rules_and_is_what_has_to_be_beaten() -> None:
    """What was promoted does not know it, so it decides nothing any more; a new ranking that does must be able to."""
    streams = told_by_errors(80, eligible=("restart", "shift"))
    old, policy = policy_of(remedy("restart", "shift")), policy_of(remedy("restart", "shift", "new"))
    ruling = train_ranking(decisions_frame(records_of(streams), old), old, NOW)
    verdict = judged(streams, policy, incumbent=ruling)
    assert verdict.passed
    assert "and the written order in" in verdict.text
    assert verdict.figures["remedy"].ruling_first_success == pytest.approx(0.5, abs=0.05)


def test_a_ruling_ranking_may_know_a_signal_that_the_policy_no_longer_names() -> None:
    streams, plan = told_by_errors(80, eligible=("restart", "shift")), remedy("restart", "shift")
    old, policy = policy_of(plan), policy_of(plan, signals=("hint",))
    ruling = train_ranking(decisions_frame(records_of(streams), old), old, NOW)
    decisions = decisions_frame(records_of(streams), policy)
    verdict = judge(train_ranking(decisions, policy, NOW), decisions, policy, incumbent=ruling, bounds=QUICK)
    assert verdict.figures["remedy"].ruling_first_success < 0.7, "what it goes by is unknown now"
