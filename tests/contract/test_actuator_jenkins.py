from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.jenkins_server import TOKEN, USER, JenkinsServer

from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.act.jenkins import JenkinsActuator
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator


class TestJenkinsActuator(ActuatorContract):
    @pytest.fixture(autouse=True)
    def _server(self, tmp_path: Path) -> Iterator[None]:
        self.state = tmp_path
        self.server = JenkinsServer(crumbs=True)
        self.server.queued_s = 0.0
        self.server.by_service = {"endless": (600.0, "SUCCESS"), "failing": (0.0, "FAILURE")}
        yield
        self.server.close()

    def fresh(self) -> Actuator:
        return JenkinsActuator(ActuatorContext(self.state, {"JENKINS_TOKEN": TOKEN}))

    def quick(self, key: str) -> StartAction:
        return self._build(key, "pay")

    def endless(self, key: str) -> StartAction:
        return self._build(key, "endless")

    def failing(self, key: str) -> StartAction:
        return self._build(key, "failing")

    def impossible(self, key: str) -> StartAction:
        return self._build(key, {"with": "replicas"})

    def effects(self, key: str) -> int:
        return len([work for work in self.server.with_key(key) if work.number is not None])

    def _build(self, key: str, service: object) -> StartAction:
        parameters = {
            "url": self.server.url,
            "job": "shop/restart",
            "user": USER,
            "token": {"secret": "env:JENKINS_TOKEN"},
            "parameters": {"SERVICE": service},
        }
        return StartAction(key, ActionSpec("restart", "jenkins", parameters), "deploy/pay", {}, timeout_s=60.0)
