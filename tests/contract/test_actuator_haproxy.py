from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.haproxy_process import Haproxy, haproxies

from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.act.haproxy import HaproxyActuator
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator


@pytest.fixture(scope="module")
def haproxy() -> Iterator[Haproxy]:
    yield from haproxies()


class TestHaproxyActuator(ActuatorContract):
    @pytest.fixture(autouse=True)
    def _a_user_stays(self, tmp_path: Path, haproxy: Haproxy) -> Iterator[None]:
        self.state, self.haproxy = tmp_path, haproxy
        haproxy.ready()
        with haproxy.session():
            yield

    def fresh(self) -> Actuator:
        return HaproxyActuator(ActuatorContext(self.state, {}))

    def quick(self, key: str) -> StartAction:
        return self._set(key, "drain")

    def endless(self, key: str) -> StartAction:
        return self._set(key, "drain", wait_idle=True)

    def failing(self, key: str) -> StartAction:
        return self._set(key, "weight", server="fixed/one", weight=20)

    def impossible(self, key: str) -> StartAction:
        return self._set(key, "weight", weight={"with": "weight"})

    def effects(self, key: str) -> int:
        return self.haproxy.sets().count(f"set server {self._server(key)} state drain")

    def _server(self, key: str) -> str:
        return "app/one" if key.endswith("/1") else "app/two"

    def _set(self, key: str, operation: str, server: str = "", **more: object) -> StartAction:
        parameters = {
            "socket": self.haproxy.between,
            "server": server or self._server(key),
            "operation": operation,
            **more,
        }
        return StartAction(key, ActionSpec("drain", "haproxy", parameters), "server/one", {}, timeout_s=60.0)
