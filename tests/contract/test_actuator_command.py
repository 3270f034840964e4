from __future__ import annotations

from pathlib import Path

import pytest

from homeostat.act.command import CommandActuator
from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator

EFFECT = 'echo "$HOMEOSTAT_ACTION_KEY" >> "$1"'


class TestCommandActuator(ActuatorContract):
    @pytest.fixture(autouse=True)
    def _state(self, tmp_path: Path) -> None:
        self.state = tmp_path
        self.ledger = tmp_path / "effects"

    def fresh(self) -> Actuator:
        return CommandActuator(ActuatorContext(self.state, {"PATH": "/usr/bin:/bin"}, cancel_grace_s=5.0))

    def quick(self, key: str) -> StartAction:
        return self._shell(key, EFFECT)

    def endless(self, key: str) -> StartAction:
        return self._shell(key, f"{EFFECT}; sleep 600")

    def failing(self, key: str) -> StartAction:
        return self._shell(key, "exit 4")

    def impossible(self, key: str) -> StartAction:
        return self._shell(key, EFFECT, {"with": "replicas"})

    def effects(self, key: str) -> int:
        return self.ledger.read_text().split().count(key) if self.ledger.exists() else 0

    def _shell(self, key: str, script: str, *more: object) -> StartAction:
        argv = ["sh", "-c", script, "sh", str(self.ledger), *more]
        return StartAction(key, ActionSpec("restart", "command", {"argv": argv}), "deploy/pay", {}, timeout_s=60.0)
