"""What the sensor makes of a server that works, and of expressions that do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.sense.scripted_prometheus import MakeSensor, ScriptedPrometheus

from homeostat.model.signals import Absence, Reading, SignalSpec, SignalType, Snapshot
from homeostat.sense.prometheus import PrometheusSensor

NOW = 1_700_000_000.25


def number(name: str, expr: str | None = None, max_age_s: float = 30.0) -> SignalSpec:
    return SignalSpec(name, expr or name, max_age_s)


def text(name: str, expr: str, label: str | None = "version") -> SignalSpec:
    return SignalSpec(name, expr, 30.0, SignalType.TEXT, label)


def by_name(*specs: SignalSpec) -> dict[str, SignalSpec]:
    return {spec.name: spec for spec in specs}


def read_one(sensor: PrometheusSensor, spec: SignalSpec) -> Reading:
    snapshot = sensor.read({"key": spec}, NOW)
    assert snapshot.error is None
    assert list(snapshot.readings) == ["key"]
    return snapshot.readings["key"]


def test_a_number_with_the_time_of_its_sample(server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
    server.script.signal("up", "1", NOW - 7)
    assert read_one(sensor, number("up")) == Reading(value=1.0, sampled_at=NOW - 7)


def test_everything_is_asked_in_one_post_body_at_one_moment(
    server: ScriptedPrometheus, sensor: PrometheusSensor
) -> None:
    server.script.signal("a", "1", NOW)
    server.script.signal("b", "2", NOW)
    snapshot = sensor.read({"p/a": number("a"), "q/a": number("a"), "q/b": number("b")}, NOW)
    assert {key: reading.value for key, reading in snapshot.readings.items()} == {"p/a": 1.0, "q/a": 1.0, "q/b": 2.0}
    assert snapshot.at == NOW
    (request,) = server.requests
    assert (request.method, request.path, request.form["time"]) == ("POST", "/api/v1/query", "1700000000.250")
    assert request.expressions == ["a", "max(timestamp(a))", "b", "max(timestamp(b))"]
    assert 0 < int(request.form["timeout"].removesuffix("ms")) < 5000


def test_a_dead_series_is_stale_though_it_answers(server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
    server.script.signal("up", "1", NOW - 240)
    spec = number("up", max_age_s=60)
    snapshot = sensor.read({"up": spec}, NOW)
    assert snapshot.readings["up"].value == 1.0
    assert snapshot.values({"up": spec}, NOW) == {"up": None}
    assert snapshot.absence(spec, NOW) is Absence.STALE


def test_a_quotient_is_as_old_as_its_older_side(server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
    server.script.signal("rate(e[5m]) / t", "0.5", NOW - 3, selector="t")
    server.script.vectors["max(timestamp(e))"] = [({}, repr(NOW - 200))]
    assert read_one(sensor, number("ratio", "rate(e[5m]) / t")).sampled_at == NOW - 200


@pytest.mark.parametrize("expr", ["errors or vector(0)", "absent(errors)", "count(errors) or vector(0)"])
def test_a_value_made_of_missing_data_is_missing(
    expr: str, server: ScriptedPrometheus, sensor: PrometheusSensor
) -> None:
    server.script.vectors[expr] = [({}, "0")]
    reading = read_one(sensor, number("zero", expr))
    assert (reading.value, reading.sampled_at, reading.absence) == (None, None, Absence.MISSING)
    assert "no series it reads has a live sample: errors" in (reading.detail or "")


def test_a_default_counts_while_another_selector_lives(server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
    server.script.signal("sum(errors) or 0 * sum(total)", "0", NOW - 2, selector="total")
    assert read_one(sensor, number("e", "sum(errors) or 0 * sum(total)")) == Reading(value=0.0, sampled_at=NOW - 2)


def test_an_expression_without_series_is_as_fresh_as_its_evaluation(
    server: ScriptedPrometheus, sensor: PrometheusSensor
) -> None:
    server.script.vectors["vector(time()\n)"] = [({}, str(NOW))]
    assert read_one(sensor, number("clock", "time()")) == Reading(value=NOW, sampled_at=NOW)
    assert server.queries == [["vector(time()\n)"]]


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "1e999", "ten"])
def test_no_usable_number_is_absent(value: str, server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
    server.script.signal("x", value, NOW)
    reading = read_one(sensor, number("x"))
    assert (reading.value, reading.absence, reading.sampled_at) == (None, Absence.NAN, NOW)
    assert reading.detail


def test_no_series_is_missing(sensor: PrometheusSensor) -> None:
    reading = read_one(sensor, number("x"))
    assert (reading.value, reading.absence, reading.sampled_at) == (None, Absence.MISSING, None)


def test_several_series_are_ambiguous_and_the_first_three_are_named(
    server: ScriptedPrometheus, sensor: PrometheusSensor
) -> None:
    for pod in "abcd":
        server.script.signal("x", "1", NOW, pod=pod)
    reading = read_one(sensor, number("x"))
    assert (reading.value, reading.absence) == (None, Absence.AMBIGUOUS)
    assert reading.detail == '4 series instead of one: {pod="a"}, {pod="b"}, {pod="c"}, ...'


class TestText:
    """Text signals: the label of the one series that is not 0."""

    def test_the_label_is_the_value(self, server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
        server.script.signal("build_info", "1", NOW - 1, version="2.42")
        assert read_one(sensor, text("v", "build_info")) == Reading(value="2.42", sampled_at=NOW - 1)

    def test_of_a_state_set_the_one_that_is_not_zero(
        self, server: ScriptedPrometheus, sensor: PrometheusSensor
    ) -> None:
        server.script.signal("state", "0", NOW, version="open")
        server.script.signal("state", "1", NOW, version="closed")
        assert read_one(sensor, text("s", "state")).value == "closed"

    @pytest.mark.parametrize(
        ("values", "absence"),
        [
            ([], Absence.MISSING),
            (["0"], Absence.MISSING),
            (["1", "1"], Absence.AMBIGUOUS),
            (["1", "NaN"], Absence.NAN),
            (["x"], Absence.NAN),
        ],
    )
    def test_all_else_is_absent(
        self, values: list[str], absence: Absence, server: ScriptedPrometheus, sensor: PrometheusSensor
    ) -> None:
        for place, value in enumerate(values):
            server.script.signal("state", value, NOW, version=f"v{place}")
        assert read_one(sensor, text("s", "state")).absence is absence

    def test_a_series_without_the_label(self, server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
        server.script.signal("state", "1", NOW, other="x")
        reading = read_one(sensor, text("s", "state"))
        assert (reading.absence, reading.detail) == (Absence.MISSING, "the series {other=\"x\"} has no label 'version'")

    def test_the_batchs_own_marker_is_nobodys_value(self, server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
        server.script.signal("state", "1", NOW)
        assert read_one(sensor, text("s", "state", label="__sig")).absence is Absence.MISSING

    def test_a_signal_without_a_label_is_refused(self, sensor: PrometheusSensor) -> None:
        assert read_one(sensor, text("s", "state", label=None)).absence is Absence.REFUSED


@pytest.mark.parametrize("expr", ["x[5m]", "'text'", "sum(", ""])
def test_what_cannot_be_a_signal_is_refused_unasked(
    expr: str, server: ScriptedPrometheus, sensor: PrometheusSensor
) -> None:
    reading = read_one(sensor, SignalSpec("x", expr, 30.0))
    assert (reading.absence, bool(reading.detail)) == (Absence.REFUSED, True)
    assert not server.requests


class TestQuarantine:
    """One bad expression out of many."""

    GOOD = tuple(f"good_{index}" for index in range(40))

    def specs(self, server: ScriptedPrometheus, *bad: str) -> dict[str, SignalSpec]:
        for name in self.GOOD:
            server.script.signal(name, "1", NOW)
        return by_name(*(number(name) for name in (*self.GOOD[:17], *bad, *self.GOOD[17:])))

    @pytest.mark.parametrize("status", [400, 422])
    def test_the_others_are_read_in_the_same_tick(
        self, status: int, server: ScriptedPrometheus, sensor: PrometheusSensor
    ) -> None:
        server.script.refusals["bad"] = (status, "many-to-many matching not allowed")
        snapshot = sensor.read(self.specs(server, "bad"), NOW)
        assert snapshot.error is None
        assert all(snapshot.readings[name].value == 1.0 for name in self.GOOD)
        assert snapshot.readings["bad"].absence is Absence.REFUSED
        assert "many-to-many matching not allowed" in (snapshot.readings["bad"].detail or "")

    def test_it_is_left_alone_for_a_while_then_asked_alone(
        self, server: ScriptedPrometheus, sensor: PrometheusSensor
    ) -> None:
        server.script.refusals["bad"] = (422, "no")
        specs = self.specs(server, "bad")
        sensor.read(specs, NOW)
        server.requests.clear()
        quiet = sensor.read(specs, NOW + 4)
        assert not any("bad" in batch for batch in server.queries)
        assert len(server.queries) == 2
        assert "asked again in 1 s" in (quiet.readings["bad"].detail or "")
        server.requests.clear()
        sensor.read(specs, NOW + 5)
        assert [batch for batch in server.queries if "bad" in batch] == [["bad"]]
        server.requests.clear()
        sensor.read(specs, NOW + 14)
        assert not any("bad" in batch for batch in server.queries)

    def test_it_comes_back_when_it_is_mended(self, server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
        server.script.refusals["bad"] = (422, "no")
        specs = self.specs(server, "bad")
        sensor.read(specs, NOW)
        server.script.refusals.clear()
        server.script.signal("bad", "3", NOW + 6)
        assert sensor.read(specs, NOW + 6).readings["bad"].value == 3.0

    def test_a_refused_freshness_query_refuses_the_signal(
        self, server: ScriptedPrometheus, sensor: PrometheusSensor
    ) -> None:
        specs = self.specs(server)
        server.script.refusals["max(timestamp(good_3))"] = (422, "no")
        snapshot = sensor.read(specs, NOW)
        assert {name for name, reading in snapshot.readings.items() if reading.absence} == {"good_3"}

    def test_when_all_are_bad_the_source_is_not_blamed(
        self, server: ScriptedPrometheus, sensor: PrometheusSensor
    ) -> None:
        names = [f"bad_{index}" for index in range(8)]
        server.script.refusals = dict.fromkeys(names, (400, "no"))
        for moment in (NOW, NOW + 1):
            snapshot = sensor.read(by_name(*map(number, names)), moment)
            assert snapshot.error is None
            assert {reading.absence for reading in snapshot.readings.values()} == {Absence.REFUSED}

    def test_the_search_is_bounded_and_goes_on_in_the_next_reads(
        self, server: ScriptedPrometheus, make_sensor: MakeSensor
    ) -> None:
        sensor = make_sensor(extra_queries_max=4)
        server.script.refusals["bad"] = (422, "no")
        specs = self.specs(server, "bad")
        good_read = []
        for moment in range(5):
            server.requests.clear()
            snapshot = sensor.read(specs, NOW + 0.1 * moment)
            assert len(server.requests) <= 2 + 4 + 4
            good_read.append(sum(snapshot.readings[name].value == 1.0 for name in self.GOOD))
            assert snapshot.readings["bad"].value is None
        assert good_read == sorted(good_read)
        assert good_read[0] >= 15
        assert good_read[-1] == 40
        assert snapshot.readings["bad"].absence is Absence.REFUSED

    def test_an_answer_too_large_is_blamed_on_its_expression(
        self, server: ScriptedPrometheus, make_sensor: MakeSensor
    ) -> None:
        sensor = make_sensor(answer_bytes_max=20_000)
        specs = self.specs(server, "huge")
        for pod in range(1000):
            server.script.signal("huge", "1", NOW, pod=f"payments-{pod}")
        snapshot = sensor.read(specs, NOW)
        assert all(snapshot.readings[name].value == 1.0 for name in self.GOOD)
        assert snapshot.readings["huge"].absence is Absence.REFUSED
        assert "over 20000 bytes" in (snapshot.readings["huge"].detail or "")

    def test_a_slow_expression_is_found_over_some_reads(
        self, server: ScriptedPrometheus, sensor: PrometheusSensor
    ) -> None:
        server.script.slow.add("slow")
        specs = self.specs(server, "slow")
        first = sensor.read(specs, NOW)
        assert first.error is None
        assert first.readings["slow"].absence is Absence.UNREACHABLE
        for moment in range(1, 8):
            last = sensor.read(specs, NOW + moment)
        assert all(last.readings[name].value == 1.0 for name in self.GOOD)
        assert "gave the query up" in (last.readings["slow"].detail or "")

    def test_an_expression_that_is_never_answered_is_found_over_some_reads(
        self, server: ScriptedPrometheus, make_sensor: MakeSensor
    ) -> None:
        """At first it takes the others along; once it is known it is left alone, and they are read."""
        sensor = make_sensor(timeout_s=0.4)
        specs = self.specs(server, "hung")
        server.hung.add("hung")
        first = sensor.read(specs, NOW)
        assert first.error is not None
        good_read: list[int] = []
        for moment in range(1, 16):
            last = sensor.read(specs, NOW + 0.1 * moment)
            good_read.append(sum(last.readings[name].value == 1.0 for name in self.GOOD if name in last.readings))
        assert good_read[-1] == 40
        assert last.readings["hung"].absence is Absence.UNREACHABLE
        assert "asked again in" in (last.readings["hung"].detail or "")

    def test_a_server_that_says_nothing_convicts_nobody(
        self, server: ScriptedPrometheus, make_sensor: MakeSensor
    ) -> None:
        sensor = make_sensor(timeout_s=0.2)
        specs = self.specs(server, "well")
        server.script.signal("well", "1", NOW)
        server.hung.update(specs)
        for moment in range(8):
            assert sensor.read(specs, NOW + moment).error is not None
        server.hung.clear()
        patient = 0
        for moment in range(8, 12):
            snapshot = sensor.read(specs, NOW + moment)
            patient = sum(snapshot.readings[name].value == 1.0 for name in specs if name in snapshot.readings)
        assert patient == len(specs)


class TestWarnings:
    """The source says that its answer may be partial."""

    def specs(self, server: ScriptedPrometheus) -> dict[str, SignalSpec]:
        for name in "abcdefgh":
            server.script.signal(name, "1", NOW)
        return by_name(*map(number, "abcdefgh"))

    def test_they_are_traced_to_their_expression(self, server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
        specs = self.specs(server)
        server.script.warnings["c"] = "remote read failed"
        snapshot = sensor.read(specs, NOW)
        assert snapshot.warnings == ("remote read failed",)
        assert {name: reading.absence for name, reading in snapshot.readings.items() if reading.absence} == {
            "c": Absence.PARTIAL
        }
        assert snapshot.readings["c"] == Reading(absence=Absence.PARTIAL, detail="remote read failed")

    def test_the_next_read_asks_the_known_one_apart(self, server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
        specs = self.specs(server)
        server.script.warnings["c"] = "remote read failed"
        sensor.read(specs, NOW)
        server.requests.clear()
        assert sensor.read(specs, NOW + 1).readings["c"].absence is Absence.PARTIAL
        assert [len(batch) for batch in server.queries] == [15, 1]
        server.script.warnings.clear()
        assert sensor.read(specs, NOW + 2).readings["c"].value == 1.0

    def test_without_room_to_trace_them_all_are_partial(
        self, server: ScriptedPrometheus, make_sensor: MakeSensor
    ) -> None:
        specs = self.specs(server)
        server.script.warnings["c"] = "remote read failed"
        snapshot = make_sensor(extra_queries_max=0).read(specs, NOW)
        assert {reading.absence for reading in snapshot.readings.values()} == {Absence.PARTIAL}

    def test_when_everything_is_partial_the_cost_stays_bounded(
        self, server: ScriptedPrometheus, make_sensor: MakeSensor
    ) -> None:
        sensor = make_sensor(extra_queries_max=6)
        specs = self.specs(server)
        server.script.warnings = dict.fromkeys("abcdefgh", "remote read failed")
        for moment in range(6):
            server.requests.clear()
            snapshot = sensor.read(specs, NOW + moment)
            assert len(server.requests) <= 1 + 6 + 6
            assert all(snapshot.readings[name].value is None for name in "abcdefgh")

    def test_infos_are_kept_and_harm_nothing(self, server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
        specs = self.specs(server)
        server.script.infos["c"] = "metric might not be a counter"
        snapshot = sensor.read(specs, NOW)
        assert snapshot.warnings == ("metric might not be a counter",)
        assert all(reading.value == 1.0 for reading in snapshot.readings.values())
        assert len(server.requests) == 1

    def test_they_are_bounded(self, server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
        names = [f"s{index}" for index in range(40)]
        for name in names:
            server.script.signal(name, "1", NOW)
            server.script.infos[name] = f"{name} " + "x" * 1000
        snapshot = sensor.read(by_name(*map(number, names)), NOW)
        assert len(snapshot.warnings) == 20
        assert max(map(len, snapshot.warnings)) <= 300


def test_batches_are_bounded_in_size_and_bytes(server: ScriptedPrometheus, make_sensor: MakeSensor) -> None:
    sensor = make_sensor(query_bytes_max=10_000)
    long = [f"m{index}_" + "x" * 1500 for index in range(10)]
    short = [f"s{index}" for index in range(60)]
    for name in (*long, *short):
        server.script.signal(name, "1", NOW)
    snapshot = sensor.read(by_name(*map(number, (*long, *short))), NOW)
    assert all(reading.value == 1.0 for reading in snapshot.readings.values())
    assert all(len(request.form["query"].encode()) <= 10_000 for request in server.requests)
    assert max(map(len, server.queries)) == 50


def test_a_label_value_cannot_smuggle_in_a_query(server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
    expr = 'x{path="a\\"} or vector(1) #"}'
    server.script.signal(expr, "5", NOW, selector='x{path="a\\"} or vector(1) #"}')
    assert read_one(sensor, number("x", expr)) == Reading(value=5.0, sampled_at=NOW)


def test_no_signals_no_questions(server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
    assert sensor.read({}, NOW) == Snapshot(at=NOW)
    assert not server.requests


@pytest.mark.parametrize("now", [float("nan"), float("inf"), -float("inf")])
def test_no_time_is_no_moment_to_read_at(now: float, sensor: PrometheusSensor) -> None:
    snapshot = sensor.read({"x": number("x")}, now)
    assert snapshot.error is not None
    assert not snapshot.readings


def test_a_closed_sensor_says_so(sensor: PrometheusSensor) -> None:
    sensor.close()
    sensor.close()
    assert sensor.read({"x": number("x")}, NOW) == Snapshot(at=NOW, error="the sensor is closed")


class TestCredentials:
    """Secrets go where they are meant to go."""

    def test_the_token_and_the_headers_are_sent(self, server: ScriptedPrometheus, make_sensor: MakeSensor) -> None:
        sensor = make_sensor({"TOKEN": "s3cret"}, token="env:TOKEN", headers={"X-Scope-OrgID": "shop"})
        sensor.read({"x": number("x")}, NOW)
        headers = server.requests[0].headers
        assert (headers["Authorization"], headers["X-Scope-OrgID"]) == ("Bearer s3cret", "shop")
        assert headers["Accept-Encoding"] == "identity"

    def test_basic_authentication(self, server: ScriptedPrometheus, make_sensor: MakeSensor) -> None:
        make_sensor({"PW": "pw"}, username="me", password="env:PW").read({"x": number("x")}, NOW)
        assert server.requests[0].headers["Authorization"] == "Basic bWU6cHc="

    def test_the_environment_does_not_replace_them(
        self,
        server: ScriptedPrometheus,
        make_sensor: MakeSensor,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password else\n")
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        make_sensor({"TOKEN": "s3cret"}, token="env:TOKEN").read({"x": number("x")}, NOW)
        assert server.requests[0].headers["Authorization"] == "Bearer s3cret"

    def test_a_rotated_token_is_read_again(
        self, server: ScriptedPrometheus, make_sensor: MakeSensor, tmp_path: Path
    ) -> None:
        path = tmp_path / "token"
        path.write_text("old")
        sensor = make_sensor(token=f"file:{path}")
        path.write_text("new")
        server.lie = lambda handler: (
            handler.reply(401, b"no", "text/plain")
            if handler.headers["Authorization"] == "Bearer old"
            else handler.reply_json(*server.evaluate(server.requests[-1].form))
        )
        server.script.signal("x", "1", NOW)
        refused = sensor.read({"x": number("x")}, NOW)
        assert "refuses our credentials (HTTP 401)" in (refused.error or "")
        assert "old" not in (refused.error or "")
        assert sensor.read({"x": number("x")}, NOW + 1).readings["x"].value == 1.0


def test_the_library_shares_the_session_and_its_bounds(server: ScriptedPrometheus, sensor: PrometheusSensor) -> None:
    assert sensor.connect._session is sensor._client.session
    assert sensor.connect._session.get_adapter(server.url) is sensor._client.session.adapter
    assert sensor.connect.check_prometheus_connection() is True
