"""The Prometheus HTTP API over the store: parameters in, envelope out. No sockets here.

Paths, parameters, envelopes and status codes: https://prometheus.io/docs/prometheus/2.42/querying/api/
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from homeostat.model.ports import Clock
from homeostat.simulate.sandbox.promql import (
    BadQuery,
    Engine,
    MatrixResult,
    QueryError,
    Result,
    ScalarResult,
    StringResult,
    VectorResult,
)
from homeostat.simulate.sandbox.promql.arithmetic import format_plain, format_value
from homeostat.simulate.sandbox.promql.labels import Labels, is_label_name
from homeostat.simulate.sandbox.promql.matchers import Matcher
from homeostat.simulate.sandbox.promql.planner import selector_matchers
from homeostat.simulate.sandbox.store import SampleStore

Parameters = Mapping[str, Sequence[str]]
Json = object

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"

TIME_MAX_S = 1e11
"""Beyond the year 5000; keeps milliseconds within 64 bits."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
_UNITS_S = (365 * 86400.0, 7 * 86400.0, 86400.0, 3600.0, 60.0, 1.0, 0.001)
_LABEL_VALUES = re.compile(r"/api/v1/label/([^/]*)/values")

BUILD = {
    "version": "2.42.0+homeostat.sandbox",
    "revision": "",
    "branch": "",
    "buildUser": "",
    "buildDate": "",
    "goVersion": "",
}


@dataclass(frozen=True, slots=True)
class Response:
    """What to send back."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE


def plain(status: int, text: str) -> Response:
    """A response in plain text."""
    return Response(status, text.encode(), TEXT_TYPE)


def failure(status: int, error_type: str, message: str) -> Response:
    """An error in the API's envelope."""
    return _enveloped(status, {"status": "error", "errorType": error_type, "error": message})


class PrometheusApi:
    """Answers requests from a store. `clock` gives the default of `time=`."""

    def __init__(self, store: SampleStore, clock: Clock, engine: Engine | None = None) -> None:
        self._store = store
        self._clock = clock
        self._engine = engine or Engine(store)
        self._routes: dict[str, Callable[[Parameters], Json]] = {
            "/api/v1/query": self._query,
            "/api/v1/query_range": self._query_range,
            "/api/v1/series": self._series,
            "/api/v1/labels": self._labels,
            "/api/v1/status/buildinfo": lambda _: BUILD,
        }

    def answer(self, path: str, parameters: Parameters) -> Response:
        """Answer one request; whatever is wrong with it is said in the response."""
        if path == "/-/ready":
            return plain(200, "Prometheus Server is Ready.\n")
        if path == "/-/healthy":
            return plain(200, "Prometheus Server is Healthy.\n")
        if path == "/":
            return plain(200, "Homeostat's sandbox, answering the Prometheus HTTP API\n")
        try:
            data = self._data(path, parameters)
        except QueryError as error:
            return failure(error.status, error.error_type, str(error))
        if data is None:
            return plain(404, "404 page not found\n")
        return _enveloped(200, {"status": "success", "data": data})

    def _data(self, path: str, parameters: Parameters) -> Json | None:
        route = self._routes.get(path)
        if route is not None:
            return route(parameters)
        values = _LABEL_VALUES.fullmatch(path)
        return None if values is None else self._label_values(values[1], parameters)

    def _query(self, parameters: Parameters) -> Json:
        at_ms = self._time(parameters, "time", self._clock.now())
        _check_timeout(parameters)
        return _rendered(self._engine.instant(_first(parameters, "query"), at_ms))

    def _query_range(self, parameters: Parameters) -> Json:
        start_ms, end_ms = self._time(parameters, "start"), self._time(parameters, "end")
        step_ms = math.floor(_duration_s(parameters, "step") * 1000)
        _check_timeout(parameters)
        return _rendered(self._engine.over_range(_first(parameters, "query"), start_ms, end_ms, step_ms))

    def _series(self, parameters: Parameters) -> Json:
        if not parameters.get("match[]"):
            raise BadQuery("no match[] parameter provided")
        return [dict(labels) for labels in self._selected(parameters)]

    def _labels(self, parameters: Parameters) -> Json:
        return sorted({name for labels in self._selected(parameters) for name, _ in labels})

    def _label_values(self, name: str, parameters: Parameters) -> Json:
        if not is_label_name(name):
            raise BadQuery(f'invalid label name: "{name}"')
        return sorted({value for labels in self._selected(parameters) for each, value in labels if each == name})

    def _selected(self, parameters: Parameters) -> list[Labels]:
        start_ms = self._time(parameters, "start") if "start" in parameters else None
        end_ms = self._time(parameters, "end") if "end" in parameters else None
        selectors: list[tuple[Matcher, ...]] = [_selector(text) for text in parameters.get("match[]", ())]
        return self._store.series(selectors or [()], start_ms, end_ms)

    def _time(self, parameters: Parameters, name: str, default: float | None = None) -> int:
        text = _first(parameters, name)
        if not text and default is not None:
            return round(default * 1000)
        seconds = _seconds(text)
        if seconds is None or abs(seconds) > TIME_MAX_S:
            raise BadQuery(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp')
        return round(seconds * 1000)


def _first(parameters: Parameters, name: str) -> str:
    values = parameters.get(name)
    return values[0] if values else ""


@lru_cache(maxsize=256)
def _selector(text: str) -> tuple[Matcher, ...]:
    return selector_matchers(text)


def _seconds(text: str) -> float | None:
    if _NUMBER.fullmatch(text):
        return float(text)
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except ValueError:
        return None


def _duration_s(parameters: Parameters, name: str) -> float:
    """A duration in seconds: a number of them, or `1m30s`."""
    text = _first(parameters, name)
    if _NUMBER.fullmatch(text):
        return min(float(text), TIME_MAX_S)
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise BadQuery(f'invalid parameter "{name}": cannot parse "{text}" to a valid duration')
    return min(sum(int(n) * unit for n, unit in zip(found.groups("0"), _UNITS_S, strict=True)), TIME_MAX_S)


def _check_timeout(parameters: Parameters) -> None:
    """Accept `timeout=` as Prometheus does; queries here are bounded by samples, not by time."""
    if _first(parameters, "timeout"):
        _duration_s(parameters, "timeout")


def _rendered(result: Result) -> Json:
    match result:
        case ScalarResult(value, at_ms):
            kind, rendered = "scalar", [at_ms / 1000, format_plain(value)]
        case StringResult(text, at_ms):
            kind, rendered = "string", [at_ms / 1000, text]
        case VectorResult(elements, at_ms):
            return {
                "resultType": "vector",
                "result": [
                    {"metric": dict(labels), "value": [at_ms / 1000, format_value(value)]} for labels, value in elements
                ],
            }
        case MatrixResult(series):
            return {
                "resultType": "matrix",
                "result": [
                    {"metric": dict(labels), "values": [[time / 1000, format_value(value)] for time, value in points]}
                    for labels, points in series
                ],
            }
    return {"resultType": kind, "result": rendered}


def _enveloped(status: int, envelope: Mapping[str, Json]) -> Response:
    return Response(status, json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode())
