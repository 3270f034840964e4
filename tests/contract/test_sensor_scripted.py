"""The Prometheus sensor against a scripted server; `tests/live` runs the same suite against a real one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contract.sensor_contract import TIMEOUT_S, SensorContract, SourceUnderTest
from tests.unit.sense.scripted_prometheus import ScriptedPrometheus, raw

from homeostat.model.signals import SignalSpec
from homeostat.sense.prometheus import PrometheusSensor
from homeostat.sense.settings import PrometheusSettings


class ScriptedSource(SourceUnderTest):
    """A scripted server that holds one signal."""

    now = 1_700_000_000.0
    present = SignalSpec("present", "answer", 30.0)
    missing = SignalSpec("missing", "nothing", 30.0)
    malformed = SignalSpec("malformed", "sum(", 30.0)

    def __init__(self, server: ScriptedPrometheus) -> None:
        self._server = server
        self.sensor = self.prometheus_sensor = PrometheusSensor(
            PrometheusSettings(url=server.url, timeout_s=TIMEOUT_S), environ={}
        )
        server.script.signal("answer", "42", self.now - 10)

    def hang(self) -> None:
        self._server.lie = raw(b"", hold_s=60)

    def vanish(self) -> None:
        self._server.lie = raw(b"")
        self._server.stop()


class TestScriptedPrometheus(SensorContract):
    @pytest.fixture
    def source(self) -> Iterator[SourceUnderTest]:
        with ScriptedPrometheus() as server:
            source = ScriptedSource(server)
            yield source
            source.prometheus_sensor.close()
