"""One stuck actuator holds up no other incident: the loop over an executor whose actuators have threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from tests.unit.loop.test_loop import FakeClock, FakeSensor, Noted, policy_named

from homeostat.act.executor import Executor
from homeostat.loop import Loop, Outside
from homeostat.model import entries as e
from homeostat.model.commands import Done, NeverStarted, Report, Running, StartAction
from homeostat.model.reasons import EscalationReason, OutcomeStatus, Result
from homeostat.record.memory import MemoryJournal


class Plain:
    """Runs everything at once."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, command: StartAction) -> None:
        self.started.append(command.key)

    def lookup(self, key: str) -> Report:
        return Done(OutcomeStatus.OK, 1.0) if key in self.started else NeverStarted()

    def cancel(self, key: str) -> None:
        del key


class Stuck(Plain):
    """Never comes back from the calls named, until the test is over."""

    def __init__(self, *calls: str) -> None:
        super().__init__()
        self.calls = calls
        self.over = threading.Event()

    def _hang(self, call: str) -> None:
        if call in self.calls:
            self.over.wait(60.0)

    def start(self, command: StartAction) -> None:
        self._hang("start")
        super().start(command)

    def lookup(self, key: str) -> Report:
        self._hang("lookup")
        return Running("job") if key in self.started else NeverStarted()

    def cancel(self, key: str) -> None:
        self._hang("cancel")


@pytest.fixture(params=[("start",), ("lookup",), ("cancel",)])
def stuck(request: pytest.FixtureRequest) -> Iterator[Stuck]:
    stuck = Stuck(*request.param)
    yield stuck
    stuck.over.set()


def test_a_stuck_actuator_holds_up_only_its_own_incidents(stuck: Stuck) -> None:
    clock, sensor, plain = FakeClock(), FakeSensor(), Plain()
    journal, noted = MemoryJournal(), Noted()
    executor = Executor({"stuck": stuck, "plain": plain}, noted.failed, isolate=True)
    policies = {"a": policy_named("a", fake="stuck"), "b": policy_named("b", fake="plain")}
    loop = Loop(Outside(clock, sensor, executor, journal, noted), policies, "test", seed=1)
    loop.recover("0")
    sensor.values |= {"errors_a": 10.0, "errors_b": 10.0}
    closed: dict[str, Result] = {}
    for _ in range(60):
        loop.tick()
        clock.wait(5.0)
        time.sleep(0.005)  # a thread's turn; nothing waits for it
        if plain.started:
            sensor.values["errors_b"] = 0.0
        for stream in journal.incidents():
            entries = [record.entry for record in journal.read(stream)]
            opened = entries[0]
            if isinstance(opened, e.Suspected) and isinstance(entries[-1], e.Closed):
                closed[opened.policy] = entries[-1].result
    assert closed == {"b": Result.RECOVERED}
    own = [record.entry for stream in journal.open_incidents() for record in journal.read(stream)]
    escalated = [entry.reason for entry in own if isinstance(entry, e.Escalated)]
    assert escalated == [EscalationReason.CANCEL_UNCONFIRMED], "people are called for what is stuck"
    assert len({entry.key for entry in own if isinstance(entry, e.ActionIntended)}) == 1
    executor.close()
