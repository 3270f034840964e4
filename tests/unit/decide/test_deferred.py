"""What is deferred: it is let out by a failure that was measured, and by nothing else."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as changed
from tests.unit.decide.builders import FAILED, OK, Driver, above, choice_of, do, policy
from tests.unit.decide.test_exploration import decided, exploring, ranking_of

from homeostat.decide.ranking import rank
from homeostat.model.answers import AnswerKind
from homeostat.model.entries import Option
from homeostat.model.policy import Choose, Mode, Steps, Try
from homeostat.model.ranking import Ranking


def held(*names: str, **probabilities: float) -> Ranking:
    ranking = ranking_of(**probabilities)
    return replace(ranking, nodes={"choose": changed(ranking.nodes["choose"], deferred=names)})


RANKING = held("untried", untried=0.9, a=0.4, b=0.3)


def choice() -> Choose:
    return Choose("choose", (do("untried"), do("a", mode=Mode.APPROVE), do("b")))


def test_a_start_that_people_refuse_is_no_failure() -> None:
    driver = Driver(policy(choice()), RANKING)
    driver.confirm()
    driver.say(AnswerKind.DENY, "a", "oncall")
    driver.ticks(2)
    assert driver.names() == ["b"]
    assert [(made.chosen, made.failed) for made in decided(driver)] == [("a", ()), ("b", ())]
    driver.finish(FAILED)
    driver.ticks(2)
    assert driver.names() == ["b", "untried"]
    assert decided(driver)[-1].failed == ("b",)


def test_an_end_that_nobody_could_judge_is_no_failure() -> None:
    driver = Driver(policy(choice_of("untried", "a", "b")), RANKING)
    driver.confirm()
    driver.finish(OK)
    driver.tick()
    driver.ticks(16, errors=None)
    driver.ticks(3, errors=10.0)
    assert driver.names() == ["a", "b"]
    assert [made.failed for made in decided(driver)] == [(), ()]
    driver.finish(OK)
    driver.ticks(16)
    assert driver.names() == ["a", "b", "untried"]


def test_a_try_does_not_return_to_what_it_passed_over_before_a_start_was_refused() -> None:
    hinted = do("hinted", condition=above("hint", 5))
    driver = Driver(policy(Try("try", (hinted, do("a", mode=Mode.APPROVE), do("b")))))
    driver.confirm()
    driver.say(AnswerKind.DENY, "a", "oncall")
    driver.ticks(2, hint=10.0)
    assert driver.names() == ["b"]


def test_each_draw_has_a_seed_of_its_own_also_after_a_start_that_was_refused() -> None:
    driver = Driver(exploring(mode=Mode.APPROVE), ranking_of(a=0.6, b=0.5, c=0.4))
    driver.confirm()
    (first,) = decided(driver)
    driver.say(AnswerKind.DENY, str(first.chosen), "oncall")
    driver.ticks(2)
    second = decided(driver)[-1]
    assert second.failed == ()
    assert second.seed not in (None, first.seed)


def test_a_subtree_in_which_something_failed_has_failed() -> None:
    driver = Driver(policy(Choose("choose", (do("untried"), Steps("plan-a", (do("a"),)), do("b")))))
    driver.confirm()
    driver.finish(FAILED)
    driver.ticks(2)
    driver.finish(FAILED)
    driver.ticks(2)
    assert decided(driver)[-1].failed == ("untried", "plan-a")


@pytest.mark.parametrize("harm", [10.0, 0.0])
def test_a_failure_and_a_harm_let_it_out(harm: float) -> None:
    plan = replace(exploring(), root=policy(choice_of("untried", "a", "b")).root)
    driver = Driver(plan, RANKING)
    driver.confirm()
    driver.finish(OK)
    driver.ticks(16, harm=harm)
    driver.ticks(3, harm=0.0)
    assert driver.names()[:2] == ["a", "untried"]


def test_what_is_deferred_may_be_explored_with_its_exact_chance() -> None:
    ranking = held("b", a=0.5, b=0.6, c=0.1)
    for seed in range(50):
        driver = Driver(exploring(), ranking)
        driver.incident = replace(driver.incident, seed=seed)
        driver.confirm()
        made = decided(driver)[0]
        assert [(option.id, option.propensity) for option in made.options] == [("a", 0.5), ("c", 0.0), ("b", 0.5)]
        if made.explored:
            assert made.chosen == "b"
            return
    raise AssertionError("no seed of 50 explores")


@pytest.mark.parametrize(
    ("names", "order"),
    [
        ((), ["a", "b", "c"]),
        (("a",), ["b", "c", "a"]),
        (("a", "b"), ["c", "a", "b"]),
        (("a", "b", "c"), ["a", "b", "c"]),
        (("gone",), ["a", "b", "c"]),
        (("gone", "b"), ["a", "c", "b"]),
    ],
)
def test_what_is_deferred_keeps_its_order_among_itself(names: tuple[str, ...], order: list[str]) -> None:
    options = [Option(id=name, eligible=True) for name in "cba"]
    node = held(*names, a=0.6, b=0.5, c=0.1).nodes["choose"]
    ranked, chosen = rank(node, options, {}, ())
    assert [option.id for option in ranked] == order
    assert chosen == order[0]
    assert [option.propensity for option in ranked] == [1.0, 0.0, 0.0]


def test_where_nothing_else_may_be_started_what_is_deferred_is() -> None:
    options = [Option(id=name, eligible=name == "a") for name in "abc"]
    ranked, chosen = rank(held("a", a=0.6, b=0.5, c=0.1).nodes["choose"], options, {}, ())
    assert chosen == ranked[0].id == "a"
