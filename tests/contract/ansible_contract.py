"""The whole contract over real playbooks, which take seconds each: `pytest -n 0 tests/contract/ansible_contract.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from homeostat.act.ansible import AnsibleActuator
from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator

PLAY = """- hosts: all
  gather_facts: false
  tasks:
  - ansible.builtin.raw: 'echo "$HOMEOSTAT_ACTION_KEY" >> "$LEDGER"; {then}'
"""


class TestAnsibleActuator(ActuatorContract):
    @pytest.fixture(autouse=True)
    def _playbooks(self, tmp_path: Path) -> None:
        self.folder, self.state, self.ledger = tmp_path / "playbooks", tmp_path / "state", tmp_path / "effects"
        self.folder.mkdir()
        self.state.mkdir()
        (self.folder / "hosts").write_text(f"w1 ansible_connection=local ansible_python_interpreter={sys.executable}\n")
        for name, then in (("quick", "true"), ("endless", "exec sleep 600"), ("failing", "exit 4")):
            (self.folder / f"{name}.yml").write_text(PLAY.format(then=then))

    def fresh(self) -> Actuator:
        return AnsibleActuator(ActuatorContext(self.state, {"PATH": "/usr/bin:/bin"}))

    def quick(self, key: str) -> StartAction:
        return self._play(key, "quick")

    def endless(self, key: str) -> StartAction:
        return self._play(key, "endless")

    def failing(self, key: str) -> StartAction:
        return self._play(key, "failing")

    def impossible(self, key: str) -> StartAction:
        return self._play(key, "quick", {"with": "host"})

    def effects(self, key: str) -> int:
        return self.ledger.read_text().split().count(key) if self.ledger.exists() else 0

    def _play(self, key: str, name: str, limit: object = "w1") -> StartAction:
        parameters = {
            "playbook": str(self.folder / f"{name}.yml"),
            "inventory": str(self.folder / "hosts"),
            "limit": limit,
            "env": {"LEDGER": str(self.ledger)},
        }
        return StartAction(key, ActionSpec("restart", "ansible", parameters), "host/w1", {}, timeout_s=60.0)
