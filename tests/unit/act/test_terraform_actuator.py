"""The `terraform` actuator beside its contract, over its stand-in or the real one (`terraform_project.py`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.terraform_project import REAL, TerraformProject
from tests.unit.act.act_world import until_done

from homeostat.act.context import ActuatorContext
from homeostat.act.plan_changes import Changes, PlanError, changes_of
from homeostat.act.terraform import TerraformActuator
from homeostat.model.commands import Done, StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.reasons import OutcomeStatus


class Project:
    def __init__(self, folder: Path) -> None:
        self.project = TerraformProject(folder)
        self.state = folder / "state"
        self.state.mkdir()
        self.project.configure({"one": self.project.effect})

    def run(self, key: str, operation: str, **more: Any) -> Done:
        parameters = {
            "operation": operation,
            "cwd": str(self.project.folder),
            "vars": {"revision": "1"},
            "env": {"TF_CLI_CONFIG_FILE": str(self.project.folder / "settings.rc")},
            **more,
        }
        environment = {**self.project.environment, "REVISION": "hush-hush-7"}
        agent = TerraformActuator(ActuatorContext(self.state, environment))
        agent.start(StartAction(key, ActionSpec("scale", "terraform", parameters), "pool/pay", {}, timeout_s=60.0))
        return until_done(agent, key)

    def plan_files(self) -> list[Path]:
        return list(self.state.glob("actions/*/work/tfplan"))


@pytest.fixture
def project(world: object, tmp_path: Path) -> Project:
    return Project(tmp_path / "shop")


def test_a_saved_plan_is_applied_once_and_then_there_is_nothing_to_plan(project: Project) -> None:
    planned = project.run("i/plan/1", "plan")
    assert (planned.status, planned.detail) == (OutcomeStatus.OK, "changes: 1 to change, 0 of them to destroy")
    assert "null_resource.one" in planned.output
    (saved,) = project.plan_files()
    assert (saved.stat().st_mode & 0o777, saved.parent.stat().st_mode & 0o777) == (0o600, 0o700)

    other = project.run("j/apply/1", "apply", plan="saved")
    assert "nothing was run: no step of this incident saved a plan" in other.detail

    applied = project.run("i/apply/1", "apply", plan="saved")
    assert (applied.status, applied.detail) == (OutcomeStatus.OK, "applied: 1 to change, 0 of them to destroy")
    assert project.project.ledger.read_text() == "i/apply/1 1\n"
    assert not project.plan_files()

    again = project.run("i/apply/2", "apply", plan="saved")
    assert (again.status, again.exit_code) == (OutcomeStatus.ERROR, 3)
    assert project.run("i/plan/2", "plan").detail == "no changes"
    assert not project.plan_files()
    assert project.run("i/apply/3", "apply").detail == "no changes"


def test_a_plan_that_a_later_one_has_overruled_is_not_applied(project: Project) -> None:
    assert project.run("i/plan/1", "plan").detail.startswith("changes: ")
    project.project.configure({})
    assert project.run("i/plan/2", "plan").detail == "no changes"
    refused = project.run("i/apply/1", "apply", plan="saved")
    assert "nothing was run: the last plan for " in refused.detail
    assert refused.detail.endswith(" found no changes, or its plan was applied")
    project.project.configure({"one": project.project.effect})
    assert project.run("i/plan/3", "plan").detail.startswith("changes: ")
    assert project.run("i/plan/4", "plan", env={"TF_CLI_CONFIG_FILE": "/absent"}, vars={}).status is OutcomeStatus.ERROR
    refused = project.run("i/apply/2", "apply", plan="saved")
    assert refused.detail.endswith(" ended with error")
    assert not project.project.ledger.exists()


def test_what_destroys_or_changes_too_much_is_not_begun(project: Project) -> None:
    project.project.configure({"one": project.project.effect, "two": project.project.effect})
    refused = project.run("i/apply/1", "apply", changes_max=1)
    assert refused.detail == (
        "nothing was run: the plan changes 2 (null_resource.one, null_resource.two), and changes_max is 1"
    )
    assert not project.project.ledger.exists()
    assert project.run("i/apply/2", "apply", targets=["null_resource.one"], changes_max=1).status is OutcomeStatus.OK
    replacing = {"targets": ["null_resource.one"], "vars": {"revision": "2"}}
    refused = project.run("i/apply/3", "apply", **replacing)
    assert refused.detail == "nothing was run: the plan destroys 1 (null_resource.one), and destroys_max is 0"
    assert (refused.status, refused.exit_code) == (OutcomeStatus.ERROR, 3)
    assert project.run("i/apply/4", "apply", destroys_max=1, **replacing).status is OutcomeStatus.OK


def test_a_plan_that_the_state_has_left_behind_is_not_applied(project: Project) -> None:
    project.run("h/apply/1", "apply")
    project.project.configure({"one": project.project.effect, "two": project.project.effect})
    project.run("i/plan/1", "plan")
    project.run("j/apply/1", "apply")
    stale = project.run("i/apply/1", "apply", plan="saved")
    assert (stale.status, stale.detail) == (
        OutcomeStatus.ERROR,
        "nothing was run: the plan could not be shown: Saved plan is stale",
    )


@pytest.mark.skipif(REAL is not None, reason="the real one keeps its lock otherwise")
def test_a_lock_that_somebody_has_is_an_error_that_says_so(project: Project) -> None:
    (project.project.folder / ".terraform.tfstate.lock.info").touch()
    assert "Error acquiring the state lock" in project.run("i/plan/1", "plan", lock_timeout_s=0).detail


def test_a_secret_is_a_variable_and_neither_an_argument_nor_in_the_output(project: Project) -> None:
    project.project.configure({"one": 'echo "it is $TF_VAR_revision"; tr "\\0" " " < /proc/$PPID/cmdline'})
    done = project.run("i/apply/1", "apply", vars={"revision": {"secret": "env:REVISION"}})
    assert done.status is OutcomeStatus.OK
    kept = b"".join(path.read_bytes() for path in project.state.rglob("*") if path.is_file())
    assert b"hush-hush" not in kept


def test_a_program_that_is_not_there_is_named(project: Project) -> None:
    done = project.run("i/plan/1", "plan", program="tofu-of-nobody")
    assert done.detail == "nothing was run: tofu-of-nobody: No such file or directory"


def shown(*actions: list[str]) -> str:
    listed = [{"address": f"a.{n}", "change": {"actions": each}} for n, each in enumerate(actions)]
    return json.dumps({"format_version": "1.2", "resource_changes": listed})


def test_changes_are_counted_by_what_becomes_of_resources() -> None:
    plan = shown(["no-op"], ["read"], ["create"], ["update"], ["delete"], ["create", "delete"], ["forget"])
    assert changes_of(plan) == Changes(("a.2", "a.3", "a.4", "a.5", "a.6"), ("a.4", "a.5"))
    assert changes_of('{"format_version": "1.2"}') == Changes((), ())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"format_version": "1.2", "errored": true}',
        '{"format_version": "1.2", "resource_changes": [{}]}',
        '{"format_version": "1.2", "resource_changes": 7}',
        shown([]),
        shown(["explode"]),
    ],
)
def test_a_plan_that_is_not_understood_is_not_applied(text: str) -> None:
    with pytest.raises(PlanError):
        changes_of(text)
