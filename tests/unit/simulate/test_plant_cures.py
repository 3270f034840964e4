"""What helps against what: the documented matrix, measured."""

from __future__ import annotations

import functools

import pytest
from tests.unit.simulate.plant_trial import (
    START_AT,
    Nowhere,
    Recorder,
    Trial,
    await_health,
    finish,
    start_action,
    stays_healthy,
    trial,
)

from homeostat.model.reasons import OutcomeStatus
from homeostat.simulate.sandbox import faults
from homeostat.simulate.sandbox.faults import AuthDown, AuthMode, BadDeploy, CrashLoop, PoolLeak, StuckThreads
from homeostat.simulate.sandbox.plant import Plant
from homeostat.simulate.sandbox.plant_actuator import PlantActuator
from homeostat.simulate.sandbox.remedies import REMEDIES

SEEDS = range(10)
HELPS = {
    "pool_leak": {"pool.scale_up", "traffic.shift"},
    "auth_down": {"route.degraded_mode", "auth.restart", "traffic.shift"},
    "bad_deploy": {"deploy.rollback", "traffic.shift"},
    "crash_loop": {"config.rollback", "traffic.shift"},
    "stuck_threads": {"k8s.restart", "deploy.rollback", "traffic.shift"},
}
PARTLY = {("pool_leak", "deploy.rollback")}
"""Measured apart, below."""


@functools.cache
def trials(fault: str, remedy: str | None) -> list[Trial]:
    return [trial(fault, remedy, seed) for seed in SEEDS]


@pytest.mark.parametrize("fault", HELPS)
def test_without_a_remedy_the_fault_stays(fault: str) -> None:
    outcomes = trials(fault, None)
    assert not any(outcome.verified for outcome in outcomes)
    assert all(outcome.onset_s is not None and outcome.onset_s <= 150.0 for outcome in outcomes)
    assert sorted(outcome.onset_s or 0.0 for outcome in outcomes)[len(outcomes) // 2] <= 60.0


@pytest.mark.parametrize("remedy", REMEDIES)
@pytest.mark.parametrize("fault", HELPS)
def test_remedies_help_where_they_should_and_nowhere_else(fault: str, remedy: str) -> None:
    outcomes = trials(fault, remedy)
    lasting = sum(outcome.lasting for outcome in outcomes) / len(outcomes)
    if (fault, remedy) in PARTLY:
        assert 0.0 < lasting < 0.75
    elif remedy in HELPS[fault]:
        assert lasting >= 0.6
    else:
        assert lasting == 0.0
        assert sum(outcome.verified for outcome in outcomes) <= 3  # a leak may take a while to come back


def test_a_failed_remedy_never_helps() -> None:
    failed = [
        outcome
        for fault, remedies in HELPS.items()
        for remedy in sorted(remedies)
        for outcome in trials(fault, remedy)
        if outcome.status is not OutcomeStatus.OK
    ]
    assert failed
    assert not any(outcome.verified for outcome in failed)


def test_a_shift_helps_if_and_only_if_there_is_room() -> None:
    outcomes = [trial("stuck_threads", "traffic.shift", seed) for seed in range(60)]
    applied = [outcome for outcome in outcomes if outcome.status is OutcomeStatus.OK]
    roomy = [outcome.verified for outcome in applied if outcome.room > 0.5]
    tight = [outcome.verified for outcome in applied if outcome.room < 0.2]
    assert len(roomy) > 10
    assert len(tight) >= 3
    assert all(roomy)
    assert not any(tight)


def test_a_rollback_helps_a_leak_only_when_it_came_with_the_deploy() -> None:
    for outcome in (trial("pool_leak", "deploy.rollback", seed) for seed in range(40)):
        assert isinstance(outcome.fault, PoolLeak)
        if outcome.status is OutcomeStatus.OK:
            assert outcome.lasting is outcome.fault.with_deploy


@pytest.mark.parametrize("seed", range(5))
def test_a_restart_relieves_a_leak_and_it_relapses(seed: int) -> None:
    plant = Plant(Nowhere(), seed, START_AT)
    plant.inject(PoolLeak(connections=40.0, with_deploy=False, lasts_s=7_200.0), START_AT)
    assert await_health(plant, wanted=False, within_s=300.0) is not None
    plant.state.restart_payments(plant.now)
    assert await_health(plant, wanted=True, within_s=60.0) is not None
    relapse_s = await_health(plant, wanted=False, within_s=600.0)
    assert relapse_s is not None
    assert 20.0 <= relapse_s <= 300.0


def test_a_leak_ends_with_its_batch_job() -> None:
    plant = Plant(Nowhere(), 3, START_AT)
    plant.inject(PoolLeak(connections=40.0, with_deploy=False, lasts_s=900.0), START_AT)
    plant.advance(START_AT + 880.0)
    assert not plant.healthy
    plant.advance(START_AT + 1_200.0)
    assert plant.healthy


@pytest.mark.parametrize("seed", range(20))
def test_a_blip_heals_itself_soon(seed: int) -> None:
    outcome = trial("blip", None, seed)
    assert isinstance(outcome.fault, faults.Blip)
    assert 30.0 <= outcome.fault.lasts_s <= 90.0
    assert outcome.onset_s is not None
    assert outcome.lasting


def hung(share: float) -> AuthDown:
    return AuthDown(AuthMode.HUNG, share, 0.03, 0.001, scraped=False, restart_cures=True, cached_share=0.997)


def test_no_pool_the_database_allows_is_big_enough_for_a_hung_auth() -> None:
    samples = Recorder()
    plant = Plant(samples, 1, START_AT)
    plant.inject(hung(0.3), START_AT + 60.0)
    plant.advance(START_AT + 300.0)
    assert samples.last("payments_pool_in_use") == samples.last("payments_pool_size") == 40.0
    assert samples.last("payments_pool_waiting") > 10.0
    plant.state.pool_size = 80
    plant.advance(START_AT + 600.0)
    assert not plant.healthy
    assert samples.error_share() > 0.25


def test_degraded_mode_lets_the_pool_recover_while_auth_stays_down() -> None:
    samples = Recorder()
    plant = Plant(samples, 1, START_AT)
    plant.inject(hung(0.3), START_AT + 60.0)
    plant.advance(START_AT + 300.0)
    plant.state.degraded = True
    assert stays_healthy(plant, for_s=120.0, within_s=240.0)
    assert samples.last("payments_pool_in_use") < 25.0
    assert samples.last("up", "auth") == 0.0


def test_a_bigger_pool_takes_the_503s_of_a_leaking_release_and_leaves_its_500s() -> None:
    samples = Recorder()
    plant = Plant(samples, 1, START_AT)
    plant.inject(BadDeploy(latent=False, error_share=0.2, leaked_connections=38.0), START_AT + 60.0)
    plant.advance(START_AT + 600.0)
    before = samples.error_share()
    plant.state.pool_size = 60
    plant.advance(START_AT + 900.0)
    assert before > samples.error_share() + 0.03
    assert 0.15 < samples.error_share() < 0.25


def test_a_restart_of_a_crash_loop_only_starts_the_loop_again() -> None:
    samples = Recorder()
    plant = Plant(samples, 1, START_AT)
    plant.inject(CrashLoop(crash_after_s=10.0), START_AT + 60.0)
    plant.advance(START_AT + 300.0)
    plant.state.restart_payments(plant.now)
    plant.advance(START_AT + 600.0)
    assert not plant.healthy
    assert samples.increase("payments_restarts_total", scrapes=60) > 8
    assert set(samples.values("up", "payments", since=START_AT + 300.0)) == {0.0, 1.0}


def test_a_restart_does_not_cure_what_lies_behind_the_restarted() -> None:
    deep_auth = AuthDown(AuthMode.HUNG, 0.3, 0.03, 0.001, scraped=False, restart_cures=False, cached_share=0.997)
    for fault in (deep_auth, StuckThreads(share=0.1, restart_cures=False)):
        plant = Plant(Nowhere(), 1, START_AT)
        plant.inject(fault, START_AT + 60.0)
        plant.advance(START_AT + 120.0)
        plant.state.restart_auth()
        plant.state.restart_payments(plant.now)
        plant.advance(START_AT + 300.0)
        assert not plant.healthy


def test_degraded_mode_with_a_cold_cache_turns_the_uncached_away() -> None:
    samples = Recorder()
    cold = AuthDown(AuthMode.KILLED, 0.0, 0.03, 0.001, scraped=False, restart_cures=True, cached_share=0.9)
    plant = Plant(samples, 1, START_AT)
    plant.inject(cold, START_AT + 60.0)
    plant.advance(START_AT + 120.0)
    plant.state.degraded = True
    plant.advance(START_AT + 300.0)
    assert not plant.healthy
    assert samples.error_share() == pytest.approx(0.1, abs=0.03)


def test_too_big_a_pool_harms_a_sound_plant() -> None:
    samples = Recorder()
    plant = Plant(samples, 1, START_AT)
    actuator = PlantActuator(plant)
    for key in ("first", "second"):
        actuator.start(start_action("pool.scale_up", key, {"by": "50%", "max": 200}))
        assert finish(plant, actuator, key).status is OutcomeStatus.OK
        plant.advance(plant.now + 120.0)
        if key == "first":
            assert plant.healthy
    assert samples.last("payments_pool_size") == 90.0
    assert not plant.healthy
    assert samples.error_share() > 0.02


def test_a_shift_without_room_harms_more_than_the_fault() -> None:
    harmed = 0
    for seed in range(60):
        samples = Recorder()
        plant = Plant(samples, seed, START_AT)
        plant.inject(StuckThreads(share=0.06, restart_cures=True), START_AT + 30.0)
        plant.advance(START_AT + 180.0)
        if samples.last("standby_capacity_ratio") > 0.2:
            continue
        before, lost_before = samples.error_share(), samples.increase("payments_lost_total")
        plant.state.shifted_share = 1.0
        plant.advance(START_AT + 360.0)
        assert samples.error_share() > before
        assert samples.increase("payments_lost_total") > 2.0 * lost_before  # the standby's own users suffer too
        harmed += 1
    assert harmed >= 2
