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
def one_haproxy() -> Iterator[Haproxy]:
    yield from haproxies()


class TestHaproxyActuator(ActuatorContract):
    """On a real haproxy. A key has a server of its own, so that the go-between tells whose effect it sees."""

    @pytest.fixture(autouse=True)
    def _haproxy(self, tmp_path: Path, one_haproxy: Haproxy) -> Iterator[None]:
        self.state, self.haproxy = tmp_path, one_haproxy
        self.haproxy.ready()
        with self.haproxy.session("users"), self.haproxy.session("others"):
            yield

    def fresh(self) -> Actuator:
        return HaproxyActuator(ActuatorContext(self.state, {"PATH": "/usr/bin:/bin"}))

    def quick(self, key: str) -> StartAction:
        return self._set(key, "weight", self._server(key), weight="50%")

    def endless(self, key: str) -> StartAction:
        return self._set(key, "drain", self._server(key), wait_idle=True)

    def failing(self, key: str) -> StartAction:
        return self._set(key, "weight", "fixed/one", weight=50)

    def impossible(self, key: str) -> StartAction:
        return self._set(key, "drain", {"with": "server"})

    def effects(self, key: str) -> int:
        return sum(self._server(key) in command for command in self.haproxy.sets())

    def _server(self, key: str) -> str:
        return "app/one" if key.endswith("1") else "other/web"

    def _set(self, key: str, operation: str, server: object, **more: object) -> StartAction:
        parameters = {"socket": self.haproxy.between_by_tcp, "server": server, "operation": operation, **more}
        return StartAction(key, ActionSpec("shift", "haproxy", parameters), "server/web", {}, timeout_s=60.0)
