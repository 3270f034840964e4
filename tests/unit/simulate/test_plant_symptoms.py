"""What can be seen of a fault from outside, and what cannot."""

from __future__ import annotations

import itertools
import math
import struct
from collections import Counter
from random import Random

import pytest
from tests.unit.simulate.plant_trial import START_AT, Nowhere, Recorder, await_health

from homeostat.model.errors import InvariantError
from homeostat.simulate.sandbox import faults
from homeostat.simulate.sandbox.exporter import STALE
from homeostat.simulate.sandbox.faults import (
    MIX,
    AuthDown,
    AuthMode,
    BadDeploy,
    Blip,
    CrashLoop,
    Fault,
    PoolLeak,
    StuckThreads,
)
from homeostat.simulate.sandbox.plant import Plant

SERIES = {
    ("payments_requests_total", "200"),
    ("payments_requests_total", "500"),
    ("payments_requests_total", "503"),
    ("payments_request_duration_seconds_sum", ""),
    ("payments_request_duration_seconds_count", ""),
    ("payments_lost_total", ""),
    ("payments_pool_in_use", ""),
    ("payments_pool_size", ""),
    ("payments_pool_waiting", ""),
    ("payments_deploy_timestamp_seconds", ""),
    ("payments_process_start_time_seconds", ""),
    ("payments_restarts_total", ""),
    ("payments_config_version_info", "104"),
    ("standby_capacity_ratio", ""),
    ("auth_requests_total", "ok"),
    ("auth_requests_total", "error"),
    ("up", "payments"),
    ("up", "auth"),
}
COUNTERS = [key for key in SERIES if key[0].endswith(("_total", "_sum", "_count")) and key[0] != "auth_requests_total"]


def busy_day(seed: int) -> Recorder:
    """A day with every kind of fault, each repaired after half an hour by the next shift."""
    samples = Recorder()
    plant = Plant(samples, seed, START_AT)
    rng = Random(seed)
    for name in [*MIX, *MIX]:
        plant.inject(faults.draw_named(name, rng), plant.now + 600.0)
        plant.advance(plant.now + 2_400.0)
        plant.reset()
    return samples


def in_trouble(fault: Fault, seed: int, start_at: float = START_AT) -> tuple[Plant, Recorder]:
    """A plant one minute after its users began to complain."""
    samples = Recorder()
    plant = Plant(samples, seed, start_at)
    plant.advance(start_at + 300.0)
    plant.inject(fault, plant.now)
    assert await_health(plant, wanted=False, within_s=300.0) is not None
    plant.advance(plant.now + 60.0)
    return plant, samples


def test_the_same_seed_gives_the_same_samples_to_the_byte() -> None:
    assert repr(list(busy_day(11).series.items())) == repr(list(busy_day(11).series.items()))


def test_another_seed_gives_other_samples() -> None:
    assert busy_day(11).series["payments_pool_in_use", ""] != busy_day(12).series["payments_pool_in_use", ""]


def test_how_time_is_cut_into_calls_does_not_matter() -> None:
    whole, cut = Recorder(), Recorder()
    plants = [Plant(whole, 4, START_AT), Plant(cut, 4, START_AT)]
    for plant in plants:
        plant.inject(StuckThreads(0.1, restart_cures=True), START_AT + 61.7)
    plants[0].advance(START_AT + 600.0)
    while plants[1].now < START_AT + 600.0:
        plants[1].advance(min(START_AT + 600.0, plants[1].now + 7.3))
    assert repr(whole.series) == repr(cut.series)


def test_the_weather_does_not_depend_on_what_is_done() -> None:
    rooms = []
    for size in (40, 60):
        samples = Recorder()
        plant = Plant(samples, 9, START_AT)
        plant.inject(PoolLeak(40.0, with_deploy=False, lasts_s=1_800.0), START_AT)
        plant.advance(START_AT + 600.0)
        plant.state.pool_size = size
        plant.advance(START_AT + 3_600.0)
        rooms.append(samples.series["standby_capacity_ratio", ""])
    assert rooms[0] == rooms[1]


def test_every_series_is_there_from_the_first_scrape_with_counters_at_zero() -> None:
    samples = Recorder()
    Plant(samples, 1, START_AT).advance(START_AT)
    assert set(samples.series) == SERIES
    for key in COUNTERS:
        assert samples.series[key] == [(START_AT, 0.0)]


def test_scrapes_come_every_five_seconds_and_totals_never_fall() -> None:
    samples = busy_day(2)
    for key in COUNTERS:
        times = [at for at, _ in samples.series[key]]
        values = samples.values(*key)
        assert times == [START_AT + 5.0 * index for index in range(len(times))]
        assert all(before <= after for before, after in itertools.pairwise(values))
    answered = samples.values("payments_request_duration_seconds_count")
    by_code = zip(*(samples.values("payments_requests_total", code) for code in ("200", "500", "503")), strict=True)
    assert answered == [sum(codes) for codes in by_code]


def test_gauges_stay_within_their_meaning() -> None:
    samples = busy_day(3)
    for in_use, size in zip(samples.values("payments_pool_in_use"), samples.values("payments_pool_size"), strict=True):
        assert 0.0 <= in_use <= size
    assert all(0.0 <= room <= 1.0 for room in samples.values("standby_capacity_ratio"))
    assert all(waiting >= 0.0 for waiting in samples.values("payments_pool_waiting"))


def test_a_hung_or_killed_auth_takes_its_series_along() -> None:
    killed = AuthDown(AuthMode.KILLED, 0.0, 0.03, 0.001, scraped=False, restart_cures=True, cached_share=0.997)
    plant, samples = in_trouble(killed, 1)
    assert samples.last("up", "auth") == 0.0
    times = [at for at, _ in samples.series["auth_requests_total", "ok"]]
    assert math.isnan(samples.last("auth_requests_total", "ok"))
    assert plant.now - times[-1] >= 60.0
    assert samples.error_share() > 0.95
    plant.state.restart_auth()
    plant.advance(plant.now + 10.0)
    assert samples.last("up", "auth") == 1.0
    assert 0.0 < samples.last("auth_requests_total", "ok") < 1_500.0  # it counts from zero again


def test_a_slow_auth_is_up_and_its_errors_show() -> None:
    slow = AuthDown(AuthMode.SLOW, 0.0, 2.0, 0.2, scraped=True, restart_cures=True, cached_share=0.997)
    _, samples = in_trouble(slow, 1)
    assert samples.last("up", "auth") == 1.0
    errors, fine = samples.increase("auth_requests_total", "error"), samples.increase("auth_requests_total", "ok")
    assert errors > 0.1 * (errors + fine)


def test_the_staleness_marker_is_that_of_prometheus() -> None:
    assert struct.pack(">d", STALE).hex() == "7ff0000000000002"
    samples = Recorder()
    plant = Plant(samples, 1, START_AT)
    plant.inject(CrashLoop(10.0), START_AT + 10.0)
    plant.advance(START_AT + 60.0)
    old, new = (
        samples.series["payments_config_version_info", "104"],
        samples.series["payments_config_version_info", "105"],
    )
    assert math.isnan(old[-1][1])
    assert new[0] == (old[-1][0], 1.0)
    assert not any(math.isnan(value) for _, value in new)


def look_of(samples: Recorder) -> tuple[float, float, float]:
    """Errors, pool and queue, each in about the units of its own noise."""
    pool_used = samples.last("payments_pool_in_use") / samples.last("payments_pool_size")
    return samples.error_share() / 0.02, pool_used / 0.05, samples.last("payments_pool_waiting") / 8.0


def test_three_faults_cannot_be_told_apart_by_errors_and_pool() -> None:
    """The nearest look of another plant names the wrong one of three faults at least every fourth time."""
    looks = [
        (kind, look_of(in_trouble(faults.draw_named(kind, Random(seed)), seed)[1]))
        for kind in ("pool_leak", "auth_down", "stuck_threads")
        for seed in range(40)
    ]
    wrong: Counter[str] = Counter()
    for kind, look in looks:
        others = [other for other in looks if other[1] is not look]
        wrong[kind] += min(others, key=lambda other: math.dist(look, other[1]))[0] != kind
    assert wrong.total() >= len(looks) / 4, wrong
    assert min(wrong.values()) >= 4, wrong


def test_context_tells_what_errors_and_pool_do_not() -> None:
    plant, samples = in_trouble(BadDeploy(latent=False, error_share=0.2, leaked_connections=10.0), 1)
    assert plant.now - samples.last("payments_deploy_timestamp_seconds") < 200.0
    plant, samples = in_trouble(BadDeploy(latent=True, error_share=0.2, leaked_connections=10.0), 1)
    assert plant.now - samples.last("payments_deploy_timestamp_seconds") > 600.0
    _, samples = in_trouble(CrashLoop(10.0), 1)
    assert samples.increase("payments_restarts_total") >= 3.0


def test_crashed_processes_leave_connections_behind() -> None:
    _, samples = in_trouble(CrashLoop(5.0), 1)
    served = samples.increase("payments_requests_total", "200") / 60.0
    in_use = samples.values("payments_pool_in_use")[-12:]
    assert sum(in_use) / 12.0 > served * 0.25 + 5.0


def test_codes_are_a_poor_witness() -> None:
    """Waiting in vain for a connection is mostly a 503; which share of it is, differs between shifts."""
    shares = []
    plant, samples = in_trouble(PoolLeak(42.0, with_deploy=False, lasts_s=9_000.0), 1)
    for _ in range(8):
        failed = samples.increase("payments_requests_total", "500")
        shares.append(failed / (failed + samples.increase("payments_requests_total", "503")))
        plant.reset()
        plant.inject(PoolLeak(42.0, with_deploy=False, lasts_s=9_000.0), plant.now)
        plant.advance(plant.now + 300.0)
    assert min(shares) < 0.15
    assert 0.3 < max(shares) < 0.6


def test_a_starved_service_is_restarted_now_and_then_without_being_the_cause() -> None:
    plant, samples = in_trouble(StuckThreads(0.12, restart_cures=True), 1)
    plant.advance(plant.now + 3_600.0)
    assert 10.0 < samples.last("payments_restarts_total") < 100.0
    assert not plant.healthy


def test_auth_may_be_well_and_out_of_sight() -> None:
    samples = Recorder()
    plant = Plant(samples, 1, START_AT)
    plant.state.auth_unscraped_until = START_AT + 600.0
    plant.advance(START_AT + 600.0)
    assert samples.values("up", "auth") == [0.0] * 121
    assert ("auth_requests_total", "ok") not in samples.series
    assert plant.healthy
    plant.advance(START_AT + 660.0)
    assert samples.last("up", "auth") == 1.0


def test_nobody_deploys_during_an_incident() -> None:
    samples = Recorder()
    plant = Plant(samples, 7, START_AT)
    plant.inject(StuckThreads(0.1, restart_cures=True), START_AT)
    plant.advance(START_AT + 86_400.0)
    assert len(set(samples.values("payments_deploy_timestamp_seconds"))) == 1
    assert len([key for key in samples.series if key[0] == "payments_config_version_info"]) == 1


def test_the_mix_is_drawn_with_its_weights() -> None:
    assert sum(weight for weight, _ in MIX.values()) == pytest.approx(1.0)
    rng = Random(1)
    drawn = Counter(faults.draw(rng).NAME for _ in range(5_000))
    for name, (weight, _) in MIX.items():
        assert drawn[name] / 5_000 == pytest.approx(weight, abs=0.02)


def test_the_cause_is_known_until_the_reset() -> None:
    plant = Plant(Nowhere(), 1, START_AT)
    plant.inject(Blip(6.0, 30.0), START_AT + 10.0)
    plant.inject(CrashLoop(8.0), START_AT + 20.0)
    causes = [plant.cause]
    for after_s in (15.0, 25.0):
        plant.advance(START_AT + after_s)
        causes.append(plant.cause)
    plant.reset()
    causes.append(plant.cause)
    assert causes == [None, "blip", "blip+crash_loop", None]


@pytest.mark.parametrize("name", MIX)
def test_a_reset_brings_the_plant_to_normal_where_it_stands(name: str) -> None:
    samples = Recorder()
    plant = Plant(samples, 6, START_AT)
    plant.inject(faults.draw_named(name, Random(6)), START_AT + 60.0)
    plant.state.cached_share = 0.5
    plant.advance(START_AT + 400.0)
    plant.state.pool_size = 80
    plant.state.degraded = True
    plant.state.shifted_share = 1.0
    deployed_at = plant.state.deployed_at
    plant.reset()
    plant.advance(plant.now + 60.0)
    assert plant.healthy
    assert samples.last("payments_pool_size") == 40.0
    assert samples.last("payments_deploy_timestamp_seconds") == deployed_at
    assert samples.increase("auth_requests_total", "ok", scrapes=6) > 1_000.0
    plant.advance(plant.now + 3_600.0)
    assert samples.error_share(scrapes=700) < 0.005
    plant.state.degraded = True
    plant.advance(plant.now + 60.0)
    assert plant.healthy


def test_many_shifts_of_rollbacks_leave_something_to_roll_back_to() -> None:
    plant = Plant(Nowhere(), 6, START_AT)
    for _ in range(10):
        assert plant.state.roll_back_release(plant.now) is not None
        assert plant.state.roll_back_configuration(plant.now) is not None
        plant.reset()


def test_time_does_not_run_backwards() -> None:
    plant = Plant(Nowhere(), 1, START_AT)
    plant.advance(START_AT + 60.0)
    with pytest.raises(InvariantError, match="runs forward"):
        plant.advance(START_AT + 59.0)
    with pytest.raises(InvariantError, match="runs forward"):
        plant.inject(Blip(6.0, 30.0), START_AT)
