from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import pytest
from tests.unit.act.act_world import KEY, command

from homeostat.act import isolated
from homeostat.act.executor import Executor
from homeostat.act.isolated import Isolated
from homeostat.model.commands import CancelAction, Done, NeverStarted, Report, Running, StartAction
from homeostat.model.errors import ActuatorError
from homeostat.model.reasons import OutcomeStatus

PATIENCE_S = 20.0
START = command(["true"])
OTHER = replace(START, key="i1/other/1", action=replace(START.action, actuator="other"))

R = TypeVar("R")


def until(look: Callable[[], R | None], what: str) -> R:
    give_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at:
        found = look()
        if found is not None:
            return found
        time.sleep(0.005)
    pytest.fail(f"waited for {what}")


class Hanging:
    """An actuator whose calls hang until they are let go."""

    def __init__(self, *hangs: str) -> None:
        self.hangs = set(hangs)
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.calls: list[tuple[str, str]] = []
        self.started: set[str] = set()
        self.withdrawn: set[str] = set()

    def _call(self, kind: str, key: str) -> None:
        self.calls.append((kind, key))
        if kind in self.hangs:
            self.entered.set()
            self.gate.wait(PATIENCE_S)

    def start(self, command: StartAction) -> None:
        self._call("start", command.key)
        if command.key not in self.withdrawn:
            self.started.add(command.key)

    def lookup(self, key: str) -> Report:
        self._call("lookup", key)
        if key in self.withdrawn:
            return Done(OutcomeStatus.CANCELLED, 0.0)
        return Running("job") if key in self.started else NeverStarted()

    def cancel(self, key: str) -> None:
        self._call("cancel", key)
        self.withdrawn.add(key)


@pytest.fixture
def world() -> Iterator[tuple[Hanging, Hanging, Executor, list[Exception]]]:
    told: list[Exception] = []
    stuck, other = Hanging(), Hanging()
    executor = Executor({"command": stuck, "other": other}, lambda _what, error: told.append(error), isolate=True)
    yield stuck, other, executor, told
    stuck.gate.set()
    executor.close()


World = tuple[Hanging, Hanging, Executor, list[Exception]]


@pytest.mark.parametrize("call", ["start", "lookup", "cancel"])
def test_an_actuator_that_hangs_holds_up_neither_the_caller_nor_another_actuator(call: str, world: World) -> None:
    stuck, other, executor, _ = world
    stuck.hangs = {call}
    executor.carry_out(START)
    if call == "cancel":
        executor.carry_out(CancelAction(KEY, START.action))
    until(lambda: (executor.report(KEY, "command"), stuck.entered.is_set() or None)[1], "the call that hangs")
    for _ in range(20):
        assert executor.report(KEY, "command") is None
    executor.carry_out(OTHER)
    assert until(lambda: executor.report(OTHER.key, "other"), "the other's report") == Running("job")
    assert other.started == {OTHER.key}
    assert not stuck.gate.is_set()


def test_a_start_that_still_waits_is_never_reported_never_started(world: World) -> None:
    stuck, _, executor, _ = world
    stuck.hangs = {"lookup"}
    executor.report("i0/before/1", "command")
    assert stuck.entered.wait(PATIENCE_S)
    executor.carry_out(START)
    for _ in range(5):
        assert executor.report(KEY, "command") is None
    stuck.gate.set()
    seen: list[Report] = []

    def look() -> Report | None:
        report = executor.report(KEY, "command")
        seen.extend([] if report is None else [report])
        return report

    assert until(look, "a report") == Running("job")
    assert NeverStarted() not in seen


def test_an_answer_from_before_a_start_does_not_count_after_it(world: World) -> None:
    stuck, _, executor, _ = world
    stuck.hangs = {"lookup"}
    assert executor.report(KEY, "command") is None
    assert stuck.entered.wait(PATIENCE_S)
    executor.carry_out(START)
    stuck.gate.set()
    assert until(lambda: executor.report(KEY, "command"), "a report") == Running("job")


def test_a_start_is_made_before_its_cancel_and_not_at_all_once_its_cancel_waits(world: World) -> None:
    stuck, _, executor, _ = world
    executor.carry_out(START)
    executor.carry_out(CancelAction(KEY, START.action))
    done = until(lambda: _done(executor.report(KEY, "command")), "the end")
    assert done.status is OutcomeStatus.CANCELLED
    kinds = [kind for kind, key in stuck.calls if key == KEY and kind != "lookup"]
    assert kinds in (["start", "cancel"], ["cancel"])

    stuck.hangs = {"lookup"}
    executor.report("i0/before/1", "command")
    assert stuck.entered.wait(PATIENCE_S)
    late = replace(START, key="i2/restart/1")
    executor.carry_out(late)
    executor.carry_out(CancelAction(late.key, late.action))
    stuck.gate.set()
    until(lambda: _done(executor.report(late.key, "command")), "the end of the second")
    assert ("start", late.key) not in stuck.calls
    assert late.key not in stuck.started


def _done(report: Report | None) -> Done | None:
    return report if isinstance(report, Done) else None


def test_what_is_asked_twice_is_called_once_and_too_much_is_turned_away(world: World) -> None:
    stuck, _, executor, _ = world
    stuck.hangs = {"start"}
    executor.carry_out(START)
    assert stuck.entered.wait(PATIENCE_S)
    for _ in range(5):
        executor.carry_out(START)
        executor.carry_out(CancelAction("i1/other/1", START.action))
    assert executor.loads()["command"].waiting == 1
    for number in range(isolated.QUEUE_MAX - 1):
        executor.carry_out(replace(START, key=f"many{number}/restart/1"))
    with pytest.raises(ActuatorError, match=r"actuator 'command': no start now: 256 calls of it wait already"):
        executor.carry_out(replace(START, key="one/too/many"))
    load = executor.loads()["command"]
    assert (load.waiting, load.turned_away) == (isolated.QUEUE_MAX, 1)
    assert load.busy_s > 0


def test_a_start_that_waited_too_long_is_not_made_and_somebody_is_told() -> None:
    hanging, told, now = Hanging("lookup"), [], [0.0]
    hand = Isolated("command", hanging, lambda *what: told.append(what), lambda: now[0])
    with pytest.raises(ActuatorError, match="stops"):
        _closed(hand)
    hand = Isolated("command", _Reporting(hanging), lambda *what: told.append(what), lambda: now[0])
    assert hand.report("i0/before/1") is None
    assert hanging.entered.wait(PATIENCE_S)
    hand.start(START)
    now[0] += isolated.START_AGE_MAX_S + 1
    hanging.gate.set()
    until(lambda: told or None, "the word")
    assert until(lambda: hand.report(KEY), "a report") == NeverStarted()
    assert hanging.started == set()
    assert "was not made" in str(told[0][1])
    hand.close()


class _Reporting(Hanging):
    def __init__(self, inner: Hanging) -> None:
        self.__dict__ = inner.__dict__


def _closed(hand: Isolated) -> None:
    hand.close()
    hand.start(START)


def test_a_stuck_call_is_told_of_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, _, executor, told = world
    monkeypatch.setattr(isolated, "STUCK_S", 0.05)
    stuck.hangs = {"start"}
    executor.carry_out(START)
    assert stuck.entered.wait(PATIENCE_S)
    until(lambda: (executor.report(KEY, "command"), told or None)[1], "the word")
    for _ in range(5):
        executor.report(KEY, "command")
    assert [str(error) for error in told] == ["it has been stuck in one call for 0 s"]


class _Leaving(Hanging):
    def lookup(self, key: str) -> Report:
        if not self.calls:
            self.calls.append(("lookup", key))
            sys.exit("a library's own idea of an error")
        return super().lookup(key)


def test_a_plugin_that_wants_to_end_the_process_loses_one_call_and_not_its_thread() -> None:
    told: list[Exception] = []
    executor = Executor({"command": _Leaving()}, lambda _what, error: told.append(error), isolate=True)
    assert until(lambda: executor.report(KEY, "command"), "an answer") == NeverStarted()
    assert [str(error) for error in told] == ["actuator 'command': SystemExit: a library's own idea of an error"]
    executor.close()


def test_after_the_end_nothing_that_waited_is_started(world: World) -> None:
    stuck, _, executor, _ = world
    stuck.hangs = {"lookup"}
    executor.report("i0/before/1", "command")
    assert stuck.entered.wait(PATIENCE_S)
    executor.carry_out(START)
    closing = threading.Thread(target=executor.close)
    closing.start()
    until(lambda: True if executor.loads()["command"].waiting == 0 else None, "the queue's end")
    stuck.gate.set()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert stuck.started == set()
    with pytest.raises(ActuatorError, match="the agent stops"):
        executor.carry_out(START)


def test_the_caller_waits_for_many_answers_of_a_slow_actuator_within_its_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, waits = [0.0], []
    hand = Isolated("command", Hanging("lookup"), lambda *_: None, lambda: now[0])

    def wait_for(_self: threading.Condition, _predicate: Callable[[], bool], timeout: float = 0.0) -> bool:
        waits.append(timeout)
        now[0] += timeout
        return False

    hand._thread = threading.current_thread()  # so that nobody answers, and only this thread waits
    monkeypatch.setattr(threading.Condition, "wait_for", wait_for)
    for number in range(100):
        hand.report(f"i{number}/restart/1")
    assert len(waits) == 100
    assert sum(waits) <= isolated.PATIENCE_S + isolated.PATIENCE_SHARE * now[0]


def test_too_late_is_not_started_and_never_will_be() -> None:
    plain, now = Hanging(), [99.0]
    executor = Executor(
        {"command": plain}, start_before=lambda key: 100.0 if key == KEY else None, boottime=lambda: now[0]
    )
    executor.carry_out(OTHER_KEY)
    executor.carry_out(START)
    assert plain.started == {KEY, OTHER_KEY.key}
    now[0] = 100.0
    late = Executor({"command": Hanging()}, start_before=lambda _key: 100.0, boottime=lambda: now[0])
    late.carry_out(START)
    report = late.report(KEY, "command")
    assert isinstance(report, Done)
    assert report.status is OutcomeStatus.CANCELLED


OTHER_KEY = replace(START, key="i9/restart/1")


def test_what_runs_is_not_stopped_by_a_start_that_comes_too_late() -> None:
    plain = Hanging()
    bound: list[float | None] = [None]
    executor = Executor({"command": plain}, start_before=lambda _key: bound[0], boottime=lambda: 100.0)
    executor.carry_out(START)
    bound[0] = 50.0
    executor.carry_out(START)
    assert executor.report(KEY, "command") == Running("job")


def test_what_is_not_allowed_is_settled_without_a_start() -> None:
    plain = Hanging()
    executor = Executor({"command": plain}, allowed=lambda command: f"policy '{command.policy}' may not")
    executor.carry_out(replace(START, policy="shop"))
    assert plain.started == set()
    assert isinstance(executor.report(KEY, "command"), Done)


def test_who_starts_it_is_told_until_when_it_may_begin() -> None:
    given: list[StartAction] = []

    class Taking(Hanging):
        def start(self, command: StartAction) -> None:
            given.append(command)

    Executor({"command": Taking()}, start_before=lambda _key: 7.0, boottime=lambda: 6.9).carry_out(START)
    assert [command.start_before_s for command in given] == [7.0]
