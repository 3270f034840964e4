"""A scripted server and a sensor that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.sense.scripted_prometheus import MakeSensor, ScriptedPrometheus

from homeostat.sense.prometheus import PrometheusSensor
from homeostat.sense.settings import PrometheusSettings


@pytest.fixture
def server() -> Iterator[ScriptedPrometheus]:
    with ScriptedPrometheus() as running:
        yield running


@pytest.fixture
def make_sensor(server: ScriptedPrometheus) -> Iterator[MakeSensor]:
    made: list[PrometheusSensor] = []

    def make(environ: dict[str, str] | None = None, **settings: Any) -> PrometheusSensor:
        sensor = PrometheusSensor(PrometheusSettings(**{"url": server.url, **settings}), environ=environ or {})
        made.append(sensor)
        return sensor

    yield make
    for sensor in made:
        sensor.close()


@pytest.fixture
def sensor(make_sensor: MakeSensor) -> PrometheusSensor:
    return make_sensor()
