"""The `systemd` actuator beside its contract: what proves a restart, and who is asked when nobody saw its end."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.service_manager import ServiceManager
from tests.unit.act.act_world import KEY, until, until_done

from homeostat.act.context import ActuatorContext
from homeostat.act.job_files import JobFiles, job_folder
from homeostat.act.processes import descendants
from homeostat.act.systemd import SystemdActuator
from homeostat.act.unit_state import UnitState, verdict
from homeostat.model.commands import Done, InDoubt, Report, Running, StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.reasons import OutcomeStatus
from homeostat.model.unit_names import unit_name_fault


class Units:
    def __init__(self, folder: Path) -> None:
        self.manager = ServiceManager(folder)
        self.state = folder / "state"
        self.state.mkdir()

    def agent(self, **variables: str) -> SystemdActuator:
        return SystemdActuator(ActuatorContext(self.state, {**self.manager.environment, **variables}))

    def run(self, unit: object = "pay.service", **more: Any) -> Done:
        agent = self.agent()
        agent.start(operation(unit, **more))
        return until_done(agent)

    def after_the_guards(self) -> Report | None:
        """What is said of the action, once nobody takes one of its processes for alive."""
        report = self.agent().lookup(KEY)
        return None if isinstance(report, Running) and report.handle.startswith("pid") else report

    def everybody_is_killed(self) -> None:
        """Runner, program and systemctl, all at once, while systemd has the job."""
        files = JobFiles(job_folder(self.state / "actions", KEY))
        until(lambda: (self.manager.units / "effects").exists(), "the job")
        until(lambda: self.manager.state("slow.service").get("Job"), "systemd's job")
        claim = files.read_claim()
        assert claim is not None
        assert claim.runner is not None
        below = descendants(claim.runner.pid)
        os.kill(claim.runner.pid, signal.SIGKILL)
        for process in below:
            os.kill(process.pid, signal.SIGKILL)


def operation(
    unit: object = "pay.service", verb: str = "restart", target: str = "service/pay", **more: Any
) -> StartAction:
    parameters = {"operation": verb, "unit": unit, **more}
    return StartAction(KEY, ActionSpec(verb, "systemd", parameters), target, {}, timeout_s=60.0)


@pytest.fixture
def units(world: object, tmp_path: Path) -> Units:
    return Units(tmp_path / "units")


def test_a_restart_is_proven_by_its_invocation(units: Units) -> None:
    units.manager.add("pay.service")
    done = units.run({"target": "name"})
    now = units.manager.state("pay.service")["InvocationID"]
    assert done.status is OutcomeStatus.OK
    assert f"started anew, InvocationID {'0' * 32} -> {now}" in done.detail
    assert "before: LoadState=loaded ActiveState=active SubState=running Result=success" in done.output
    assert f"InvocationID={now}" in done.output.splitlines()[-1]


def test_a_restart_that_changed_nothing_is_no_success(units: Units) -> None:
    units.manager.add("pay.service", ignores=True)
    done = units.run()
    assert (done.status, done.exit_code) == (OutcomeStatus.ERROR, 1)
    assert "not started anew" in done.detail


def test_a_unit_that_is_not_loaded_is_left_alone(units: Units) -> None:
    done = units.run("nobody.service")
    assert (done.status, done.exit_code) == (OutcomeStatus.ERROR, 5)
    assert done.detail == "nothing was run: nobody.service is not loaded (LoadState=not-found)"
    assert units.manager.effects(KEY) == 0


def test_a_pattern_for_a_target_operates_no_unit(units: Units) -> None:
    done = units.run({"target": "name"}, target="service/*")
    assert "nothing was run" in done.detail
    assert "is a pattern" in done.detail


def test_units_of_a_user_are_asked_of_the_users_own_manager(units: Units) -> None:
    units.manager.add("pay.service")
    agent = units.agent(XDG_RUNTIME_DIR="/run/user/1000")
    agent.start(operation(scope="user"))
    assert until_done(agent).status is OutcomeStatus.OK


@pytest.mark.parametrize(
    ("now", "report"),
    [
        ({"Job": "4711"}, Running("systemd's job 4711 of slow.service")),
        ({"Job": "", "ActiveState": "active", "SubState": "running", "InvocationID": "1" * 32}, OutcomeStatus.OK),
        ({"Job": "", "ActiveState": "failed", "SubState": "failed", "InvocationID": "1" * 32}, OutcomeStatus.ERROR),
        ({"Job": "", "ActiveState": "active", "SubState": "running"}, OutcomeStatus.ERROR),
    ],
)
def test_systemd_tells_what_nobody_saw_the_end_of(units: Units, now: dict[str, str], report: object) -> None:
    units.manager.add("slow.service", hangs=True)
    units.agent().start(operation("slow.service"))
    units.everybody_is_killed()
    units.manager.add("slow.service", **now)
    found = until(units.after_the_guards, "what systemd says")
    if isinstance(found, Done):
        assert found.status is report
        assert "as systemd says" in found.detail
    else:
        assert found == report


def test_without_an_answer_of_systemd_it_stays_in_doubt(units: Units) -> None:
    units.manager.add("slow.service", hangs=True)
    units.agent().start(operation("slow.service"))
    units.everybody_is_killed()
    (units.manager.bin / "systemctl").write_text("#!/bin/sh\nexit 1\n")
    until(lambda: isinstance(units.agent().lookup(KEY), InDoubt), "the doubt")


def test_what_the_program_said_counts_when_its_runner_is_gone(units: Units) -> None:
    units.manager.add("slow.service", hangs=True)
    units.agent().start(operation("slow.service"))
    until(lambda: units.manager.state("slow.service").get("Job"), "systemd's job")
    claim = JobFiles(job_folder(units.state / "actions", KEY)).read_claim()
    assert claim is not None
    assert claim.runner is not None
    os.kill(claim.runner.pid, signal.SIGKILL)
    units.manager.add("slow.service", ActiveState="inactive", SubState="dead", Job="")
    done = until_done(units.agent())
    assert (done.status, done.exit_code) == (OutcomeStatus.ERROR, 1)
    assert "systemctl restart ended with 1; inactive (dead)" in done.detail


BEFORE = UnitState("loaded", "active", "running", "success", "0", "0", "a" * 32)


@pytest.mark.parametrize(
    ("verb", "before", "after", "exit_code", "good"),
    [
        ("start", BEFORE, BEFORE, 0, True),
        ("start", BEFORE._replace(active_state="inactive"), BEFORE, 0, False),
        ("restart", BEFORE, BEFORE._replace(invocation_id="b" * 32), 0, True),
        ("restart", BEFORE, BEFORE._replace(invocation_id=""), 0, False),
        ("restart", BEFORE, BEFORE._replace(invocation_id="b" * 32, sub_state="auto-restart"), 0, False),
        ("restart", BEFORE, BEFORE._replace(invocation_id="b" * 32), 1, False),
        ("stop", BEFORE, BEFORE, None, False),
        ("stop", BEFORE, BEFORE._replace(active_state="inactive"), None, True),
        ("reload", BEFORE, BEFORE, 0, True),
        ("reload", BEFORE, BEFORE, None, None),
        ("reset-failed", BEFORE, BEFORE._replace(active_state="failed"), 0, False),
        ("reset-failed", BEFORE, BEFORE._replace(active_state="inactive"), None, True),
    ],
)
def test_states_before_and_after_judge_an_operation(
    verb: str, before: UnitState, after: UnitState, exit_code: int | None, good: bool | None
) -> None:
    judged = verdict(verb, before, after, exit_code)
    assert (None if judged is None else judged.good) is good


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pay.service", None),
        ("getty@tty1.service", None),
        ("dev-disk-by\\x2dlabel.swap", None),
        ("pay", "did you mean 'pay.service'?"),
        ("pay.servcie", "did you mean 'service'?"),
        ("pay-*.service", "is a pattern"),
        ("getty@.service", "is a template"),
        ("--now.service", "is not the name of a unit"),
        (".service", "is not the name of a unit"),
        ("a b.service", "is not the name of a unit"),
        ("a/b.service", "is not the name of a unit"),
        ("x" * 300 + ".service", "at most 255"),
    ],
)
def test_names_of_units(name: str, said: str | None) -> None:
    fault = unit_name_fault(name)
    assert (fault is None) is (said is None)
    assert said is None or said in str(fault)
