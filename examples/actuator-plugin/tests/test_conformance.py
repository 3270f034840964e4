"""The rotation does what every actuator must do."""

from __future__ import annotations

from pathlib import Path

import pytest
from homeostat_rotation import RotationActuator

from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator


class TestRotation(ActuatorContract):
    @pytest.fixture(autouse=True)
    def _folders(self, tmp_path: Path) -> None:
        self.state, self.host = tmp_path / "state", tmp_path / "host"
        self.host.mkdir()
        self.state.mkdir()

    def fresh(self) -> Actuator:
        return RotationActuator(ActuatorContext(self.state, {}, cancel_grace_s=2.0))

    def _leave(self, key: str, file: object) -> StartAction:
        action = ActionSpec("host.leave", "rotation", {"operation": "leave", "file": file})
        return StartAction(key, action, "host/web1", {}, timeout_s=20.0)

    def quick(self, key: str) -> StartAction:
        (self.host / "out.seen").touch()  # the balancer looks at once
        return self._leave(key, str(self.host / "out"))

    def endless(self, key: str) -> StartAction:
        return self._leave(key, str(self.host / "slow"))  # the balancer never looks

    def failing(self, key: str) -> StartAction:
        return self._leave(key, str(self.host / "no-such-folder/out"))

    def impossible(self, key: str) -> StartAction:
        return self._leave(key, None)

    def effects(self, key: str) -> int:
        return sum(
            path.read_text().split().count(key) for path in (self.host / "out", self.host / "slow") if path.exists()
        )
