from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.sense.scripted_prometheus import ScriptedPrometheus, body, raw

from homeostat.sense.check import Finding, Level, check
from homeostat.sense.settings import PrometheusSettings


def findings(server: ScriptedPrometheus, clock: Callable[[], float] = time.time, **settings: Any) -> dict[str, Finding]:
    found = check(PrometheusSettings(**{"url": server.url, **settings}), clock, environ={})
    return {finding.subject: finding for finding in found}


def test_a_prometheus_that_works(server: ScriptedPrometheus) -> None:
    found = findings(server)
    assert list(found) == ["reachable", "api", "clock", "batching"]
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert found["api"].message == "Prometheus 2.42.0"


def test_any_web_server_is_reachable_but_not_a_prometheus(server: ScriptedPrometheus) -> None:
    server.lie = body(200, b"<html>Welcome to nginx!</html>", "text/html")
    found = findings(server)
    assert found["reachable"].level is Level.OK
    assert found["api"].level is Level.ERROR
    assert "text/html instead of JSON" in found["api"].message
    assert list(found) == ["reachable", "api"]


def test_nobody_listens(server: ScriptedPrometheus) -> None:
    server.stop()
    (finding,) = findings(server).values()
    assert (finding.subject, finding.level) == ("reachable", Level.ERROR)
    assert "Connection refused" in finding.message


def test_a_server_that_hangs(server: ScriptedPrometheus) -> None:
    server.lie = raw(b"HTTP/1.1 200 OK\r\n", hold_s=30)
    began = time.monotonic()
    (finding,) = findings(server, timeout_s=0.2).values()
    assert finding.level is Level.ERROR
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(("skew_s", "word"), [(-60, "behind"), (60, "ahead of")])
def test_clocks_that_differ(skew_s: float, word: str, server: ScriptedPrometheus) -> None:
    found = findings(server, clock=lambda: time.time() + skew_s)
    assert found["clock"].level is Level.ERROR
    assert f"s {word} the server's" in found["clock"].message


def test_a_server_that_does_not_batch(server: ScriptedPrometheus) -> None:
    evaluate = server.evaluate

    def without_marker(form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        status, answer = evaluate(form)
        if answer["data"]["resultType"] == "vector":
            for series in answer["data"]["result"]:
                del series["metric"]["__sig"]
        return status, answer

    server.evaluate = without_marker  # type: ignore[method-assign] # a lie told by the server
    assert findings(server)["batching"].level is Level.ERROR


def test_a_version_that_is_not_told_is_only_a_warning(server: ScriptedPrometheus) -> None:
    server.lie = lambda handler: (
        handler.reply(404, b"", "text/plain")
        if "buildinfo" in handler.path
        else handler.reply_json(*server.evaluate(server.requests[-1].form))
        if handler.command == "POST"
        else handler.reply(200, b"", "text/html")
    )
    found = findings(server)
    assert found["api"].level is Level.WARNING
    assert found["batching"].level is Level.OK


def test_a_secret_that_is_not_there(server: ScriptedPrometheus) -> None:
    (finding,) = findings(server, token="env:NOSUCH").values()
    assert (finding.subject, finding.level) == ("settings", Level.ERROR)
    assert "NOSUCH is not set" in finding.message
    assert not server.requests
