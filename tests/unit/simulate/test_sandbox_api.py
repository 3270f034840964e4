from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.simulate.promql_trial import T0, Trial

from homeostat.simulate.sandbox.api import PrometheusApi


class FixedClock:
    def now(self) -> float:
        return T0 + 15.0

    def wait(self, seconds: float) -> bool:
        raise AssertionError("the API does not wait")


@pytest.fixture
def api() -> PrometheusApi:
    trial = Trial().load("up{job=api}", [1, 0, 1]).load("up{job=db}", [1]).load("load", [0.5])
    return PrometheusApi(trial.store, FixedClock())


def ask(api: PrometheusApi, path: str, **parameters: str | list[str]) -> tuple[int, dict[str, Any]]:
    named = {name.replace("match", "match[]"): value for name, value in parameters.items()}
    response = api.answer(
        f"/api/v1/{path}", {name: [value] if isinstance(value, str) else value for name, value in named.items()}
    )
    envelope: dict[str, Any] = json.loads(response.body)
    assert response.content_type == "application/json"
    assert envelope["status"] == ("success" if response.status == 200 else "error")
    return response.status, envelope


def test_the_injected_clock_is_the_default_time(api: PrometheusApi) -> None:
    _, envelope = ask(api, "query", query='up{job="api"}')
    assert envelope["data"] == {
        "resultType": "vector",
        "result": [{"metric": {"__name__": "up", "job": "api"}, "value": [T0 + 15, "0"]}],
    }


@pytest.mark.parametrize(
    "time", [str(T0 + 25), f"{T0 + 25}.0", "2023-11-14T22:13:45Z", "2023-11-14T23:13:45.000+01:00"]
)
def test_times(api: PrometheusApi, time: str) -> None:
    _, envelope = ask(api, "query", query='up{job="api"}', time=time)
    assert envelope["data"]["result"][0]["value"] == [T0 + 25, "1"]


def test_other_result_types(api: PrometheusApi) -> None:
    assert ask(api, "query", query="1e-7")[1]["data"] == {"resultType": "scalar", "result": [T0 + 15, "0.0000001"]}
    assert ask(api, "query", query='"a"')[1]["data"] == {"resultType": "string", "result": [T0 + 15, "a"]}
    matrix = ask(api, "query", query="load[1m]")[1]["data"]
    assert matrix == {"resultType": "matrix", "result": [{"metric": {"__name__": "load"}, "values": [[T0, "0.5"]]}]}


def test_a_range_query(api: PrometheusApi) -> None:
    _, envelope = ask(api, "query_range", query="sum(up)", start=str(T0), end=str(T0 + 25), step="10s")
    assert envelope["data"] == {
        "resultType": "matrix",
        "result": [{"metric": {}, "values": [[T0, "2"], [T0 + 10, "1"], [T0 + 20, "2"]]}],
    }


@pytest.mark.parametrize(
    ("path", "parameters", "message"),
    [
        ("query", {}, "parse error"),
        ("query", {"query": "up{"}, "parse error"),
        ("query", {"query": "up", "time": "now"}, 'invalid parameter "time": cannot parse "now"'),
        ("query", {"query": "up", "time": "NaN"}, 'invalid parameter "time"'),
        ("query", {"query": "up", "time": "1e300"}, 'invalid parameter "time"'),
        ("query", {"query": "up", "time": "2023-13-14T22:13:45Z"}, 'invalid parameter "time"'),
        ("query", {"query": "up", "timeout": "x"}, 'invalid parameter "timeout"'),
        ("query_range", {"query": "up", "start": "0", "end": "1"}, 'invalid parameter "step"'),
        ("query_range", {"query": "up", "start": "0", "end": "1", "step": "1x"}, 'invalid parameter "step"'),
        ("query_range", {"query": "up", "start": "0", "end": "1", "step": "0.0001"}, "zero or negative"),
        ("query_range", {"query": "up", "end": "1", "step": "1"}, 'invalid parameter "start"'),
        ("query_range", {"query": "up", "start": "0", "end": "99999", "step": "1"}, "maximum resolution"),
        ("query_range", {"query": "up[1m]", "start": "0", "end": "1", "step": "1"}, "range vector"),
        ("query", {"query": "hour()"}, "not supported by the sandbox: the function hour()"),
        ("series", {}, "no match[] parameter provided"),
        ("series", {"match": "sum(up)"}, "no series selector"),
        ("series", {"match": "up", "start": "x"}, 'invalid parameter "start"'),
        ("label/a-b/values", {}, 'invalid label name: "a-b"'),
    ],
)
def test_bad_data(api: PrometheusApi, path: str, parameters: dict[str, str], message: str) -> None:
    status, envelope = ask(api, path, **parameters)
    assert (status, envelope["errorType"]) == (400, "bad_data")
    assert message in envelope["error"]


def test_failures_of_execution(api: PrometheusApi) -> None:
    status, envelope = ask(api, "query", query="up + on () up")
    assert (status, envelope["errorType"]) == (422, "execution")
    assert "many-to-many" in envelope["error"]


def test_metadata(api: PrometheusApi) -> None:
    assert ask(api, "series", match=["up", "load"])[1]["data"] == [
        {"__name__": "load"},
        {"__name__": "up", "job": "api"},
        {"__name__": "up", "job": "db"},
    ]
    assert ask(api, "series", match="up", start=str(T0 + 5))[1]["data"] == [{"__name__": "up", "job": "api"}]
    assert ask(api, "labels")[1]["data"] == ["__name__", "job"]
    assert ask(api, "labels", match="load")[1]["data"] == ["__name__"]
    assert ask(api, "label/job/values")[1]["data"] == ["api", "db"]
    assert ask(api, "label/job/values", match='up{job=~"a.*"}')[1]["data"] == ["api"]
    assert ask(api, "label/none/values")[1]["data"] == []
    assert ask(api, "status/buildinfo")[1]["data"]["version"].startswith("2.42.0")


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/-/ready", 200, b"Prometheus Server is Ready.\n"),
        ("/-/healthy", 200, b"Prometheus Server is Healthy.\n"),
        ("/", 200, b"Homeostat's sandbox, answering the Prometheus HTTP API\n"),
        ("/api/v1/alerts", 404, b"404 page not found\n"),
        ("/api/v1/label/a/b/values", 404, b"404 page not found\n"),
    ],
)
def test_pages(api: PrometheusApi, path: str, status: int, body: bytes) -> None:
    response = api.answer(path, {})
    assert (response.status, response.body) == (status, body)
