"""Recorded incidents with people, parallel steps and undos go through the same step, with the same answers."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.decide.builders import FAILED, Driver, do, policy, undo_of
from tests.unit.decide.test_exploration import RANKING, explored

from homeostat.model.answers import AnswerKind
from homeostat.model.autonomy import Earning, Mode
from homeostat.model.incident import Ledger
from homeostat.model.policy import Approval, Dag, Policy, Try
from homeostat.model.track_record import TrackRecord
from homeostat.simulate.replay import Verdict, replay


def parallel() -> Policy:
    return policy(
        Dag("dag", (do("a", verify=None), do("b", verify=None), do("c", verify=None)), {"c": ("a", "b")}),
        do("switch", approval=Approval(("dba",), 100.0)),
    )


def recorded() -> Driver:
    driver = Driver(parallel())
    driver.people = {"dba": frozenset({"dana"})}
    driver.confirm()
    driver.tick()
    driver.end("b")
    driver.end("a")
    driver.ticks(2)
    driver.end("c")
    driver.ticks(3)
    driver.say(AnswerKind.APPROVE, "switch", "dana")
    driver.ticks(2)
    driver.end("switch")
    driver.ticks(12, errors=0.0)
    return driver


def test_parallel_steps_and_an_approval_replay_as_they_were() -> None:
    driver = recorded()
    replayed = replay(driver.policy, driver.entries)
    assert replayed.verdict is Verdict.RECOVERED, replayed.why
    assert [start.action for start in replayed.starts] == ["a", "b", "c", "switch"]
    assert replayed.shift_s == 0.0


def test_without_the_approval_the_recording_shows_another_world() -> None:
    driver = recorded()
    silent = [entry for entry in driver.entries if not entry.TYPE.startswith("approval.")]
    replayed = replay(driver.policy, silent)
    assert replayed.verdict is Verdict.UNKNOWN
    assert "would not have started switch" in replayed.why


def test_a_policy_that_would_go_on_one_by_one_is_told_so() -> None:
    driver = recorded()
    dag = driver.policy.root.children[0]
    assert isinstance(dag, Dag)
    chain = replace(dag, needs={"b": ("a",), "c": ("b",)})
    root = replace(driver.policy.root, children=(chain, driver.policy.root.children[1]))
    assert replay(replace(driver.policy, root=root), driver.entries).verdict is Verdict.UNKNOWN


def test_an_undo_is_replayed() -> None:
    driver = Driver(policy(Try("try", (do("scale", undo=undo_of("scale")), do("restart")))))
    driver.confirm()
    driver.finish()
    driver.ticks(14)
    driver.finish()
    driver.ticks(3)
    driver.finish(FAILED)
    driver.ticks(3)
    replayed = replay(driver.policy, driver.entries)
    assert [start.action for start in replayed.starts] == ["scale", "scale.undo", "restart"]
    assert replayed.verdict is Verdict.ESCALATED


def test_what_was_explored_is_explored_again() -> None:
    driver = explored()
    driver.finish()
    driver.ticks(10, errors=0.0)
    replayed = replay(driver.policy, driver.entries, RANKING)
    assert [(start.action, start.recorded) for start in replayed.starts] == [("b", True)]
    assert replayed.verdict is Verdict.RECOVERED, replayed.why


def test_a_step_may_do_by_itself_what_it_had_earned_by_then() -> None:
    leaf = replace(do("restart", mode=Mode.AUTO), earning=Earning(Mode.SUGGEST, "step", 2))
    driver = Driver(policy(leaf))
    driver.ledger = Ledger(track_records={("p", "step"): TrackRecord("p", "restart", 2)})
    driver.confirm()
    driver.finish()
    driver.ticks(10, errors=0.0)
    assert replay(driver.policy, driver.entries).verdict is Verdict.RECOVERED
    changed = replace(leaf, earning=Earning(Mode.SUGGEST, "another step", 2))
    assert replay(policy(changed), driver.entries).verdict is Verdict.UNKNOWN
