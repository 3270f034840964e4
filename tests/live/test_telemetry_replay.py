"""A telemetry recording direct and through a real Prometheus: the same policy, the same ticks, the same decisions."""

from __future__ import annotations

import random
from array import array
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.workflows import shared_folder
from msgspec import structs
from tests.live.prometheus_server import PrometheusServer, load_openmetrics

from homeostat.model.policy import Policy
from homeostat.model.signals import Reading, SignalSpec
from homeostat.policy.load import load_policy
from homeostat.record.series_name import whole_series_name
from homeostat.record.telemetry import RecordedSeries, Telemetry, of_series
from homeostat.record.telemetry_files import read_telemetry
from homeostat.record.telemetry_openmetrics import openmetrics_text
from homeostat.sense.prometheus import PrometheusSensor
from homeostat.sense.settings import PrometheusSettings
from homeostat.simulate.telemetry.detection import detect
from homeostat.simulate.telemetry.frame import Frame
from homeostat.simulate.telemetry.sensing import lookback_s, read_frame

pytestmark = pytest.mark.live

CPU = load_policy(Path(__file__).parents[1] / "acceptance/telemetry/cpu-saturated.homeostat.yaml")
START_S = 1_700_000_000
STEP_S = 15
SERVICES = 4
REQUESTED = 0.4
"""The share of samples at which a service had requests."""


def with_gaps(count: int) -> Telemetry:
    """CPU and latency of some services that each saturate twice.

    Samples are lost alone, in runs, and for all series at once; while a service has no requests it has no latency.
    """
    luck = random.Random(7)
    series = []
    for service in range(SERVICES):
        cpu, latency = ((array("q"), array("d")) for _ in range(2))
        lost_until = 0
        for step in range(count):
            if luck.random() < 0.02:
                lost_until = step + luck.randrange(1, 12)
            if step < lost_until or 300 <= step < 330:
                continue
            saturated = any(begin <= step < begin + 25 for begin in (100 + 40 * service, 340 + 30 * service))
            at_ms = (START_S + step * STEP_S) * 1000
            cpu[0].append(at_ms)
            cpu[1].append(round(luck.uniform(88, 101) if saturated else luck.uniform(2, 20), 3))
            if luck.random() < REQUESTED:
                latency[0].append(at_ms)
                latency[1].append(round(luck.uniform(0.2, 2) if saturated else luck.uniform(0.05, 0.2), 3))
        for metric, (times, values) in (("pod_cpu_usage_percent", cpu), ("pod_server_latency_p90_seconds", latency)):
            series.append(RecordedSeries(whole_series_name(f'{metric}{{service="s{service}"}}'), times, values))
    return of_series(series)


def through_prometheus(telemetry: Telemetry, signals: Mapping[str, SignalSpec], at: Frame, folder: Path) -> Frame:
    """Every tick of a frame as the production sensor reads it from a frozen Prometheus."""
    flags = [f"--query.lookback-delta={round(lookback_s(telemetry) * 1000)}ms"]
    server = PrometheusServer(folder, flags=flags)
    load_openmetrics(openmetrics_text(telemetry), server.data_directory)
    readings: dict[str, list[Reading]] = {name: [] for name in signals}
    with server:
        sensor = PrometheusSensor(PrometheusSettings(url=server.url))
        try:
            for now in at.at:
                snapshot = sensor.read(signals, now)
                assert snapshot.error is None
                for name in signals:
                    readings[name].append(snapshot.readings[name])
        finally:
            sensor.close()
    return Frame(at.at, signals, readings)


def assert_the_same(policy: Policy, telemetry: Telemetry, folder: Path, *, ticks: slice) -> int:
    """Compare readings, entries and decisions; give how many incidents were confirmed."""
    whole = read_frame(telemetry, policy.signals)
    direct = Frame(whole.at[ticks], whole.signals, {name: some[ticks] for name, some in whole.readings.items()})
    live = through_prometheus(telemetry, policy.signals, direct, folder)
    for name in policy.signals:
        for ours, theirs in zip(direct.readings[name], live.readings[name], strict=True):
            assert structs.replace(ours, detail=None) == structs.replace(theirs, detail=None)
    assert detect(policy, direct, every_tick=True) == detect(policy, live, every_tick=True)
    return len(detect(policy, direct).confirmed())


@pytest.mark.usefixtures("prometheus_binary")
def test_gaps_are_decided_on_alike(tmp_path: Path) -> None:
    signals = {name: replace(spec, max_age_s=40.0) for name, spec in CPU.signals.items()}
    confirmed = assert_the_same(replace(CPU, signals=signals), with_gaps(500), tmp_path, ticks=slice(None))
    assert confirmed >= 4


@pytest.mark.usefixtures("prometheus_binary")
def test_a_recording_of_others_is_decided_on_alike(tmp_path: Path) -> None:
    shared = shared_folder()
    path = None if shared is None else shared / "data/nezha/2022-08-22.csv.gz"
    if path is None or not path.exists():
        pytest.skip("no recordings here; name their folder in HOMEOSTAT_SHARED")
    confirmed = assert_the_same(CPU, read_telemetry(path), tmp_path, ticks=slice(0, 160))
    assert confirmed >= 5
