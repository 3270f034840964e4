"""Remedies in virtual time: exactly once, cancellable, and allowed to fail."""

from __future__ import annotations

import hashlib
import statistics
from dataclasses import replace

import pytest
from tests.unit.simulate.plant_trial import START_AT, Nowhere, finish, start_action

from homeostat.model.commands import Done, NeverStarted, Running
from homeostat.model.errors import ActuatorError
from homeostat.model.policy import Scalar
from homeostat.model.ports import Actuator
from homeostat.model.reasons import OutcomeStatus
from homeostat.simulate.sandbox.plant import Plant
from homeostat.simulate.sandbox.plant_actuator import PlantActuator
from homeostat.simulate.sandbox.remedies import REMEDIES


def plant_and_actuator(seed: int = 1) -> tuple[Plant, PlantActuator]:
    plant = Plant(Nowhere(), seed, START_AT)
    plant.advance(START_AT + 30.0)
    return plant, PlantActuator(plant)


def test_it_is_an_actuator() -> None:
    _, actuator = plant_and_actuator()
    port: Actuator = actuator
    assert isinstance(port.lookup("unheard of"), NeverStarted)


def test_the_effect_comes_at_the_end_and_not_before() -> None:
    plant, actuator = plant_and_actuator()
    actuator.start(start_action("pool.scale_up"))
    assert isinstance(actuator.lookup("key"), Running)
    assert plant.state.pool_size == 40
    while isinstance(actuator.lookup("key"), Running):
        assert plant.state.pool_size == 40
        plant.advance(plant.now + 0.5)
    done = actuator.lookup("key")
    assert isinstance(done, Done)
    assert plant.state.pool_size == 60
    assert done.status is OutcomeStatus.OK
    assert done.exit_code == 0
    assert done.output == "pay-pool: size 40 -> 60"
    assert done.output_sha256 == hashlib.sha256(done.output.encode()).hexdigest()
    assert plant.now - START_AT - 30.0 == pytest.approx(done.duration_s, abs=0.5)


def test_a_key_has_its_effect_exactly_once_however_often_it_is_started() -> None:
    plant, actuator = plant_and_actuator()
    command = start_action("pool.scale_up", arguments={"by": 0.5, "max": 500})
    for _ in range(20):
        actuator.start(command)
        plant.advance(plant.now + 10.0)
    assert isinstance(finish(plant, actuator), Done)
    actuator.start(command)
    plant.advance(plant.now + 600.0)
    assert plant.state.pool_size == 60
    assert actuator.effects == {"key": 1}
    actuator.start(replace(command, key="other"))
    finish(plant, actuator, "other")
    assert plant.state.pool_size == 90
    assert actuator.effects == {"key": 1, "other": 1}


def test_a_cancelled_remedy_stops_soon_and_has_no_effect() -> None:
    plant, actuator = plant_and_actuator()
    actuator.start(start_action("traffic.shift"))
    plant.advance(plant.now + 5.0)
    actuator.cancel("key")
    actuator.cancel("key")
    assert isinstance(actuator.lookup("key"), Running)
    plant.advance(plant.now + 2.0)
    done = actuator.lookup("key")
    assert isinstance(done, Done)
    assert done.status is OutcomeStatus.CANCELLED
    assert done.duration_s == pytest.approx(6.0)
    assert done.exit_code is None
    plant.advance(plant.now + 1_800.0)
    assert actuator.lookup("key") == done
    assert plant.state.shifted_share == 0.0
    assert not actuator.effects


def test_a_cancelled_key_that_never_started_never_will() -> None:
    plant, actuator = plant_and_actuator()
    actuator.cancel("key")
    actuator.start(start_action("pool.scale_up"))
    plant.advance(plant.now + 600.0)
    assert actuator.lookup("key") == Done(OutcomeStatus.CANCELLED, 0.0)
    assert not actuator.effects


def test_cancelling_what_has_ended_changes_nothing() -> None:
    plant, actuator = plant_and_actuator()
    actuator.start(start_action("pool.scale_up"))
    done = finish(plant, actuator)
    actuator.cancel("key")
    plant.advance(plant.now + 60.0)
    assert actuator.lookup("key") == done


def test_a_remedy_that_takes_too_long_times_out_without_effect() -> None:
    plant, actuator = plant_and_actuator()
    actuator.start(start_action("deploy.rollback", timeout_s=3.0))
    release = plant.state.release
    plant.advance(plant.now + 3.0)
    done = actuator.lookup("key")
    assert isinstance(done, Done)
    assert (done.status, done.duration_s, done.exit_code) == (OutcomeStatus.TIMEOUT, 3.0, None)
    plant.advance(plant.now + 600.0)
    assert plant.state.release == release
    assert not actuator.effects


@pytest.mark.parametrize("name", REMEDIES)
def test_durations_and_failures_have_the_declared_odds(name: str) -> None:
    remedy = REMEDIES[name]
    durations, failed = [], 0
    for seed in range(150):
        plant = Plant(Nowhere(), seed, START_AT)
        actuator = PlantActuator(plant)
        actuator.start(start_action(name, timeout_s=10_000.0))
        report = None
        while not isinstance(report := actuator.lookup("key"), Done):
            plant.advance(plant.now + 100.0)
        durations.append(report.duration_s)
        if report.status is OutcomeStatus.ERROR:
            failed += 1
            assert report.exit_code == 1
            assert report.output == remedy.failure
            assert not actuator.effects
        else:
            assert report.status is OutcomeStatus.OK
            assert actuator.effects == {"key": 1}
    assert statistics.median(durations) == pytest.approx(remedy.takes_s, rel=0.2)
    assert 0 < failed <= 150 * (remedy.fails_share + 0.06)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("pool.scale_up", {"by": "half"}, "by: 'half' is not a number or percentage in 0..10"),
        ("pool.scale_up", {"by": True}, "by: True is not a number or percentage in 0..10"),
        ("pool.scale_up", {"max": -3}, "max: -3 is not a number or percentage in 1..1000"),
        ("pool.scale_up", {"bi": 0.5}, "pool.scale_up: unknown argument 'bi'; did you mean 'by'?"),
        ("k8s.restart", {"grace": 3}, "k8s.restart: unknown argument 'grace'; it takes none"),
        ("route.degraded_mode", {"auth": "none"}, "auth: 'none' is not a way to do without auth; use 'cached_tokens'"),
    ],
)
def test_wrong_arguments_end_in_exit_code_two(name: str, arguments: dict[str, Scalar], message: str) -> None:
    plant, actuator = plant_and_actuator()
    actuator.start(start_action(name, arguments=arguments))
    done = finish(plant, actuator)
    assert (done.status, done.exit_code, done.output) == (OutcomeStatus.ERROR, 2, message)
    assert not actuator.effects


def test_a_second_rollback_fails_when_there_is_no_earlier_release() -> None:
    plant, actuator = plant_and_actuator()
    actuator.start(start_action("deploy.rollback", "first"))
    assert finish(plant, actuator, "first").status is OutcomeStatus.OK
    actuator.start(start_action("deploy.rollback", "second"))
    done = finish(plant, actuator, "second")
    assert (done.status, done.exit_code) == (OutcomeStatus.ERROR, 1)
    assert "no earlier revision" in done.output


def test_unknown_actions_and_targets_are_refused_with_the_nearest_right_one() -> None:
    _, actuator = plant_and_actuator()
    command = start_action("k8s.restart")
    misspelt = replace(command, action=replace(command.action, name="k8s.restat"))
    with pytest.raises(ActuatorError, match=r"did you mean 'k8s\.restart'"):
        actuator.start(misspelt)
    with pytest.raises(ActuatorError, match="its target in the plant is 'deploy/pay'"):
        actuator.start(replace(command, target="deploy/auth"))
    assert isinstance(actuator.lookup("key"), NeverStarted)
    actuator.start(command)
    assert isinstance(actuator.lookup("key"), Running)


def test_what_still_runs_at_a_reset_comes_to_nothing() -> None:
    plant, actuator = plant_and_actuator()
    actuator.start(start_action("route.degraded_mode"))
    plant.reset()
    done = finish(plant, actuator)
    assert (done.status, done.detail) == (OutcomeStatus.CANCELLED, "stopped by the next shift")
    assert not plant.state.degraded
    assert not actuator.effects


def test_the_odds_depend_on_the_use_and_not_on_the_key_or_on_what_came_before() -> None:
    ends = []
    for warm_up in (0, 3):
        plant, actuator = plant_and_actuator(seed=8)
        for number in range(warm_up):
            actuator.start(start_action("k8s.restart", f"warm-up {number}"))
        actuator.start(start_action("deploy.rollback", f"key {warm_up}"))
        ends.append(finish(plant, actuator, f"key {warm_up}").duration_s)
    assert ends[0] == pytest.approx(ends[1])
