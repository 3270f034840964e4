"""What a runner must not begin any more, and what it keeps of what was printed."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.act.act_world import KEY, ActWorld, command, shell, until_done

from homeostat.act import run_command
from homeostat.act.context import ActuatorContext
from homeostat.act.executor import Executor
from homeostat.act.http import HttpActuator
from homeostat.act.job_files import JobFiles, TooLateError
from homeostat.act.manual import ManualActuator
from homeostat.model.commands import Done, NeverStarted
from homeostat.model.errors import ActuatorError
from homeostat.model.policy import ActionSpec
from homeostat.model.reasons import OutcomeStatus

LATE = "nothing was run: it came too late to begin"


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def test_a_runner_does_not_begin_after_its_bound(world: ActWorld) -> None:
    effect = world.note("effect")
    agent = world.agent()
    agent.start(replace(shell(f"touch {effect}"), start_before_s=boottime()))
    done = until_done(agent)
    assert (done.status, done.detail) == (OutcomeStatus.CANCELLED, LATE)
    assert not effect.exists()


def test_a_runner_begins_before_its_bound(world: ActWorld) -> None:
    agent = world.agent()
    agent.start(replace(shell("echo done"), start_before_s=boottime() + 600))
    assert until_done(agent).output == "done\n"


def test_a_bound_that_passes_while_the_start_is_put_on_record_holds(
    world: ActWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last look is in the very process that would become the command."""
    monkeypatch.setattr(run_command, "came_too_late", lambda _job: True)
    files = world.files()
    files.work.mkdir(parents=True)
    effect = world.note("effect")
    job: dict[str, Any] = {"argv": ["touch", str(effect)], "cwd": None, "timeout_s": 10.0, "cancel_grace_s": 1.0}
    record = run_command._BeginRecord(files, job, os.getppid(), "run")
    with pytest.raises(TooLateError):
        record()
    assert not effect.exists()


def test_a_request_that_comes_too_late_is_not_sent(world: ActWorld) -> None:
    agent = HttpActuator(world.context())
    action = ActionSpec("tell", "http", {"method": "POST", "url": "http://127.0.0.1:9/"})
    late = replace(command(["x"]), action=action, start_before_s=boottime())
    agent.start(late)
    done = until_done(agent)
    assert (done.status, done.detail) == (OutcomeStatus.CANCELLED, LATE)


def test_another_start_brings_its_own_bound_while_nobody_has_claimed_the_job(world: ActWorld) -> None:
    files = JobFiles(world.files().folder)
    files.work.mkdir(parents=True)
    files.write_job({"key": KEY, "start_before_boottime_s": 1.0})
    files.write_job({"key": KEY, "start_before_boottime_s": 2.0})
    assert files.read_job()["start_before_boottime_s"] == 2.0


def test_what_is_withdrawn_never_starts_and_says_why(world: ActWorld) -> None:
    effect = world.note("effect")
    executor = Executor({"command": world.agent()}, allowed=lambda _command: "not allowed: touch")
    executor.carry_out(shell(f"touch {effect}"))
    report = executor.report(KEY, "command")
    assert isinstance(report, Done)
    assert (report.status, report.detail) == (OutcomeStatus.ERROR, "nothing was run: not allowed: touch")
    world.agent().start(shell(f"touch {effect}"))
    assert world.report() == report
    assert not effect.exists()


def test_a_withdrawn_task_is_settled_and_a_given_one_is_not(world: ActWorld) -> None:
    people = ManualActuator(world.context())
    assert people.withdraw("i1/a/1", OutcomeStatus.ERROR, "nothing was run: no")
    report = people.lookup("i1/a/1")
    assert isinstance(report, Done)
    assert report.detail == "nothing was run: no"
    action = ActionSpec("manual", "manual", {"instructions": "look", "owner": "ops"})
    people.start(replace(command(["x"], key="i1/b/1"), action=action))
    assert not people.withdraw("i1/b/1", OutcomeStatus.ERROR, "no")


def test_the_target_is_told_the_key_it_deduplicates_by(world: ActWorld) -> None:
    agent = world.agent()
    agent.start(replace(shell('echo "$HOMEOSTAT_ACTION_KEY"', key="i1/restart/2"), effect_key=KEY))
    assert until_done(agent, "i1/restart/2").output == f"{KEY}\n"
    headers = HttpActuator(world.context()).job(
        replace(
            command(["x"], key="i1/tell/2"),
            action=ActionSpec("tell", "http", {"method": "POST", "url": "http://127.0.0.1:9/"}),
            effect_key="i1/tell/1",
        )
    )["values"]
    assert headers["Idempotency-Key"] == {"literal": "i1/tell/1"}


def test_all_that_was_kept_of_an_output_can_be_had_and_is_what_the_digest_says(world: ActWorld) -> None:
    world.environment["DB_TOKEN"] = "abcdefghij"
    done = world.shell('seq 1 20000; echo "$T"', env={"T": {"secret": "env:DB_TOKEN"}})
    executor = Executor({"command": world.agent()})
    content = executor.artifact(KEY, "command")
    assert content is not None
    assert len(content) > len(done.output)
    assert content.endswith(b"20000\n[secret]\n")
    assert hashlib.sha256(content).hexdigest() == done.output_sha256


def test_an_output_over_the_cap_is_kept_up_to_it(world: ActWorld) -> None:
    world.output_bytes_max = 1000
    done = world.shell("seq 1 20000")
    content = Executor({"command": world.agent()}).artifact(KEY, "command")
    assert content is not None
    assert len(content) < 1100
    assert done.output_bytes > 100_000
    assert b"bytes left out" in content


def test_there_is_no_artifact_of_silence_nor_of_what_never_ran(world: ActWorld) -> None:
    executor = Executor({"command": world.agent(), "manual": ManualActuator(ActuatorContext(world.state, {}))})
    assert executor.artifact(KEY, "command") is None
    assert executor.report(KEY, "command") == NeverStarted()
    assert executor.artifact(KEY, "manual") is None
    world.shell("true")
    assert executor.artifact(KEY, "command") is None


def test_an_output_that_was_changed_is_no_artifact(world: ActWorld) -> None:
    world.shell("echo done")
    world.files().output.write_text("dune\n")
    with pytest.raises(ActuatorError, match="is not what its runner kept"):
        Executor({"command": world.agent()}).artifact(KEY, "command")


def test_only_what_says_so_reaches_anywhere(world: ActWorld) -> None:
    executor = Executor({"command": world.agent()})
    assert not executor.reaches_anywhere("command")
    assert not executor.reaches_anywhere("nothing")
