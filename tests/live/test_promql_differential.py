"""The sandbox's PromQL against a real Prometheus that holds the same samples."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from tests.live.prometheus_server import PrometheusServer, load_openmetrics, scrape_config
from tests.live.promql_expressions import (
    FAMILIES,
    FRESHNESS,
    NEWER,
    RANGE_ONLY_ERRORS,
    REFUSED,
    SENSOR_SIGNALS,
    STALENESS,
    batched,
    generated,
    patterns,
)
from tests.live.promql_samples import END_S, START_S, fill, openmetrics, random_series, stale_series
from tests.live.remote_write import remote_write

from homeostat.simulate.sandbox.api import PrometheusApi
from homeostat.simulate.sandbox.store import SampleStore

pytestmark = pytest.mark.live

SEED = 20_241
TIMES_S = (START_S + 617.251, START_S + 2345, END_S + 120)
RANGES = (
    (START_S + 300.5, START_S + 1500.5, 150),
    (START_S - 100, END_S + 400, 291),
)

ORDERED = ("sort(", "sort_desc(", "topk(", "bottomk(")
"""What decides the order of an instant query's elements. Elsewhere Prometheus promises none."""


@dataclass
class Answer:
    """A response, in a form that can be compared."""

    status: int
    envelope: dict[str, Any]

    @property
    def kind(self) -> tuple[int, str]:
        return self.status, self.envelope.get("errorType", "")

    @property
    def data(self) -> Any:
        return self.envelope["data"]


class FixedClock:
    def now(self) -> float:
        return float(END_S)

    def wait(self, seconds: float) -> bool:
        raise AssertionError("the API does not wait")


class Pair:
    """The sandbox and a real Prometheus with the same samples."""

    def __init__(self, api: PrometheusApi, url: str) -> None:
        self.api = api
        self.url = url
        self.session = requests.Session()
        self.agreed = 0

    def both(self, path: str, **parameters: str) -> tuple[Answer, Answer]:
        response = self.session.post(f"{self.url}/api/v1/{path}", data=parameters, timeout=20)
        real = Answer(response.status_code, response.json())
        ours = self.api.answer(f"/api/v1/{path}", {name: [value] for name, value in parameters.items()})
        return Answer(ours.status, json.loads(ours.body)), real

    def difference(self, path: str, **parameters: str) -> str | None:
        """Say where the two differ; None when they agree."""
        ours, real = self.both(path, **parameters)
        query = parameters["query"]
        if ours.kind != real.kind:
            return f"{query!r} {parameters}: ours {ours.kind} {_said(ours)}, real {real.kind} {_said(real)}"
        if ours.status != 200 or _same_data(ours.data, real.data, ordered=query.startswith(ORDERED)):
            self.agreed += 1
            return None
        return f"{query!r} {parameters}:\n  ours {_said(ours)}\n  real {_said(real)}"

    def instant_differences(self, queries: list[str], times_s: tuple[float, ...]) -> list[str]:
        found = [self.difference("query", query=query, time=str(at)) for query in queries for at in times_s]
        return [each for each in found if each]

    def range_differences(self, queries: list[str]) -> list[str]:
        found = [
            self.difference("query_range", query=query, start=str(start), end=str(end), step=str(step))
            for query in queries
            for start, end, step in RANGES
        ]
        return [each for each in found if each]


def _said(answer: Answer) -> str:
    return json.dumps(answer.envelope.get("error", answer.envelope.get("data")))[:1500]


def _same_data(ours: Any, real: Any, *, ordered: bool) -> bool:
    if ours["resultType"] != real["resultType"]:
        return False
    left, right = ours["result"], real["result"]
    if ours["resultType"] in ("scalar", "string"):
        return _same_point(left, right)
    if not ordered:
        left, right = _by_labels(left), _by_labels(right)
    return len(left) == len(right) and all(map(_same_element, left, right))


def _by_labels(elements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(elements, key=lambda element: sorted(element["metric"].items()))


def _same_element(left: dict[str, Any], right: dict[str, Any]) -> bool:
    if left["metric"] != right["metric"]:
        return False
    if "value" in left:
        return _same_point(left["value"], right["value"])
    return len(left["values"]) == len(right["values"]) and all(map(_same_point, left["values"], right["values"]))


def _same_point(left: list[Any], right: list[Any]) -> bool:
    return left[0] == pytest.approx(right[0], abs=1e-6) and _same_value(left[1], right[1])


def _same_value(left: str, right: str) -> bool:
    if left == right:
        return True
    try:
        a, b = float(left), float(right)
    except ValueError:
        return False
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


@pytest.fixture(scope="module")
def pair(prometheus_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("differential")
    series = random_series(SEED)
    load_openmetrics(openmetrics(series), directory / "data")
    store = SampleStore(retention_s=86_400)
    fill(store, series)
    with PrometheusServer(directory, config=scrape_config({}, interval_s=60)) as server:
        pair = Pair(PrometheusApi(store, FixedClock()), server.url)
        yield pair
        pair.session.close()


@pytest.fixture(scope="module")
def stale_pair(prometheus_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The same for series with staleness markers, which only remote write can bring in."""
    series = stale_series(SEED)
    store = SampleStore(retention_s=86_400)
    fill(store, series)
    with PrometheusServer(
        tmp_path_factory.mktemp("stale"),
        config=scrape_config({}, interval_s=60),
        flags=["--web.enable-remote-write-receiver"],
    ) as server:
        remote_write(server.url, series)
        pair = Pair(PrometheusApi(store, FixedClock()), server.url)
        yield pair
        pair.session.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_instant_queries_agree(pair: Pair, family: str) -> None:
    assert pair.instant_differences(FAMILIES[family], TIMES_S) == []


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "errors"])
def test_range_queries_agree(pair: Pair, family: str) -> None:
    assert pair.range_differences(FAMILIES[family]) == []


def test_range_queries_refuse_the_same(pair: Pair) -> None:
    assert pair.range_differences(FAMILIES["errors"][:12] + RANGE_ONLY_ERRORS) == []


@pytest.mark.parametrize("seed", range(4))
def test_generated_instant_queries_agree(pair: Pair, seed: int) -> None:
    assert pair.instant_differences(generated(seed, 150), TIMES_S[:2]) == []


@pytest.mark.parametrize("seed", range(10, 12))
def test_generated_range_queries_agree(pair: Pair, seed: int) -> None:
    assert pair.range_differences(generated(seed, 100, ties=False)) == []


@pytest.mark.parametrize("at", TIMES_S)
def test_the_sensors_batch_agrees(pair: Pair, at: float) -> None:
    query = batched(SENSOR_SIGNALS + FRESHNESS)
    assert pair.difference("query", query=query, time=str(at)) is None
    ours, _ = pair.both("query", query=query, time=str(at))
    assert len({element["metric"]["__sig"] for element in ours.data["result"]}) > 12


def test_a_batch_gives_what_single_queries_give(pair: Pair) -> None:
    at = str(TIMES_S[1])
    expressions = SENSOR_SIGNALS + FRESHNESS
    together, _ = pair.both("query", query=batched(expressions), time=at)
    for number, expression in enumerate(expressions):
        alone, _ = pair.both("query", query=expression, time=at)
        marked = [
            {**each, "metric": {name: value for name, value in each["metric"].items() if name != "__sig"}}
            for each in together.data["result"]
            if each["metric"]["__sig"] == str(number)
        ]
        assert marked == alone.data["result"], expression


def test_values_are_written_as_prometheus_writes_them(pair: Pair) -> None:
    for query in ("odd_gauge", "load", "requests_total", "1e21", "1e-7", "vector(1e-7)", "vector(1e21)", "vector(1e20)",
                  "vector(0.000001)", "-vector(0)", "vector(123456789012345680000)", "vector(1.5e-300)", "0.1 + 0.2",
                  "vector(NaN)", "-vector(Inf)"):  # fmt: skip
        ours, real = pair.both("query", query=query, time=str(TIMES_S[0]))
        assert _texts(ours) == _texts(real), query


def _texts(answer: Answer) -> list[str]:
    if answer.data["resultType"] == "scalar":
        return [answer.data["result"][1]]
    return [element["value"][1] for element in answer.data["result"]]


@pytest.mark.parametrize("query", REFUSED, ids=lambda query: query[:30])
def test_what_is_outside_the_subset_is_refused_by_name(pair: Pair, query: str) -> None:
    ours, real = pair.both("query", query=query, time=str(TIMES_S[0]))
    assert real.status == 200
    assert ours.kind == (400, "bad_data")
    assert ours.envelope["error"].startswith("not supported by the sandbox: ")


@pytest.mark.parametrize("query", NEWER)
def test_newer_syntax_is_taken(pair: Pair, query: str) -> None:
    ours, real = pair.both("query", query=query, time=str(TIMES_S[0]))
    assert (ours.status, real.status) == (200, 400)


@pytest.mark.parametrize(
    "parameters",
    [
        {"query": "up", "time": "now"},
        {"query": "up", "time": "1700000000x"},
        {"query": "up", "time": "2023-11-14T22:30:00Z"},
        {"query": "up", "time": "2023-11-14T22:30:00.5+01:00"},
        {"query": "up", "time": "2023-11-14"},
        {"query": "up", "time": "1700001000", "timeout": "5s"},
        {"query": "up", "time": "1700001000", "timeout": "soon"},
        {"time": "1700001000"},
        {"query": "up", "time": "1.7e9"},
        {"query": "up", "time": "-1700001000"},
    ],
)
def test_parameters_of_instant_queries(pair: Pair, parameters: dict[str, str]) -> None:
    ours, real = pair.both("query", **parameters)
    assert ours.kind == real.kind
    assert ours.status != 200 or ours.data == real.data


@pytest.mark.parametrize(
    "parameters",
    [
        {"start": "1700000000", "end": "1700000600", "step": "1m"},
        {"start": "1700000000", "end": "1700000600", "step": "1m30s"},
        {"start": "1700000000", "end": "1700000600", "step": "1500ms"},
        {"start": "1700000000", "end": "1700000600", "step": "7.5"},
        {"start": "1700000000", "end": "1700000600", "step": "0"},
        {"start": "1700000000", "end": "1700000600", "step": "-5"},
        {"start": "1700000000", "end": "1700000600", "step": "soon"},
        {"start": "1700000000", "end": "1700000600"},
        {"start": "1700000000", "step": "5"},
        {"end": "1700000000", "step": "5"},
        {"start": "1700000600", "end": "1700000000", "step": "5"},
        {"start": "1700000600", "end": "1700000600", "step": "5"},
        {"start": "1700000000", "end": "1700011000", "step": "1"},
        {"start": "1700000000", "end": "1700011001", "step": "1"},
        {"start": "2023-11-14T22:13:20Z", "end": "2023-11-14T22:15:00Z", "step": "10"},
    ],
)
def test_parameters_of_range_queries(pair: Pair, parameters: dict[str, str]) -> None:
    ours, real = pair.both("query_range", query="up", **parameters)
    assert ours.kind == real.kind
    assert ours.status != 200 or ours.data == real.data


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("series", {"match[]": "up"}),
        ("series", {"match[]": '{job=~"a.*",code!="200"}'}),
        ("series", {"match[]": "missing"}),
        ("series", {}),
        ("series", {"match[]": "sum(up)"}),
        ("series", {"match[]": "up offset 5m"}),
        ("series", {"match[]": "up[5m]"}),
        ("series", {"match[]": "{}"}),
        ("series", {"match[]": "up", "start": "soon"}),
        ("labels", {}),
        ("labels", {"match[]": "load"}),
        ("label/job/values", {}),
        ("label/__name__/values", {}),
        ("label/zone/values", {"match[]": "load"}),
        ("label/nothing/values", {}),
        ("label/bad-name/values", {}),
    ],
)
def test_metadata(pair: Pair, path: str, parameters: dict[str, str]) -> None:
    response = pair.session.get(f"{pair.url}/api/v1/{path}", params=parameters, timeout=20)
    ours = pair.api.answer(f"/api/v1/{path}", {name: [value] for name, value in parameters.items()})
    theirs = response.json()
    envelope = json.loads(ours.body)
    assert (ours.status, envelope.get("errorType")) == (response.status_code, theirs.get("errorType"))
    assert envelope.get("data") == theirs.get("data")


@pytest.mark.parametrize("query", STALENESS)
def test_staleness_agrees(stale_pair: Pair, query: str) -> None:
    times_s = tuple(START_S + 60.5 + 101.3 * step for step in range(30))
    assert stale_pair.instant_differences([query], times_s) == []
    assert "[2m]" in query[-4:] or stale_pair.range_differences([query]) == []


def test_regular_expressions_agree(pair: Pair) -> None:
    """Every pattern means what RE2 makes of it, or is refused."""
    at = str(TIMES_S[0])
    same = refused = 0
    for pattern in patterns(SEED, 600):
        query = f'label_replace(up, "x", "[$1]", "instance", {json.dumps(pattern)})'
        ours, real = pair.both("query", query=query, time=at)
        if ours.envelope.get("error", "").startswith("not supported"):
            refused += 1
            continue
        assert ours.kind == real.kind, f"{pattern}: ours {_said(ours)}, real {_said(real)}"
        assert ours.status != 200 or _same_data(ours.data, real.data, ordered=True), (
            f"{pattern}: {_said(ours)}, {_said(real)}"
        )
        same += 1
    assert same > 400, f"{same} patterns agree, {refused} are refused"
