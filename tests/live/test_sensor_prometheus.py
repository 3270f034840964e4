"""The Prometheus sensor against a real Prometheus."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from tests.contract.sensor_contract import TIMEOUT_S, SensorContract, SourceUnderTest
from tests.live.prometheus_server import PrometheusServer, load_openmetrics, scrape_config
from tests.live.recorded_samples import DEAD_SINCE_S, END, STEP_S, openmetrics

from homeostat.model.signals import Absence, Reading, SignalSpec, SignalType, Snapshot, Value
from homeostat.sense.batch import compose, distribute
from homeostat.sense.check import Level, check
from homeostat.sense.client import PrometheusClient
from homeostat.sense.prometheus import PrometheusSensor
from homeostat.sense.promql import read_expression
from homeostat.sense.settings import PrometheusSettings

pytestmark = pytest.mark.live

WAIT_S_MAX = 60.0

EXPRESSIONS = (
    "answer",
    "answer # with a comment",
    "http_requests_total",
    'http_requests_total{code="500"}',
    'http_requests_total{code=~"5..|404",pod!="b"}',
    '{__name__=~"answer|temperature|build_info"}',
    "sum(http_requests_total)",
    "sum by (code) (http_requests_total)",
    "sum without (pod) (rate(http_requests_total[5m]))",
    "rate(http_requests_total[5m])",
    "irate(http_requests_total[2m])",
    "increase(http_requests_total[10m] offset 5m)",
    'sum(rate(http_requests_total{code="500"}[5m])) / sum(rate(http_requests_total[5m]))',
    'sum by (pod) (rate(http_requests_total{code="500"}[5m])) / on (pod) sum by (pod) (rate(http_requests_total[5m]))',
    "histogram_quantile(0.9, sum by (le) (rate(latency_seconds_bucket[5m])))",
    "queue_depth",
    "queue_depth > 5",
    "queue_depth > bool 5",
    "-queue_depth",
    "abs(queue_depth - 10) * 2 ^ 3 % 7",
    "max(queue_depth) or vector(0)",
    "nothing or vector(0)",
    "nothing",
    "absent(nothing)",
    'absent(nothing{job="a"})',
    "count(queue_depth) + on () count(breaker)",
    "queue_depth and on (queue) queue_depth > 3",
    'queue_depth unless queue_depth{queue="in"}',
    "topk(2, http_requests_total)",
    "bottomk(1, http_requests_total)",
    "quantile(0.5, http_requests_total)",
    'count_values("value", breaker)',
    "stddev(http_requests_total)",
    "max_over_time(temperature[10m])",
    "max_over_time(rate(http_requests_total[2m])[10m:30s])",
    "predict_linear(temperature[10m], 3600)",
    "deriv(temperature[10m])",
    "temperature @ 1700000000",
    "temperature offset 1m",
    'label_replace(queue_depth, "q", "$1", "queue", "(.*)")',
    'label_join(queue_depth, "j", "-", "queue", "odd")',
    "sort_desc(http_requests_total)",
    "timestamp(answer)",
    "time()",
    "time() - timestamp(answer)",
    "scalar(answer) + 1",
    "vector(1)",
    "1 + 2 * 3",
    "0 / 0",
    "vector(1) / 0",
    "not_a_number",
    "breaker == 1",
    "build_info",
    "dead_gauge",
    "gone_gauge",
    "last_over_time(gone_gauge[20m])",
    "changes(temperature[10m])",
    "hour()",
    "clamp(queue_depth, 1, 2)",
    'queue_depth{odd="a\\"b\\\\c"}',
)


def settings(server: PrometheusServer, timeout_s: float = 10.0) -> PrometheusSettings:
    return PrometheusSettings(url=server.url, timeout_s=timeout_s)


@pytest.fixture(scope="module")
def recorded(prometheus_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    server = PrometheusServer(tmp_path_factory.mktemp("recorded"))
    load_openmetrics(openmetrics(), server.data_directory)
    with server:
        yield server


@pytest.fixture
def sensor(recorded: PrometheusServer) -> Iterator[PrometheusSensor]:
    opened = PrometheusSensor(settings(recorded))
    yield opened
    opened.close()


def number(expr: str, max_age_s: float = 30.0) -> SignalSpec:
    return SignalSpec(expr, expr, max_age_s)


def by_name(*specs: SignalSpec) -> dict[str, SignalSpec]:
    return {spec.name: spec for spec in specs}


class TestRecorded:
    """At one moment, over samples that do not change."""

    def test_a_batch_answers_like_single_queries(self, recorded: PrometheusServer) -> None:
        client = PrometheusClient(settings(recorded))
        queries = [read_expression(expr).query for expr in EXPRESSIONS]
        assert all(queries)
        answer = client.query(compose(queries), END, time.monotonic() + 10)
        together = distribute(queries, answer.series)
        for expr, query in zip(EXPRESSIONS, queries, strict=True):
            single = requests.post(f"{recorded.url}/api/v1/query", {"query": expr, "time": END}, timeout=10).json()
            result = single["data"]["result"]
            if single["data"]["resultType"] == "scalar":
                result = [{"metric": {}, "value": result}]
            expected = sorted((sorted(one["metric"].items()), *one["value"]) for one in result)
            found = sorted((sorted(one.metric.items()), *(one.value or ())) for one in together[query])
            assert found == expected, expr
        client.close()

    def test_readings_do_not_hang_on_the_company(self, recorded: PrometheusServer, sensor: PrometheusSensor) -> None:
        together = sensor.read(by_name(*map(number, EXPRESSIONS)), END).readings
        alone = PrometheusSensor(PrometheusSettings(url=recorded.url, timeout_s=10, batch_size_max=1))
        assert together == alone.read(by_name(*map(number, EXPRESSIONS)), END).readings
        assert sum(reading.value is not None for reading in together.values()) > 20
        alone.close()

    @pytest.mark.parametrize(
        ("expr", "age_s"),
        [
            ("answer", 0),
            ("rate(temperature[5m])", 0),
            ("temperature offset 10m", 0),
            ("dead_gauge", 205),
            ("max_over_time(dead_gauge[10m:1m])", 205),
            ("answer + dead_gauge", 205),
            ("answer or dead_gauge", 205),
            ("answer or gone_gauge", 0),
            ("time()", 0),
        ],
    )
    def test_the_age_is_that_of_the_samples(self, expr: str, age_s: float, sensor: PrometheusSensor) -> None:
        # The last sample at least DEAD_SINCE_S before the end, on a grid of STEP_S, is 210 s old.
        age_s = -(-DEAD_SINCE_S // STEP_S) * STEP_S if age_s else 0
        reading = sensor.read({"k": number(expr)}, END).readings["k"]
        assert reading.value is not None
        assert reading.sampled_at == END - age_s

    def test_a_dead_series_is_stale_though_it_answers(self, sensor: PrometheusSensor) -> None:
        spec = number("dead_gauge", max_age_s=60)
        snapshot = sensor.read({spec.name: spec}, END)
        assert snapshot.readings[spec.name].value == 5.0
        assert snapshot.values({spec.name: spec}, END) == {spec.name: None}
        assert snapshot.absence(spec, END) is Absence.STALE

    @pytest.mark.parametrize(
        ("expr", "absence"),
        [
            ("nothing", Absence.MISSING),
            ("nothing or vector(0)", Absence.MISSING),
            ("absent(nothing)", Absence.MISSING),
            ("gone_gauge", Absence.MISSING),
            ("last_over_time(gone_gauge[20m])", Absence.MISSING),
            ("queue_depth", Absence.AMBIGUOUS),
            ("not_a_number", Absence.NAN),
            ("answer / 0", Absence.NAN),
            ("0 / 0", Absence.NAN),
            ("answer[5m]", Absence.REFUSED),
            ("sum(", Absence.REFUSED),
            ("answer * on () group_left () queue_depth", Absence.REFUSED),
        ],
    )
    def test_what_is_not_one_number_is_absent(self, expr: str, absence: Absence, sensor: PrometheusSensor) -> None:
        reading = sensor.read({"k": number(expr)}, END).readings["k"]
        assert (reading.value, reading.absence) == (None, absence), reading.detail

    def test_text(self, sensor: PrometheusSensor) -> None:
        specs = by_name(
            SignalSpec("version", "build_info", 30, SignalType.TEXT, "version"),
            SignalSpec("state", "breaker", 30, SignalType.TEXT, "state"),
        )
        readings = sensor.read(specs, END).readings
        assert readings == {"version": Reading("1.4.2", END), "state": Reading("closed", END)}

    def test_bad_expressions_are_found_among_many(self, sensor: PrometheusSensor) -> None:
        good = [f"answer + {index}" for index in range(120)]
        bad = {  # each passes the parser here, and fails there while it runs or because the server is older
            "queue_depth + on () queue_depth": "many-to-many matching not allowed",
            'label_replace(answer, "a-b", "", "", "")': "invalid destination label name",
            "mad_over_time(answer[5m])": "unknown function",
        }
        names = [*good[:50], *bad, *good[50:]]
        for moment in (END, END + 1):
            snapshot = sensor.read(by_name(*map(number, names)), moment)
            assert snapshot.error is None
            assert [snapshot.readings[name].value for name in good] == [42.0 + index for index in range(120)]
            for name, why in bad.items():
                assert snapshot.readings[name].absence is Absence.REFUSED
                assert why in (snapshot.readings[name].detail or "")

    def test_an_answer_cut_short_by_the_servers_limit_names_the_expression(
        self, recorded: PrometheusServer, tmp_path: Path
    ) -> None:
        server = PrometheusServer(tmp_path, flags=["--query.max-samples=100"])
        load_openmetrics(openmetrics(), server.data_directory)
        with server:
            sensor = PrometheusSensor(settings(server))
            specs = by_name(number("answer"), number("sum(max_over_time(http_requests_total[30m]))"))
            readings = sensor.read(specs, END).readings
            assert readings["answer"].value == 42.0
            heavy = readings["sum(max_over_time(http_requests_total[30m]))"]
            assert heavy.absence is Absence.REFUSED
            assert "too many samples" in (heavy.detail or "")
            sensor.close()

    def test_doctor_is_content(self, recorded: PrometheusServer) -> None:
        findings = check(settings(recorded), time.time)
        assert {finding.subject: finding.level for finding in findings} == dict.fromkeys(
            ("reachable", "api", "clock", "batching"), Level.OK
        )
        assert "2." in next(finding.message for finding in findings if finding.subject == "api")


class RealSource(SourceUnderTest):
    """A real Prometheus that holds recorded samples."""

    now = END
    present = number("answer")
    missing = number("nothing")
    malformed = number("sum(")

    def __init__(self, server: PrometheusServer) -> None:
        self._server = server
        self.sensor = self.prometheus_sensor = PrometheusSensor(settings(server, TIMEOUT_S))

    def hang(self) -> None:
        self._server.suspend()

    def vanish(self) -> None:
        self._server.kill()


class TestRealPrometheus(SensorContract):
    @pytest.fixture
    def source(self, recorded: PrometheusServer) -> Iterator[SourceUnderTest]:
        source = RealSource(recorded)
        yield source
        source.prometheus_sensor.close()
        recorded.resume()
        if not recorded.running:
            recorded.start()


class Exporter(ThreadingHTTPServer):
    """A service that counts, until it dies."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Metrics)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def text(self) -> str:
        return f"work_total {time.monotonic() - self._began:.3f}\nhealthy 1\n"

    def die(self) -> None:
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
            self.server_close()


class _Metrics(BaseHTTPRequestHandler):
    server: Exporter

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of the standard library
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(self.server.text().encode())


def number_of(value: Value) -> float:
    """A number signal's value; minus infinity while it is unknown."""
    return value if isinstance(value, float) else -math.inf


def read_until(
    sensor: PrometheusSensor, specs: dict[str, SignalSpec], wanted: Callable[[Snapshot], bool]
) -> tuple[Snapshot, float]:
    """Read as the loop does, until the snapshot is as wanted."""
    deadline = time.monotonic() + WAIT_S_MAX
    while True:
        now = time.time()
        snapshot = sensor.read(specs, now)
        if wanted(snapshot):
            return snapshot, now
        assert time.monotonic() < deadline, snapshot
        time.sleep(0.1)


def test_a_living_world(prometheus_binary: str, tmp_path: Path) -> None:
    """Samples are fresh; the exporter dies and nothing looks healthy; the server dies, hangs and comes back."""
    exporter = Exporter()
    server = PrometheusServer(tmp_path, config=scrape_config({"shop": [exporter.address]}))
    specs = by_name(
        SignalSpec("healthy", "healthy", 5),
        SignalSpec("up", 'up{job="shop"}', 5),
        SignalSpec("rate", "sum(rate(work_total[4s]))", 5),
        SignalSpec("errors", "sum(rate(errors_total[4s])) or vector(0)", 5),
    )
    sensor = PrometheusSensor(PrometheusSettings(url=server.url, timeout_s=2, clock_skew_max_s=30))
    with server:
        snapshot, now = read_until(sensor, specs, lambda seen: number_of(seen.values(specs, seen.at)["rate"]) > 0.5)
        values = snapshot.values(specs, now)
        assert (values["healthy"], values["up"], values["errors"]) == (1.0, 1.0, None)
        assert number_of(values["rate"]) < 2
        for name in ("healthy", "up", "rate"):
            assert 0 <= now - (snapshot.readings[name].sampled_at or 0) < 5

        exporter.die()
        snapshot, now = read_until(sensor, specs, lambda seen: seen.values(specs, seen.at)["up"] == 0.0)
        # The rate still finds samples in its range; they are of a service that is dead.
        raw = sensor.connect.custom_query(specs["rate"].expr, params={"time": now})
        assert raw
        assert snapshot.values(specs, now) == {"healthy": None, "up": 0.0, "rate": None, "errors": None}

        server.kill()
        snapshot = sensor.read(specs, time.time())
        assert "Connection refused" in (snapshot.error or "")
        server.start()
        read_until(sensor, specs, lambda seen: seen.error is None)

        server.suspend()
        snapshot = sensor.read(specs, time.time())
        assert "no complete answer" in (snapshot.error or "")
        assert not snapshot.readings
        server.resume()
        snapshot, now = read_until(sensor, specs, lambda seen: seen.error is None)
        assert snapshot.values(specs, now)["healthy"] is None
    sensor.close()
