from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from homeostat.model.commands import Done, InDoubt, NeverStarted, Running, StartAction
from homeostat.model.errors import ActuatorError
from homeostat.model.policy import ActionSpec
from homeostat.model.reasons import OutcomeStatus
from homeostat.simulate.bench.scripted_actuator import Conduct, Ending, Run, ScriptedActuator
from homeostat.simulate.bench.stage import BenchClock

KEY = "incident/step/1"


@dataclass
class Told:
    conducted: Conduct
    ran: list[Run] = field(default_factory=list)
    effects: list[tuple[str, float]] = field(default_factory=list)

    def conduct(self, run: Run) -> Conduct:
        self.ran.append(run)
        return self.conducted

    def succeeded(self, run: Run, at: float) -> None:
        self.effects.append((run.node, at))


def hands(conduct: Conduct) -> tuple[ScriptedActuator, BenchClock, Told]:
    clock, told = BenchClock(100.0), Told(conduct)
    return ScriptedActuator(clock, told), clock, told


def command(key: str = KEY, timeout_s: float = 60.0, actuator: str = "command") -> StartAction:
    return StartAction(key, ActionSpec("restart", actuator, {}), "svc/a", {}, timeout_s)


def test_a_run_takes_its_time_and_then_its_effect_once() -> None:
    actuator, clock, told = hands(Conduct(45.0))
    assert actuator.lookup(KEY) == NeverStarted()
    actuator.start(command())
    actuator.start(command())
    assert [(run.node, run.number, run.target) for run in told.ran] == [("step", 1, "svc/a")]
    clock.wait(30.0)
    actuator.settle()
    assert actuator.lookup(KEY) == Running("script")
    clock.wait(30.0)
    actuator.settle()
    actuator.settle()
    assert actuator.lookup(KEY) == Done(OutcomeStatus.OK, 45.0)
    assert told.effects == [("step", 145.0)]


@pytest.mark.parametrize(
    ("ending", "status"), [(Ending.ERROR, OutcomeStatus.ERROR), (Ending.HANG, OutcomeStatus.TIMEOUT)]
)
def test_what_does_not_succeed_has_no_effect(ending: Ending, status: OutcomeStatus) -> None:
    actuator, clock, told = hands(Conduct(10.0, ending))
    actuator.start(command())
    clock.wait(60.0)
    actuator.settle()
    report = actuator.lookup(KEY)
    assert isinstance(report, Done)
    assert report.status is status
    assert told.effects == []


def test_what_takes_longer_than_its_time_out_is_stopped_by_it() -> None:
    actuator, clock, _ = hands(Conduct(500.0))
    actuator.start(command())
    clock.wait(60.0)
    assert actuator.lookup(KEY) == Done(OutcomeStatus.TIMEOUT, 60.0)


def test_a_cancel_stops_all_but_the_deaf() -> None:
    actuator, clock, told = hands(Conduct(40.0))
    actuator.start(command())
    clock.wait(10.0)
    actuator.cancel(KEY)
    actuator.settle()
    assert actuator.lookup(KEY) == Done(OutcomeStatus.CANCELLED, 10.0)
    assert told.effects == []
    actuator, clock, _ = hands(Conduct(40.0, Ending.DEAF))
    actuator.start(command())
    actuator.cancel(KEY)
    clock.wait(1e6)
    assert actuator.lookup(KEY) == Running("script")


def test_a_key_that_was_cancelled_never_starts() -> None:
    actuator, _, told = hands(Conduct(0.0))
    actuator.cancel(KEY)
    actuator.start(command())
    assert told.ran == []
    assert isinstance(actuator.lookup(KEY), Done)


def test_a_lost_run_is_in_doubt_and_a_refused_one_never_was() -> None:
    actuator, _, _ = hands(Conduct(0.0, Ending.LOST))
    actuator.start(command())
    assert isinstance(actuator.lookup(KEY), InDoubt)
    actuator, _, _ = hands(Conduct(0.0, Ending.REFUSED))
    with pytest.raises(ActuatorError, match="refuses"):
        actuator.start(command())
    assert actuator.lookup(KEY) == NeverStarted()


def test_people_say_when_their_step_is_over() -> None:
    actuator, clock, told = hands(Conduct(0.0, Ending.HANG))
    assert not actuator.finish("step", well=True)
    actuator.start(command(actuator="manual"))
    clock.wait(20.0)
    assert actuator.finish("step", well=True)
    assert not actuator.finish("step", well=True)
    actuator.settle()
    assert told.ran[0].is_manual
    assert told.effects == [("step", 120.0)]
