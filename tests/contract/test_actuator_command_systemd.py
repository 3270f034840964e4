"""Commands with `run_with: systemd`, over a stand-in for systemd-run: no unit of the real one can run here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.contract.test_actuator_command import TestCommandActuator as CommandContract

from homeostat.act.command import CommandActuator
from homeostat.act.context import ActuatorContext
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator

STAND_IN = Path(__file__).parents[1] / "systemd_run.py"


def install_stand_in(folder: Path) -> Path:
    """Put a `systemd-run` into a folder; give the folder of its units."""
    units = folder / "units"
    units.mkdir(parents=True)
    program = folder / "systemd-run"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {STAND_IN} {units} "$@"\n')
    program.chmod(0o755)
    return units


class TestCommandActuatorInUnits(CommandContract):
    @pytest.fixture(autouse=True)
    def _units(self, tmp_path: Path, _state: None) -> None:
        self.bin = tmp_path / "bin"
        install_stand_in(self.bin)

    def fresh(self) -> Actuator:
        environment = {"PATH": f"{self.bin}:/usr/bin:/bin"}
        return CommandActuator(ActuatorContext(self.state, environment, cancel_grace_s=5.0))

    def _shell(self, key: str, script: str, *more: object) -> StartAction:
        argv = ["sh", "-c", script, "sh", str(self.ledger), *more]
        parameters = {"argv": argv, "run_with": "systemd"}
        return StartAction(key, ActionSpec("restart", "command", parameters), "deploy/pay", {}, timeout_s=60.0)
