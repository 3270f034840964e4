"""The `systemd` actuator over a stand-in for systemctl: no systemd can be the init of where this runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.service_manager import ServiceManager

from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.act.systemd import SystemdActuator
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator


class TestSystemdActuator(ActuatorContract):
    @pytest.fixture(autouse=True)
    def _units(self, tmp_path: Path) -> None:
        self.state = tmp_path / "state"
        self.state.mkdir()
        self.manager = ServiceManager(tmp_path)
        self.manager.add("pay.service")
        self.manager.add("slow.service", hangs=True)
        self.manager.add("broken.service", fails=True)

    def fresh(self) -> Actuator:
        return SystemdActuator(ActuatorContext(self.state, self.manager.environment, cancel_grace_s=5.0))

    def quick(self, key: str) -> StartAction:
        return self._restart(key, "pay.service")

    def endless(self, key: str) -> StartAction:
        return self._restart(key, "slow.service")

    def failing(self, key: str) -> StartAction:
        return self._restart(key, "broken.service")

    def impossible(self, key: str) -> StartAction:
        return self._restart(key, {"with": "unit"})

    def effects(self, key: str) -> int:
        return self.manager.effects(key)

    def _restart(self, key: str, unit: object) -> StartAction:
        parameters = {"operation": "restart", "unit": unit}
        return StartAction(key, ActionSpec("restart", "systemd", parameters), "service/pay", {}, timeout_s=60.0)
