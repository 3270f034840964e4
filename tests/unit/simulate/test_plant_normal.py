"""An ordinary day, and the parts the plant is made of."""

from __future__ import annotations

import math
import statistics
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.simulate.plant_trial import START_AT, Nowhere, Recorder

from homeostat.simulate.sandbox.chance import binomial, lognormal, poisson
from homeostat.simulate.sandbox.plant import Plant
from homeostat.simulate.sandbox.processes import PROCESSES, Processes
from homeostat.simulate.sandbox.queueing import UTILISATION_MAX, pool_flow
from homeostat.simulate.sandbox.traffic import Weather, standby_served_share

DAY_S = 86_400.0
CODES = ("200", "500", "503")


@pytest.mark.parametrize("seed", range(3))
def test_an_ordinary_day_has_few_errors_and_no_bad_minute(seed: int) -> None:
    samples = Recorder()
    plant = Plant(samples, seed, START_AT)
    plant.advance(START_AT + DAY_S)
    totals = list(zip(*(samples.values("payments_requests_total", code) for code in CODES), strict=True))
    good, failed, refused = totals[-1]
    assert 0.0 < (failed + refused) / (good + failed + refused) < 0.005
    for before, after in zip(totals[:-12], totals[12:], strict=True):
        minute = [late - early for early, late in zip(before, after, strict=True)]
        assert sum(minute[1:]) < 0.02 * sum(minute)
    in_use = samples.values("payments_pool_in_use")
    assert 8.0 < statistics.fmean(in_use) < 20.0
    assert plant.cause is None


def test_ordinary_days_hold_deploys_and_pushes_that_do_no_harm() -> None:
    samples = Recorder()
    plant = Plant(samples, 7, START_AT)
    plant.advance(START_AT + DAY_S)
    assert len(set(samples.values("payments_deploy_timestamp_seconds"))) >= 3
    assert len([key for key in samples.series if key[0] == "payments_config_version_info"]) >= 2
    assert plant.healthy


def test_traffic_wobbles_over_the_day_around_fifty_a_second() -> None:
    samples = Recorder()
    plant = Plant(samples, 5, START_AT)
    plant.advance(START_AT + DAY_S)
    answered = samples.values("payments_request_duration_seconds_count")
    hourly = [(late - early) / 3_600.0 for early, late in zip(answered[:-720:720], answered[720::720], strict=True)]
    assert 46.0 < statistics.fmean(hourly) < 54.0
    assert 34.0 < min(hourly) < 44.0
    assert 56.0 < max(hourly) < 66.0


def test_standby_room_varies_within_a_day_of_days() -> None:
    weather = Weather(seed=3)
    rooms = []
    for minute in range(4 * 1_440):
        weather.advance(60.0, START_AT + 60.0 * minute)
        rooms.append(weather.room)
    assert min(rooms) < 0.3
    assert max(rooms) > 0.7
    assert all(0.0 < room < 1.0 for room in rooms)


def test_a_plant_without_traffic_yet_is_not_called_healthy() -> None:
    plant = Plant(Nowhere(), 1, START_AT)
    assert not plant.healthy
    plant.advance(START_AT)
    assert not plant.healthy
    plant.advance(START_AT + 5.0)
    assert plant.healthy


@given(
    rate=st.floats(0.0, 500.0),
    hold_s=st.floats(0.01, 10.0),
    connections=st.floats(0.0, 100.0),
    patience_s=st.floats(0.1, 5.0),
)
def test_a_pool_never_serves_more_than_is_asked_or_than_it_can(
    rate: float, hold_s: float, connections: float, patience_s: float
) -> None:
    flow = pool_flow(rate, hold_s, connections, patience_s)
    assert 0.0 <= flow.served_rate <= rate
    assert flow.served_rate * hold_s <= connections * UTILISATION_MAX + 1e-9
    assert 0.0 <= flow.busy <= connections + 1e-9
    assert 0.0 <= flow.waiting <= rate * patience_s + 1e-9
    assert 0.0 <= flow.wait_s <= patience_s + 1e-9


@pytest.mark.parametrize("utilisation", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("connections", [1, 10, 40])
def test_the_queue_is_near_the_exact_one_of_erlang(connections: int, utilisation: float) -> None:
    load = connections * utilisation
    blocking = 1.0
    for server in range(1, connections + 1):
        blocking = load * blocking / (server + load * blocking)
    waits = blocking / (1.0 - utilisation * (1.0 - blocking))
    exact = waits * utilisation / (1.0 - utilisation)
    flow = pool_flow(load, 1.0, connections, patience_s=1_000.0)
    assert flow.waiting == pytest.approx(exact, rel=0.25, abs=0.2)


def test_the_standby_serves_all_within_its_room_and_collapses_beyond() -> None:
    assert standby_served_share(50.0, room=0.5) == 1.0
    assert standby_served_share(50.0, room=0.2) < 0.7
    assert standby_served_share(50.0, room=0.1) < standby_served_share(50.0, room=0.2)
    assert standby_served_share(0.0, room=0.1) == 1.0


def test_processes_crash_and_back_off_until_the_configuration_is_sound() -> None:
    processes = Processes(Random(1), 0.0)
    processes.advance(1_000.0)
    assert (processes.alive, processes.restarts, processes.crashes) == (PROCESSES, 0, 0)
    processes.configure(10.0, 1_000.0)
    seen = set()
    for second in range(1_001, 1_600):
        processes.advance(float(second))
        seen.add(processes.alive)
    assert seen == set(range(PROCESSES + 1))
    assert processes.restarts > 10
    processes.configure(None, 1_600.0)
    processes.advance(1_700.0)
    settled = processes.restarts
    processes.advance(5_000.0)
    assert processes.alive == PROCESSES
    assert processes.restarts == settled


def test_back_off_grows_and_a_restart_ends_it() -> None:
    processes = Processes(Random(2), 0.0)
    processes.configure(1.0, 0.0)
    processes.advance(600.0)
    rare = processes.crashes
    assert rare <= PROCESSES * 600.0 / 40.0
    processes.restart_all(600.0)
    assert processes.alive == PROCESSES
    processes.advance(660.0)
    assert processes.crashes - rare > PROCESSES


@pytest.mark.parametrize("mean", [0.3, 5.0, 80.0])
def test_poisson_counts_have_the_mean_and_the_variance_they_should(mean: float) -> None:
    rng = Random(4)
    counts = [poisson(rng, mean) for _ in range(20_000)]
    assert statistics.fmean(counts) == pytest.approx(mean, rel=0.05)
    assert statistics.variance(counts) == pytest.approx(mean, rel=0.08)


@given(trials=st.integers(0, 1_000), share=st.floats(0.0, 1.0), seed=st.integers(0, 99))
def test_binomial_counts_stay_in_range(trials: int, share: float, seed: int) -> None:
    assert 0 <= binomial(Random(seed), trials, share) <= trials


def test_binomial_counts_have_their_mean() -> None:
    rng = Random(4)
    for share in (0.01, 0.4, 0.97, 1.0):
        counts = [binomial(rng, 250, share) for _ in range(5_000)]
        assert statistics.fmean(counts) == pytest.approx(250 * share, rel=0.04)


def test_lognormal_durations_have_their_median_and_spread() -> None:
    rng = Random(4)
    durations = sorted(lognormal(rng, 60.0, 0.5) for _ in range(10_000))
    assert durations[5_000] == pytest.approx(60.0, rel=0.05)
    assert statistics.stdev(math.log(duration) for duration in durations) == pytest.approx(0.5, rel=0.05)
