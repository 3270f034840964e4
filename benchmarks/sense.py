"""How long one tick's reading takes: all signals in a few queries, beside one query a signal.

Starts a real Prometheus of its own on loopback, loaded with recorded samples, and stops it again. All ways are
measured in the same run, in turns, so that a busy machine slows all of them alike; the ratios are what counts.

    python benchmarks/sense.py [--ticks 7] [--signals 200 1000]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_api_client import PrometheusConnect
from urllib3.util.retry import Retry

sys.path.append(str(Path(__file__).parents[1]))

from tests.live.prometheus_server import PrometheusServer, load_openmetrics

from homeostat.model.signals import SignalSpec
from homeostat.sense.batch import compose, distribute, pack
from homeostat.sense.client import PrometheusClient
from homeostat.sense.prometheus import PrometheusSensor
from homeostat.sense.settings import PrometheusSettings

END = 1_700_000_400.0
SERVICES = 125
STEP_S = 15
STEPS = 40
TIMEOUT_S = 60.0


def openmetrics() -> str:
    """Two counters and two gauges for each service, four instances each: 2,000 series."""
    lines: list[str] = []
    for family, kind, names in (
        ("requests", "counter", ("requests_total",)),
        ("errors", "counter", ("errors_total",)),
        ("pool_used", "gauge", ("pool_used",)),
        ("latency_seconds", "gauge", ("latency_seconds",)),
    ):
        lines.append(f"# TYPE {family} {kind}")
        for name in names:
            for service in range(SERVICES):
                for instance in range(4):
                    for step in range(STEPS + 1):
                        value = step * (service + instance + 1) if kind == "counter" else (service + step) % 17
                        at = END - (STEPS - step) * STEP_S
                        lines.append(f'{name}{{service="s{service}",instance="i{instance}"}} {value} {at:.0f}')
    return "\n".join([*lines, "# EOF", ""])


def signals(count: int) -> dict[str, SignalSpec]:
    """The mix a policy has: rates, ratios, plain gauges; every expression is another one."""
    kinds = (
        'sum(rate(requests_total{{service="s{0}"}}[{1}m]))',
        'sum(rate(errors_total{{service="s{0}"}}[{1}m])) / sum(rate(requests_total{{service="s{0}"}}[{1}m]))',
        'max(pool_used{{service="s{0}"}}) - {1}',
        'avg_over_time(latency_seconds{{service="s{0}",instance="i0"}}[{1}m])',
    )
    expressions = [
        kind.format(service, minutes) for minutes in (2, 3, 5) for service in range(SERVICES) for kind in kinds
    ]
    return {
        f"signal{place}": SignalSpec(f"signal{place}", expr, 60.0) for place, expr in enumerate(expressions[:count])
    }


@dataclass(frozen=True)
class Tick:
    """What one tick cost: wall time, and this process's CPU time, in milliseconds."""

    wall_ms: float
    cpu_ms: float


def measure(read: Callable[[], Mapping[str, float]]) -> tuple[Tick, Mapping[str, float]]:
    wall, cpu = time.perf_counter(), time.process_time()
    values = read()
    return Tick((time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000), values


class Ways:
    """The ways of reading the same signals that are compared. Each gives the values it found."""

    def __init__(self, url: str, specs: Mapping[str, SignalSpec]) -> None:
        self._specs = specs
        self._settings = PrometheusSettings(url=url, timeout_s=TIMEOUT_S)
        self._sensor = PrometheusSensor(self._settings)
        self._client = PrometheusClient(self._settings)
        self._library = PrometheusConnect(url=url, timeout=TIMEOUT_S, retry=Retry(0))
        self.all: dict[str, Callable[[], Mapping[str, float]]] = {
            "sensor: batched, with freshness": self.batched,
            "our session, batched, values only": self.batched_values,
            "our session, one by one, values only": self.one_by_one,
            "prometheus-api-client `custom_query`, one by one, values only": self.library,
        }

    def batched(self) -> Mapping[str, float]:
        """What a tick does: every value, and the age of the samples behind it."""
        snapshot = self._sensor.read(self._specs, END)
        if snapshot.error:
            raise RuntimeError(snapshot.error)
        return {key: float(reading.value) for key, reading in snapshot.readings.items() if reading.value is not None}

    def batched_values(self) -> Mapping[str, float]:
        """Batches without the queries for the samples' age, to compare like with like."""
        values: dict[str, float] = {}
        keys = {spec.expr: key for key, spec in self._specs.items()}
        for batch in pack(keys, self._settings.batch_size_max, self._settings.query_bytes_max):
            answer = self._client.query(compose(batch), END, time.monotonic() + TIMEOUT_S)
            for expr, series in distribute(batch, answer.series).items():
                values[keys[expr]] = series[0].number() or 0.0
        return values

    def one_by_one(self) -> Mapping[str, float]:
        """One query a signal over the bounded session."""
        values: dict[str, float] = {}
        for key, spec in self._specs.items():
            series = self._client.query(spec.expr, END, time.monotonic() + TIMEOUT_S).series
            values[key] = series[0].number() or 0.0
        return values

    def library(self) -> Mapping[str, float]:
        """One query a signal with the library alone, with a time-out and without retries."""
        values: dict[str, float] = {}
        for key, spec in self._specs.items():
            values[key] = float(self._library.custom_query(spec.expr, params={"time": END})[0]["value"][1])
        return values

    def close(self) -> None:
        """Release the connections."""
        self._sensor.close()
        self._client.close()
        self._library.close()


def compare(url: str, count: int, ticks: int) -> list[str]:
    """Measure every way in turns; give the rows of the table."""
    specs = signals(count)
    ways = Ways(url, specs)
    measured: dict[str, list[Tick]] = {name: [] for name in ways.all}
    for tick in range(ticks + 1):
        found: list[Mapping[str, float]] = []
        for name, read in ways.all.items():
            cost, values = measure(read)
            found.append(values)
            if tick > 0:  # the first warms up connections, caches and the parser
                measured[name].append(cost)
        if any(values != found[0] for values in found) or len(found[0]) != count:
            raise RuntimeError("the ways do not give the same values")
    ways.close()
    first = statistics.median(one.wall_ms for one in next(iter(measured.values())))
    first_cpu = statistics.median(one.cpu_ms for one in next(iter(measured.values())))
    rows = []
    for name, costs in measured.items():
        wall, cpu = [one.wall_ms for one in costs], [one.cpu_ms for one in costs]
        rows.append(
            f"| {count} | {name} | {spread(wall)} | {spread(cpu)}"
            f" | {statistics.median(wall) / first:.1f} / {statistics.median(cpu) / first_cpu:.1f} |"
        )
    return rows


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f}..{max(values):.0f})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ticks", type=int, default=7, help="measured ticks, after one to warm up")
    parser.add_argument("--signals", type=int, nargs="+", default=[200, 1000], help="signals a tick")
    arguments = parser.parse_args()
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        print("skipped: prometheus and promtool are not on the PATH", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory(prefix="homeostat-bench-") as directory:
        server = PrometheusServer(Path(directory))
        load_openmetrics(openmetrics(), server.data_directory)
        with server:
            print("| signals a tick | way | wall ms: median (spread) | client CPU ms | times the sensor's wall / CPU |")
            print("|---:|---|---:|---:|---:|")
            for count in arguments.signals:
                for row in compare(server.url, count, arguments.ticks):
                    print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
