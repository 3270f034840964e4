"""Runners in units of systemd's, over a stand-in for systemd-run."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.contract.test_actuator_command_systemd import install_stand_in
from tests.unit.act.act_world import KEY, PATH, ActWorld, lives, shell, until, until_done, until_gone

from homeostat.act.context import SecretCommand
from homeostat.act.processes import descendants
from homeostat.act.systemd_unit import unit_command
from homeostat.model.commands import Running
from homeostat.model.reasons import OutcomeStatus


@pytest.fixture
def units(world: ActWorld) -> Path:
    units = install_stand_in(world.state / "bin")
    world.environment["PATH"] = f"{world.state}/bin:{PATH}"
    return units


def test_a_unit_outlives_all_that_the_agent_ever_started(world: ActWorld, units: Path) -> None:
    others = {process.pid for process in descendants(os.getpid())}  # servers that all tests of this process share
    agent = world.agent()
    go = world.note("go")
    agent.start(
        shell(f"echo $$ > {world.note('pid')}; until test -e {go}; do sleep 0.02; done; echo done", run_with="systemd")
    )
    command_pid = world.noted_pid("pid")
    mine = [process.pid for process in descendants(os.getpid()) if process.pid not in others]
    assert command_pid not in mine
    assert mine, "the process that runners are forked from, and the one that waits for the unit"
    for pid in mine:
        os.kill(pid, signal.SIGKILL)
    assert isinstance(world.report(), Running)
    go.touch()
    done = until_done(world.agent())
    assert (done.status, done.output) == (OutcomeStatus.OK, "done\n")
    until(lambda: not list(units.glob("homeostat-*")), "the end of the unit")


def test_a_unit_is_cancelled_like_any_runner(world: ActWorld, units: Path) -> None:
    del units
    agent = world.agent()
    agent.start(shell(f"echo $$ > {world.note('pid')}; sleep 600", run_with="systemd"))
    pid = world.noted_pid("pid")
    assert lives(pid)
    world.agent().cancel(KEY)
    assert until_done(agent).status is OutcomeStatus.CANCELLED
    until_gone(pid)


def test_a_host_without_systemd_runs_nothing_and_says_so(world: ActWorld, units: Path) -> None:
    (units / "no-systemd").touch()
    done = world.shell("echo done", run_with="systemd")
    assert done.status is OutcomeStatus.ERROR
    assert "nothing was run: System has not been booted with systemd" in done.detail


def test_a_missing_systemd_run_is_named(world: ActWorld) -> None:
    world.environment["PATH"] = str(world.state)
    done = world.run(["/bin/echo", "done"], run_with="systemd")
    assert done.detail == "nothing was run: run_with: systemd needs systemd-run, and it is not on the agent's PATH"


def test_a_unit_of_an_earlier_try_that_is_still_there_runs_it_alone(world: ActWorld, units: Path) -> None:
    """systemd knows the unit, and nobody has claimed the job: whoever claims first is heard, and nothing runs twice."""
    (units / f"homeostat-{world.files().folder.name}").touch()
    effect = world.note("effect")
    done = world.shell(f"touch {effect}", run_with="systemd")
    assert "was already loaded" in done.detail
    assert not effect.exists()


@pytest.mark.parametrize("reference", ["env:DB_TOKEN", "command:vault"])
def test_a_secret_that_the_unit_would_show_is_refused(world: ActWorld, units: Path, reference: str) -> None:
    del units
    world.environment["DB_TOKEN"] = "hunter2"
    world.secret_commands = {"vault": SecretCommand(("printenv", "DB_TOKEN"), ("DB_TOKEN",))}
    done = world.shell("true", run_with="systemd", env={"T": {"secret": reference}})
    assert done.detail == "nothing was run: the secret of T would be seen in systemd's unit; name one by file: or k8s:"


def test_a_secret_from_a_file_reaches_a_unit(world: ActWorld, units: Path) -> None:
    del units
    world.note("token").write_text("hunter2")
    reference = {"secret": f"file:{world.note('token')}"}
    done = world.shell('test "$T" = hunter2 && echo "got $T"', run_with="systemd", env={"T": reference})
    assert done.output == "got [secret]\n"


def test_another_way_to_run_is_refused(world: ActWorld) -> None:
    assert "run_with is runner or systemd, not 'at'" in world.run(["true"], run_with="at").detail


def test_the_unit_has_the_jobs_name_and_the_users_manager() -> None:
    argv = unit_command(Path("/state/actions/abc"), 10.0, ["PATH", "HOME"], user=True)
    assert argv[: argv.index("--")] == [
        "systemd-run",
        "--user",
        "--quiet",
        "--collect",
        "--wait",
        "--service-type=exec",
        "--unit=homeostat-abc",
        "--working-directory=/state/actions/abc",
        "--property=KillMode=process",
        "--property=TimeoutStopSec=20",
        "--setenv=HOME",
        "--setenv=PATH",
    ]
    assert argv[-2:] == ["--in-unit", "/state/actions/abc"]
