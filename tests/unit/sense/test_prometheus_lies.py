"""Servers that are down, slow, or lie: no exception, no value, a sentence that says what is wrong."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_api_client.exceptions import PrometheusApiClientException
from tests.unit.sense.scripted_prometheus import (
    Lie,
    MakeSensor,
    ScriptedPrometheus,
    body,
    drip,
    failure,
    hang_up,
    parts,
    raw,
    success,
)

from homeostat.model.signals import Absence, SignalSpec, SignalType, Snapshot
from homeostat.sense.prometheus import PrometheusSensor
from homeostat.sense.settings import PrometheusSettings

NOW = 1_700_000_000.0
SPECS = {
    "n": SignalSpec("n", "errors", 30.0),
    "t": SignalSpec("t", "build_info", 30.0, SignalType.TEXT, "version"),
    "c": SignalSpec("c", "time()", 30.0),
}
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def blind(snapshot: Snapshot) -> str:
    """Assert that nothing was read, and give the reason."""
    assert snapshot.error
    assert not snapshot.readings
    assert snapshot.values(SPECS, NOW) == dict.fromkeys(SPECS)
    assert "\n" not in snapshot.error
    return snapshot.error


LIES: dict[str, tuple[Lie, str]] = {
    "html": (body(200, b"<!DOCTYPE html><html>Sign in</html>", "text/html"), "text/html instead of JSON ('<!DOCTYPE"),
    "html called json": (body(200, b"<html>"), "is not JSON"),
    "json called html": (body(200, json.dumps(success("vector", [])).encode(), "text/html"), "instead of JSON"),
    "redirect": (body(302, b"", Location="https://sso.example/login"), "redirects to https://sso.example/login; set"),
    "redirect nowhere": (body(308, b""), "redirects to nowhere"),
    "401": (body(401, b"", "text/plain"), "refuses our credentials (HTTP 401)"),
    "403": (body(403, b"{}"), "refuses our credentials (HTTP 403)"),
    "404": (body(404, b"404 page not found", "text/plain"), "HTTP 404 with text/plain"),
    "429": (body(429, json.dumps(failure("too_many_requests", "slow down")).encode()), "HTTP 429"),
    "500": (body(500, b"oops", "text/plain"), "HTTP 500 with text/plain instead of JSON ('oops')"),
    "500 json": (body(500, json.dumps(failure("internal", "disk full")).encode()), "disk full"),
    "502 html": (body(502, b"<html>Bad gateway", "text/html"), "HTTP 502"),
    "400 html": (body(400, b"<html>Bad request", "text/html"), "HTTP 400 with text/html"),
    "200 error": (body(200, json.dumps(failure("internal", "inside out")).encode()), "inside out"),
    "204": (body(204, b"", "text/plain"), "HTTP 204"),
    "empty": (body(200, b""), "is not JSON"),
    "truncated json": (body(200, b'{"status":"success","data":{"resultType":"vec'), "is not JSON"),
    "cut off": (raw(JSON_HEAD + b'Content-Length: 9999\r\n\r\n{"status":'), "cannot be read"),
    "cut off in a chunk": (raw(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{"), "cannot be read"),
    "no such chunk": (raw(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}"), "cannot be read"),
    "hung up": (raw(b""), "Remote end closed connection"),
    "not http": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "cannot be read"),
    "huge": (body(200, b'{"status":"' + b"x" * 300_000 + b'"}'), "over 100000 bytes"),
    "endless": (drip(JSON_HEAD + b"\r\n", b"x" * 65_536, every_s=0, times=100), "over 100000 bytes"),
    "compressed unasked": (body(200, b"\x1f\x8b" + b"\0" * 30, **{"Content-Encoding": "gzip"}), "is not JSON"),
    "matrix": (body(200, json.dumps(success("matrix", [])).encode()), "is a matrix, not a vector"),
    "scalar": (body(200, json.dumps(success("scalar", [1, "1"])).encode()), "is a scalar, not a vector"),
    "no list": (body(200, json.dumps(success("vector", {"a": 1})).encode()), "of another shape"),
    "null result": (body(200, json.dumps(success("vector", None)).encode()), "of another shape"),
    "a list": (body(200, b"[1, 2]"), "of another shape"),
    "no data": (body(200, b'{"status": "success"}'), "of another shape"),
    "unasked series": (
        body(200, json.dumps(success("vector", [{"metric": {}, "value": [1, "1"]}])).encode()),
        "a series that nobody asked for",
    ),
    "deep": (body(200, b'{"data":' + b"[" * 90_000), "the answer is"),
    "many headers": (raw(JSON_HEAD + b"X: y\r\n" * 5000 + b"\r\n{}"), "cannot be read"),
    "a long header": (raw(JSON_HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\n{}"), "cannot be read"),
}


@pytest.mark.parametrize("name", LIES)
def test_lies(name: str, server: ScriptedPrometheus, make_sensor: MakeSensor) -> None:
    lie, why = LIES[name]
    server.lie = lie
    snapshot = make_sensor(answer_bytes_max=100_000).read(SPECS, NOW)
    if "over 100000" in why:  # the server works, but each expression by itself is too much
        assert snapshot.error is None
        assert {reading.absence for reading in snapshot.readings.values()} == {Absence.REFUSED}
        assert all(why in (reading.detail or "") for reading in snapshot.readings.values())
    else:
        assert why in blind(snapshot)


@pytest.mark.parametrize("name", [name for name, (_, why) in LIES.items() if "over" not in why])
def test_the_sensor_reads_again_as_soon_as_the_server_tells_the_truth(
    name: str, server: ScriptedPrometheus, make_sensor: MakeSensor
) -> None:
    server.script.signal("errors", "3", NOW)
    sensor = make_sensor(answer_bytes_max=100_000)
    server.lie = LIES[name][0]
    blind(sensor.read(SPECS, NOW))
    server.lie = None
    assert sensor.read(SPECS, NOW).readings["n"].value == 3.0


def test_a_redirect_is_not_followed_by_the_library_either(server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
    with ScriptedPrometheus() as elsewhere:
        server.lie = body(307, b"", Location=f"{elsewhere.url}/api/v1/query")
        assert elsewhere.url in blind(sensor.read(SPECS, NOW))
        with pytest.raises(PrometheusApiClientException, match="307"):
            sensor.connect.custom_query("up")
        assert not elsewhere.requests


SLOW: dict[str, Lie] = {
    "hangs": raw(b"", hold_s=30),
    "hangs after the head": raw(JSON_HEAD + b"Content-Length: 10\r\n\r\n", hold_s=30),
    "drips its status": drip(b"", b"H", every_s=0.05, times=600),
    "drips its headers": drip(JSON_HEAD, b"X: y\r\n", every_s=0.05, times=600),
    "drips one header": drip(JSON_HEAD + b"X: ", b"y", every_s=0.05, times=600),
    "drips its body": drip(JSON_HEAD + b"Content-Length: 100000\r\n\r\n", b" ", every_s=0.05, times=600),
    "drips without end": drip(JSON_HEAD + b"\r\n", b" ", every_s=0.05, times=600),
    "drips chunks": drip(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", every_s=0.05, times=600),
    "drips a chunk's size": drip(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0", every_s=0.05, times=600),
}


@pytest.mark.parametrize("name", SLOW)
def test_the_time_out_bounds_the_whole_read(name: str, server: ScriptedPrometheus, make_sensor: MakeSensor) -> None:
    sensor = make_sensor(timeout_s=0.4)
    server.lie = SLOW[name]
    began = time.monotonic()
    assert "no complete answer" in blind(sensor.read(SPECS, NOW))
    # Far below the 30 s for which the server would go on.
    assert time.monotonic() - began < 10
    # The thread has ended too: nothing is stuck, and the next read is asked.
    server.lie = None
    server.script.signal("errors", "3", NOW)
    assert sensor.read(SPECS, NOW).readings["n"].value == 3.0


def test_what_was_answered_before_the_time_ran_out_is_given(
    server: ScriptedPrometheus, make_sensor: MakeSensor
) -> None:
    sensor = make_sensor(timeout_s=0.5, batch_size_max=2)
    for name in ("a", "b", "c"):
        server.script.signal(name, "1", NOW)
    hang = SLOW["drips its headers"]

    def lie(handler: Any) -> None:
        form = server.requests[-1].form
        asked = [expr for _, expr in parts(form["query"])]
        if "b" in asked:
            hang(handler)
        else:
            handler.reply_json(*server.evaluate(form))

    server.lie = lie
    snapshot = sensor.read({name: SignalSpec(name, name, 30) for name in "abc"}, NOW)
    assert snapshot.error is None
    assert snapshot.readings["a"].value == 1.0
    assert snapshot.readings["b"].absence is Absence.UNREACHABLE
    assert snapshot.readings["c"].absence is Absence.UNREACHABLE
    assert "not asked in time" in (snapshot.readings["c"].detail or "")


def test_a_failed_batch_costs_only_its_own_signals(server: ScriptedPrometheus, make_sensor: MakeSensor) -> None:
    sensor = make_sensor(batch_size_max=2)
    for name in ("a", "b", "c"):
        server.script.signal(name, "1", NOW)

    def lie(handler: Any) -> None:
        form = server.requests[-1].form
        if any(expr == "b" for _, expr in parts(form["query"])):
            handler.reply(500, b"oops", "text/plain")
        else:
            handler.reply_json(*server.evaluate(form))

    server.lie = lie
    snapshot = sensor.read({name: SignalSpec(name, name, 30) for name in "abc"}, NOW)
    assert snapshot.error is None
    assert [snapshot.readings[name].value for name in "abc"] == [1.0, None, 1.0]
    assert snapshot.readings["b"].absence is Absence.UNREACHABLE
    assert "HTTP 500" in (snapshot.readings["b"].detail or "")


def test_a_source_that_fails_again_and_again_is_given_up_for_the_read(
    server: ScriptedPrometheus, make_sensor: MakeSensor
) -> None:
    server.lie = body(500, b"oops", "text/plain")
    specs = {f"s{index}": SignalSpec(f"s{index}", f"m{index}", 30) for index in range(500)}
    assert "HTTP 500" in (make_sensor().read(specs, NOW).error or "")
    assert len(server.requests) == 3


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        sensor = PrometheusSensor(PrometheusSettings(url=f"http://127.0.0.1:{taken.getsockname()[1]}"))
        assert "cannot be read: Connection refused" in blind(sensor.read(SPECS, NOW))
        sensor.close()


@pytest.mark.parametrize("times", [1, 2])
def test_a_server_that_hangs_up_is_asked_once_more(
    times: int, server: ScriptedPrometheus, make_sensor: MakeSensor
) -> None:
    server.script.signal("errors", "3", NOW)
    sensor = make_sensor()

    def lie(handler: Any) -> None:
        if len(server.requests) <= times:
            hang_up(handler)
        else:
            handler.reply_json(*server.evaluate(server.requests[-1].form))

    server.lie = lie
    snapshot = sensor.read(SPECS, NOW)
    assert len(server.requests) == 2
    if times == 1:
        assert snapshot.readings["n"].value == 3.0
    else:
        assert "Remote end closed connection" in blind(snapshot)


def test_a_name_that_does_not_exist() -> None:
    sensor = PrometheusSensor(PrometheusSettings(url="http://prometheus.invalid:9090", timeout_s=20))
    assert "its name is not known" in blind(sensor.read(SPECS, NOW))
    sensor.close()


def test_tls_to_a_server_without_it(server: ScriptedPrometheus, make_sensor: MakeSensor) -> None:
    sensor = make_sensor(url=server.url.replace("http:", "https:"))
    assert "cannot be read" in blind(sensor.read(SPECS, NOW))


def test_a_second_read_is_not_queued_behind_a_stuck_one(
    server: ScriptedPrometheus, make_sensor: MakeSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = make_sensor(timeout_s=1.5)
    release = threading.Event()
    # Looking up a name cannot be cut off from outside; the worker then stays stuck beyond the time-out.
    monkeypatch.setattr(sensor._client.session, "request", lambda *_, **__: release.wait(30))
    assert "no complete answer within 1.5 s" in blind(sensor.read(SPECS, NOW))
    assert "still stuck" in blind(sensor.read(SPECS, NOW))
    assert "still stuck" in blind(sensor.read(SPECS, NOW))
    monkeypatch.undo()
    release.set()
    stuck = sensor._worker._under_way
    assert stuck is not None
    stuck.join()
    server.script.signal("errors", "3", NOW)
    assert sensor.read(SPECS, NOW).readings["n"].value == 3.0


def test_a_bug_of_ours_is_not_taken_for_a_failure_of_the_source(
    sensor: PrometheusSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeostat.sense.prometheus.make_reading", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sensor.read(SPECS, NOW)


@pytest.mark.parametrize(("skew_s", "word"), [(-3600, "behind"), (3600, "ahead of")])
def test_clocks_that_differ_make_blind_when_they_are_compared(
    skew_s: float, word: str, server: ScriptedPrometheus, make_sensor: MakeSensor
) -> None:
    server.script.signal("errors", "3", time.time() + skew_s)
    sensor = make_sensor(clock_skew_max_s=30)
    error = blind(sensor.read(SPECS, time.time() + skew_s))
    assert re.search(rf"our clock is (3599|3600|3601) s {word} ", error)
    assert sensor.read(SPECS, time.time()).error is None
    assert make_sensor().read(SPECS, time.time() + skew_s).error is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.sampled_from(["", "0", "1", "NaN", "+Inf", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["metric", "value", "__sig"]), inner),
    max_leaves=6,
)
SERIES = st.fixed_dictionaries(
    {},
    optional={
        "metric": st.dictionaries(
            st.sampled_from(["__sig", "version", "a"]), st.sampled_from(["0", "1", "2", "3", "9", ""]) | JSON
        )
        | JSON,
        "value": st.tuples(st.just(NOW) | JSON, st.sampled_from(["0", "1", "NaN", "-Inf", "1e999", str(NOW)]) | JSON)
        | JSON,
        "histogram": JSON,
    },
)
ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["success", "error"]) | JSON,
        "data": st.fixed_dictionaries(
            {},
            optional={
                "resultType": st.sampled_from(["vector", "matrix", "scalar"]) | JSON,
                "result": st.lists(SERIES | JSON, max_size=6) | JSON,
            },
        )
        | JSON,
        "errorType": st.sampled_from(["timeout", "bad_data"]) | JSON,
        "error": JSON,
        "warnings": st.lists(st.text(max_size=5)) | JSON,
        "infos": JSON,
    },
)
CONTENT = (
    ENVELOPES.map(lambda envelope: json.dumps(envelope).encode())
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=40)
)
STATUS = st.sampled_from([200, 200, 200, 400, 422, 500, 503, 302, 401])


@pytest.fixture(scope="module")
def liar() -> Any:
    with ScriptedPrometheus() as running:
        yield running


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STATUS, CONTENT)
def test_no_answer_whatever_makes_it_raise_or_believe(liar: ScriptedPrometheus, status: int, content: bytes) -> None:
    liar.lie = body(status, content)
    sensor = PrometheusSensor(PrometheusSettings(url=liar.url, extra_queries_max=6))
    try:
        snapshot = sensor.read(SPECS, NOW)
    finally:
        sensor.close()
    if snapshot.error is not None:
        blind(snapshot)
        return
    assert set(snapshot.readings) == set(SPECS)
    for key, reading in snapshot.readings.items():
        assert (reading.value is None) is (reading.absence is not None)
        if reading.value is None:
            assert reading.detail
        else:
            assert status == 200
            assert isinstance(reading.value, str if key == "t" else float)
            assert reading.sampled_at is not None
            assert reading.sampled_at <= NOW


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=120))
def test_no_bytes_whatever_make_it_raise(liar: ScriptedPrometheus, data: bytes) -> None:
    liar.lie = raw(data)
    sensor = PrometheusSensor(PrometheusSettings(url=liar.url))
    try:
        blind(sensor.read(SPECS, NOW))
    finally:
        sensor.close()
