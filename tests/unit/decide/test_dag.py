from dataclasses import replace

from tests.unit.decide.builders import FAILED, Driver, above, do, policy, undo_of

from homeostat.decide.guards import is_safe_point
from homeostat.model import entries as e
from homeostat.model.commands import Done, NeverStarted
from homeostat.model.policy import Dag, Escalate, Node, Steps, Wait
from homeostat.model.reasons import EscalationReason, OutcomeStatus, Phase, Reason, Result


def leaf(name: str, target: str | None = None) -> Node:
    return do(name, target=target, verify=None)


def dag(
    *children: Node, concurrency_max: int | None = None, remaining_s: dict[str, float] | None = None, **needs: str
) -> Dag:
    wanted = {child: tuple(given.split()) for child, given in needs.items()}
    return Dag("dag", children, wanted, concurrency_max, remaining_s or {})


def test_all_that_is_ready_starts_at_once_and_the_rest_when_its_needs_are_met() -> None:
    driver = Driver(
        policy(dag(leaf("replica"), leaf("servers"), leaf("cache"), leaf("switch"), switch="replica servers cache"))
    )
    driver.confirm()
    assert driver.names() == ["replica", "servers", "cache"]
    driver.end("servers")
    driver.end("cache")
    driver.ticks(3)
    assert driver.names() == ["replica", "servers", "cache"]
    driver.end("replica")
    driver.tick()
    assert driver.names()[3:] == ["switch"]
    driver.end("switch")
    driver.ticks(10, errors=0.0)
    assert driver.incident.result is Result.RECOVERED


def test_a_chain_through_finished_children_goes_on_within_one_step() -> None:
    never = above("hint", 100)
    skipped = replace(do("a", verify=None), condition=never)
    driver = Driver(policy(dag(skipped, leaf("b"), b="a")))
    driver.confirm()
    assert driver.names() == ["b"]


def test_a_failure_starts_nothing_new_and_lets_what_runs_end() -> None:
    children = (leaf("bad"), leaf("slow"), leaf("after_bad"), leaf("after_slow"))
    driver = Driver(policy(dag(*children, after_bad="bad", after_slow="slow")))
    driver.confirm()
    driver.end("bad", FAILED)
    driver.ticks(3)
    assert driver.names() == ["bad", "slow"]
    assert driver.incident.phase is Phase.ACTING
    driver.end("slow")
    driver.ticks(2)
    assert driver.names() == ["bad", "slow"]
    assert driver.incident.escalation is EscalationReason.PLAN_FAILED
    assert not any(command for command in driver.cancelled)


def test_a_failure_in_the_very_step_that_begins_children_begins_no_more() -> None:
    tired = replace(do("tired", verify=None), cooldown_s=1000.0)
    driver = Driver(policy(dag(tired, leaf("other"))))
    driver.ledger = replace_last_start(driver, "tired", "svc/tired")
    driver.confirm()
    assert driver.names() == []
    assert driver.incident.escalation is EscalationReason.PLAN_FAILED


def replace_last_start(driver: Driver, action: str, target: str):  # type: ignore[no-untyped-def]  # a helper of one line
    from homeostat.model.incident import Ledger

    return Ledger(last_start={(action, target): driver.now})


def test_nothing_is_started_in_the_step_that_calls_people() -> None:
    undone = do("a", undo=undo_of("a"))
    driver = Driver(policy(Dag("dag", (undone, do("b"), Escalate("call", "lead")))))
    driver.confirm()
    assert driver.incident.phase is Phase.ESCALATED
    assert driver.names() == []
    keys = [entry.key for entry in driver.entries if isinstance(entry, e.ActionIntended)]
    driver.reports = {key: NeverStarted() for key in keys}
    driver.tick()
    assert {command.key for command in driver.cancelled} == set(keys)
    driver.reports = {key: Done(OutcomeStatus.CANCELLED, 0.0) for key in keys}
    driver.ticks(2)
    assert driver.names() == []
    assert driver.ledger.locks == {}


def test_a_running_child_whose_verify_fails_is_undone_although_the_dag_has_failed() -> None:
    risky = do("risky", undo=undo_of("risky"))
    driver = Driver(policy(dag(risky, leaf("bad"))))
    driver.confirm()
    driver.end("bad", FAILED)
    driver.end("risky")
    driver.ticks(15)
    assert driver.names() == ["risky", "bad", "risky.undo"]
    driver.end("risky.undo")
    driver.ticks(2)
    assert driver.incident.escalation is EscalationReason.PLAN_FAILED


def test_a_nested_sequence_stops_where_it_is_when_a_sibling_fails() -> None:
    sequence = Steps("sequence", (leaf("one"), leaf("two")))
    driver = Driver(policy(dag(sequence, leaf("bad"))))
    driver.confirm()
    driver.end("bad", FAILED)
    driver.tick()
    driver.end("one")
    driver.ticks(3)
    assert driver.names() == ["one", "bad"]
    assert driver.incident.escalation is EscalationReason.PLAN_FAILED


def test_two_steps_on_one_target_never_run_at_once() -> None:
    driver = Driver(policy(dag(leaf("first", "db/shop"), leaf("second", "db/shop"))))
    driver.confirm()
    assert driver.names() == ["first"]
    assert Reason.TARGET_LOCKED in [entry.reason for entry in driver.entries if isinstance(entry, e.DecisionWithheld)]
    driver.end("first")
    driver.tick()
    assert driver.names() == ["first", "second"]


def test_with_a_limit_the_longest_chain_goes_first() -> None:
    children = (leaf("short"), leaf("long"), leaf("middle"), leaf("tail"))
    remaining = {"short": 10.0, "long": 300.0, "middle": 200.0, "tail": 100.0}
    driver = Driver(policy(dag(*children, concurrency_max=2, remaining_s=remaining, tail="long")))
    driver.confirm()
    assert driver.names() == ["long", "middle"]
    driver.end("long")
    driver.tick()
    assert driver.names() == ["long", "middle", "tail"]
    driver.end("tail")
    driver.end("middle")
    driver.tick()
    assert driver.names()[3:] == ["short"]


def test_a_crash_in_the_middle_loses_and_doubles_nothing() -> None:
    driver = Driver(policy(dag(leaf("a"), leaf("b"), leaf("c"), c="a b")))
    driver.confirm()
    driver.end("a")
    driver.tick()
    driver.restart()
    driver.ticks(3)
    assert driver.names() == ["a", "b"]
    driver.end("b")
    driver.tick()
    assert driver.names() == ["a", "b", "c"]


def test_a_dag_in_flight_is_no_safe_point() -> None:
    from homeostat.decide.turn import Turn

    driver = Driver(policy(dag(leaf("a"), leaf("b"))))
    driver.confirm()
    driver.ticks(10, errors=0.0)
    assert not is_safe_point(Turn(driver.policy, driver.incident, driver.moment()))
    assert driver.incident.phase is Phase.ACTING


def test_waits_and_actions_stand_side_by_side() -> None:
    driver = Driver(policy(dag(Wait("pause", 30.0), leaf("a"), leaf("after"), after="pause a")))
    driver.confirm()
    driver.end("a")
    driver.ticks(5)
    assert driver.names() == ["a"]
    driver.ticks(2)
    assert driver.names() == ["a", "after"]


def test_what_ends_with_the_failure_in_one_step_starts_nothing_either() -> None:
    sequence = Steps("sequence", (leaf("one"), leaf("two")))
    driver = Driver(policy(dag(sequence, leaf("bad"))))
    driver.confirm()
    driver.end("bad", FAILED)
    driver.end("one")
    driver.ticks(3)
    assert driver.names() == ["one", "bad"]
