"""Why an order is as it is: counts of the logged trials on the situation's side, and what a failure changes."""

from collections.abc import Sequence

import pandas as pd
import pytest
from msgspec.structs import replace as changed
from tests.unit.learn.incident_streams import EFFECTIVE, INEFFECTIVE, START, Stream, policy_of, records_of, remedy

from homeostat.learn.dataset import decisions_frame
from homeostat.learn.ranker import choose_nodes, labelled_trials, train_ranking
from homeostat.learn.why import TRIALS_MIN, Counted, Reasons, Situation, reasons
from homeostat.model.policy import Policy
from homeostat.model.ranking import NodeRanking
from homeostat.model.signals import Value

BOTH = ("restart", "shift")
POLICY = policy_of(remedy(*BOTH), signals=("errors", "load"), texts=["zone"])

Trial = tuple[str, dict[str, Value], bool]


def learnt(trials: Sequence[Trial], policy: Policy = POLICY) -> tuple[NodeRanking, pd.DataFrame]:
    streams = [
        Stream(f"i{n:03d}", START + 1e5 * n)
        .confirm()
        .choose(chosen, context, eligible=BOTH)
        .attempt(chosen, EFFECTIVE if works else INEFFECTIVE)
        .close()
        for n, (chosen, context, works) in enumerate(trials)
    ]
    decisions = decisions_frame(records_of(streams), policy)
    node = next(choose_nodes(policy))
    return train_ranking(decisions, policy, START + 1e9).nodes["remedy"], labelled_trials(decisions, node)


def of(found: Sequence[Reasons], candidate: str) -> Reasons:
    return next(one for one in found if one.candidate == candidate)


def by_errors(count: int, *, works_above: float = 5.0) -> list[Trial]:
    """Restart works where errors are high; load is another number every time and says nothing."""
    return [
        ("restart", {"errors": level, "load": float(n * 37 % 101)}, level > works_above)
        for n in range(count)
        for level in (1.0, 9.0)
    ]


def test_trials_are_counted_on_the_situations_side_of_what_separates_them() -> None:
    model, trials = learnt(by_errors(20))
    high = of(reasons(model, trials, Situation({"errors": 9.0, "load": 50.0})), "restart")
    low = of(reasons(model, trials, Situation({"errors": 1.0, "load": 50.0})), "restart")
    assert high.counted == Counted(20, 20, "errors > 5")
    assert low.counted == Counted(0, 20, "errors <= 5")
    assert high.probability > low.probability


def test_what_is_deferred_comes_last_and_it_is_said_until_something_has_failed() -> None:
    model, trials = learnt([*by_errors(20), ("shift", {"errors": 9.0}, False)])
    held = changed(model, deferred=("restart",))
    shift, restart = reasons(held, trials, Situation({"errors": 9.0}))
    assert (shift.candidate, restart.candidate) == ("shift", "restart")
    assert restart.index > shift.index
    assert "deferred until something else has failed" in restart.said
    assert "deferred" in str(restart)
    assert "deferred" not in str(shift)
    (restart,) = reasons(held, trials, Situation({"errors": 9.0}, failed=("shift",)))
    assert "deferred" not in str(restart)


def test_a_split_that_chance_could_make_and_one_of_few_trials_say_nothing() -> None:
    noise: list[Trial] = [("restart", {"errors": float(n * 37 % 101)}, n % 2 == 0) for n in range(40)]
    model, trials = learnt(noise)
    assert of(reasons(model, trials, Situation({"errors": 50.0})), "restart").counted == Counted(20, 40)
    few: list[Trial] = [("restart", {"errors": 9.0 * (n < TRIALS_MIN - 1)}, n < TRIALS_MIN - 1) for n in range(30)]
    model, trials = learnt(few)
    said = of(reasons(model, trials, Situation({"errors": 9.0})), "restart").counted
    assert said.tried >= TRIALS_MIN


def test_the_signal_that_moves_the_chance_most_is_named_though_another_separates_too() -> None:
    """Load goes with errors, and not always: less of the chance hangs on it."""
    both: list[Trial] = [
        (
            "restart",
            {"load": 9.0 if (n % 4 < 2) != (n % 5 == 0) else 1.0, "errors": 9.0 if n % 4 < 2 else 1.0},
            n % 4 < 2,
        )
        for n in range(60)
    ]
    model, trials = learnt(both)
    said = of(reasons(model, trials, Situation({"errors": 9.0, "load": 9.0})), "restart").counted
    assert said.when.startswith("errors >")


@pytest.mark.parametrize(
    ("zone", "counted"), [("a", Counted(20, 20, 'zone is "a"')), ("b", Counted(0, 20, 'zone is "b"'))]
)
def test_a_text_is_counted_where_it_is_the_same(zone: str, counted: Counted) -> None:
    model, trials = learnt([("restart", {"zone": "ab"[n % 2]}, n % 2 == 0) for n in range(40)])
    assert of(reasons(model, trials, Situation({"zone": zone})), "restart").counted == counted


def test_a_text_with_few_trials_says_nothing() -> None:
    zones = ["a"] * 30 + ["b"] * (TRIALS_MIN - 1)
    model, trials = learnt([("restart", {"zone": zone}, zone == "b") for zone in zones])
    said = of(reasons(model, trials, Situation({"zone": "b"})), "restart").counted
    assert said == Counted(TRIALS_MIN - 1, len(zones))


def failing_together() -> list[Stream]:
    """Where restart fails shift works, and where it works there is nothing to see of shift; nothing else is known."""
    streams = []
    for n in range(60):
        stream = Stream(f"i{n:03d}", START + 1e5 * n).confirm()
        if n % 2:
            stream.choose("restart", {}, eligible=BOTH).attempt("restart", INEFFECTIVE)
            stream.choose("shift", {}, eligible=("shift",)).attempt("shift", EFFECTIVE)
        else:
            stream.choose("shift", {}, eligible=BOTH).attempt("shift", INEFFECTIVE)
            stream.choose("restart", {}, eligible=("restart",)).attempt("restart", EFFECTIVE)
        streams.append(stream.close())
    return streams


def test_what_has_failed_is_left_out_and_told_where_it_changes_a_chance() -> None:
    decisions = decisions_frame(records_of(failing_together()), POLICY)
    model = train_ranking(decisions, POLICY, START + 1e9).nodes["remedy"]
    trials = labelled_trials(decisions, next(choose_nodes(POLICY)))
    fresh = of(reasons(model, trials, Situation({})), "shift")
    (after,) = reasons(model, trials, Situation({}, failed=("restart",)))
    assert (after.candidate, after.place, fresh.failures) == ("shift", 1, ())
    (effect,) = after.failures
    assert effect.failed == "restart"
    assert (effect.before, effect.after) == pytest.approx((fresh.probability, after.probability))
    assert "restart failed just now, which makes it likelier" in str(after)


def test_a_failure_that_changes_next_to_nothing_is_not_told() -> None:
    model, trials = learnt(by_errors(20))
    told = [one.failures for one in reasons(model, trials, Situation({"errors": 9.0}, failed=("shift",)))]
    assert told == [()]
