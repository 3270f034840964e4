"""The `terraform` actuator over its stand-in, or over Terraform itself where `HOMEOSTAT_TERRAFORM` names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.terraform_project import TerraformProject

from homeostat.act.conformance import ActuatorContract
from homeostat.act.context import ActuatorContext
from homeostat.act.terraform import TerraformActuator
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator


class TestTerraformActuator(ActuatorContract):
    """Every kind of action has a project of its own: they run side by side, and a project has one lock."""

    @pytest.fixture(autouse=True)
    def _projects(self, tmp_path: Path) -> None:
        self.state = tmp_path / "state"
        self.state.mkdir()
        self.projects = {name: TerraformProject(tmp_path / name) for name in ("quick", "endless", "failing")}
        self.projects["quick"].configure({"one": self.projects["quick"].effect})
        self.projects["endless"].configure({"one": f"{self.projects['endless'].effect}; exec sleep 600"})
        self.projects["failing"].configure({"one": "exit 4"})

    def fresh(self) -> Actuator:
        environment = self.projects["quick"].environment
        return TerraformActuator(ActuatorContext(self.state, environment))

    def quick(self, key: str) -> StartAction:
        return self._apply(key, "quick")

    def endless(self, key: str) -> StartAction:
        return self._apply(key, "endless")

    def failing(self, key: str) -> StartAction:
        return self._apply(key, "failing")

    def impossible(self, key: str) -> StartAction:
        return self._apply(key, "quick", {"with": "revision"})

    def effects(self, key: str) -> int:
        return sum(project.effects(key) for project in self.projects.values())

    def _apply(self, key: str, name: str, revision: object = "7") -> StartAction:
        parameters = {
            "operation": "apply",
            "cwd": str(self.projects[name].folder),
            "vars": {"revision": revision},
            "env": {"TF_CLI_CONFIG_FILE": str(self.projects[name].folder / "settings.rc")},
        }
        return StartAction(key, ActionSpec("scale", "terraform", parameters), "pool/pay", {}, timeout_s=60.0)
