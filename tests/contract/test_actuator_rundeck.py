from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.rundeck_server import JOB, TOKEN, RundeckServer

from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.act.rundeck import RundeckActuator
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator


class TestRundeckActuator(ActuatorContract):
    @pytest.fixture(autouse=True)
    def _server(self, tmp_path: Path) -> Iterator[None]:
        self.state = tmp_path
        self.server = RundeckServer()
        self.server.by_service = {"endless": (600.0, "succeeded"), "failing": (0.0, "failed")}
        yield
        self.server.close()

    def fresh(self) -> Actuator:
        return RundeckActuator(ActuatorContext(self.state, {"RUNDECK_TOKEN": TOKEN}))

    def quick(self, key: str) -> StartAction:
        return self._run(key, "pay")

    def endless(self, key: str) -> StartAction:
        return self._run(key, "endless")

    def failing(self, key: str) -> StartAction:
        return self._run(key, "failing")

    def impossible(self, key: str) -> StartAction:
        return self._run(key, {"with": "replicas"})

    def effects(self, key: str) -> int:
        return len(self.server.with_key(key))

    def _run(self, key: str, service: object) -> StartAction:
        parameters = {
            "url": self.server.url,
            "job": JOB,
            "token": {"secret": "env:RUNDECK_TOKEN"},
            "options": {"service": service},
        }
        return StartAction(key, ActionSpec("restart", "rundeck", parameters), "deploy/pay", {}, timeout_s=60.0)
