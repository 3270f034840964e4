import pandas as pd
import pytest
from tests.unit.learn.incident_streams import EFFECTIVE, INEFFECTIVE, START, Stream, do, policy_of, records_of, remedy

from homeostat.learn import gate
from homeostat.learn.dataset import decisions_frame
from homeostat.learn.gate import ATTEMPTS_MIN, INCIDENTS_MIN, Bounds, GateVerdict, judge
from homeostat.learn.ranker import train_ranking
from homeostat.model.policy import Choose, Policy

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
        stream = Stream(f"i{n:03d}", START + 1e5 * n).confirm().choose(candidate, {"errors": level})
        streams.append(stream.attempt(candidate, EFFECTIVE if works else INEFFECTIVE).close())
    return streams


def judged(
    streams: list[Stream], policy: Policy, attempts_min: int = ATTEMPTS_MIN, incidents_min: int = INCIDENTS_MIN
) -> GateVerdict:
    decisions = decisions_frame(records_of(streams), policy)
    ranking = train_ranking(decisions, policy, 0.0)
    return judge(ranking, decisions, policy, bounds=Bounds(attempts_min=attempts_min, incidents_min=incidents_min))


def test_a_model_that_foretells_held_out_outcomes_passes() -> None:
    verdict = judged(told_by_errors(80), policy_of(remedy("restart", "shift")))
    assert verdict.passed
    assert "'remedy' foretells outcomes better than plain success rates (log loss 0." in verdict.text


def test_a_model_that_does_not_is_refused() -> None:
    verdict = judged(told_by_nothing(80), policy_of(remedy("restart", "shift")))
    assert not verdict.passed
    assert "no better than plain success rates" in verdict.text


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


@pytest.mark.parametrize("copies", [1, 3])
def test_attempts_of_one_incident_are_never_on_both_sides(copies: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fold trains on incidents it does not judge."""
    seen: list[tuple[set[str], set[str]]] = []
    rates = gate._success_rates

    def spy(past: pd.DataFrame, future: pd.DataFrame) -> object:
        seen.append((set(past["incident"]), set(future["incident"])))
        return rates(past, future)

    monkeypatch.setattr(gate, "_success_rates", spy)
    streams = []
    for n in range(20):
        stream = Stream(f"i{n}", START + 1e5 * n).confirm()
        for name in ("restart", "shift", "new")[:copies]:
            stream.choose(name, {"errors": float(n)}).attempt(name, INEFFECTIVE if n % 3 else EFFECTIVE)
        streams.append(stream.close())
    judged(streams, policy_of(remedy(*ALL)))
    assert len(seen) == 5
    for past, future in seen:
        assert past.isdisjoint(future)
        assert len(past | future) == 20
