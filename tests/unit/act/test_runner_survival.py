"""What is left when a runner, an agent or the host dies at the worst moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.unit.act.act_world import ActWorld, command, end, lives, running_pid, shell, until, until_done, until_gone

from homeostat.act import launch
from homeostat.act.files import locked
from homeostat.act.job_files import ReservedExit
from homeostat.act.jobs import Spool
from homeostat.act.launch import Launcher
from homeostat.model.commands import Done, InDoubt, NeverStarted, Running
from homeostat.model.reasons import OutcomeStatus

KEY = "i1/restart/1"


@contextmanager
def another_agent(world: ActWorld, script: str, *, own_group: bool = False) -> Iterator[subprocess.Popen[str]]:
    """An agent process that starts a command and then does nothing, not even clear away its runners."""
    program = textwrap.dedent(
        """
        import json, sys, time
        from pathlib import Path
        from homeostat.act.command import CommandActuator
        from homeostat.act.context import ActuatorContext
        from homeostat.model.commands import StartAction
        from homeostat.model.policy import ActionSpec
        state, environment, key, script = json.loads(sys.argv[1])
        agent = CommandActuator(ActuatorContext(Path(state), environment, cancel_grace_s=5.0))
        agent.start(StartAction(key, ActionSpec("a", "command", {"argv": ["sh", "-c", script]}), "t/n", {}, 60.0))
        print("started", flush=True)
        time.sleep(600)
        """
    )
    asked = json.dumps([str(world.state), world.environment, KEY, script])
    with subprocess.Popen(
        [sys.executable, "-c", program, asked], stdout=subprocess.PIPE, text=True, start_new_session=own_group
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        try:
            yield process
        finally:
            process.kill()


def started(world: ActWorld, script: str = "exec sleep 600", **more: float) -> tuple[int, int]:
    """Start a script; give the pids of its runner and of itself."""
    agent = world.agent()
    agent.start(shell(f"echo $$ > {world.note('child')}; {script}", **more))
    child = world.noted_pid("child")
    return running_pid(agent.lookup(KEY)), child


def forge(world: ActWorld, **changes: str | int) -> None:
    """Make the running command and its runner somebody else's by the files."""
    world.edit("claim", lambda record: record["runner"].update(changes))
    world.edit("begun", lambda record: record["process"].update(changes))


def test_kill_9_of_the_agent_does_not_reach_the_command(world: ActWorld) -> None:
    note = world.note("effect")
    with another_agent(world, f"sleep 0.3; echo done >> {note}") as agent:
        until(world.files().read_begun, "the command's begin")
        end(agent.pid, signal.SIGKILL)
        agent.wait()
        assert until_done(world.agent()).status is OutcomeStatus.OK
    assert note.read_text() == "done\n"


def test_ctrl_c_and_term_to_the_agents_group_do_not_reach_the_command(world: ActWorld) -> None:
    note = world.note("effect")
    with another_agent(world, f"sleep 0.3; echo done >> {note}", own_group=True) as agent:
        until(world.files().read_begun, "the command's begin")
        os.killpg(agent.pid, signal.SIGINT)
        os.killpg(agent.pid, signal.SIGTERM)
        agent.wait()
        assert until_done(world.agent()).status is OutcomeStatus.OK
    assert note.read_text() == "done\n"


def test_a_zombie_runner_is_not_alive(world: ActWorld) -> None:
    with another_agent(world, f"echo $$ > {world.note('child')}; exec sleep 600"):
        child = world.noted_pid("child")
        runner = running_pid(world.report())
        end(runner, signal.SIGKILL)
        until_gone(runner)
        assert running_pid(world.report()) == child
        end(child, signal.SIGKILL)
        until_gone(child)
        assert until(lambda: isinstance(world.report(), InDoubt), "doubt")


def test_while_the_command_lives_a_dead_runner_is_no_doubt(world: ActWorld) -> None:
    runner, child = started(world)
    end(runner, signal.SIGKILL)
    until_gone(runner)
    assert running_pid(world.report()) == child
    assert lives(child)
    end(child, signal.SIGKILL)


def test_both_gone_is_in_doubt_and_never_run_again(world: ActWorld) -> None:
    runner, child = started(world, f"echo once >> {world.note('effect')}; exec sleep 600")
    until(world.note("effect").exists, "the effect")
    end(runner, signal.SIGKILL)
    end(child, signal.SIGKILL)
    until_gone(child)
    agent = world.agent()
    report = until(lambda: r if isinstance(r := agent.lookup(KEY), InDoubt) else None, "doubt")
    assert "its runner was killed" in report.detail
    agent.start(shell("exit 0"))
    assert isinstance(agent.lookup(KEY), InDoubt)
    assert world.note("effect").read_text() == "once\n"


def test_a_command_without_its_runner_can_be_cancelled_with_all_it_started(world: ActWorld) -> None:
    inner = f"echo $$ > {world.note('escaped')}; exec sleep 600"
    runner, child = started(world, f"setsid --fork sh -c '{inner}'; exec sleep 600")
    escaped = world.noted_pid("escaped")
    end(runner, signal.SIGKILL)
    until_gone(runner)
    agent = world.agent()
    agent.cancel(KEY)
    done = until_done(agent)
    assert done.status is OutcomeStatus.CANCELLED
    assert done.detail == "cancelled after its runner was killed; stopped by TERM"
    assert not lives(child)
    assert not lives(escaped)


def test_a_command_without_its_runner_is_held_to_its_time_out(world: ActWorld) -> None:
    world.cancel_grace_s = 0.2
    ignore_term = "trap '' TERM; while :; do sleep 0.02; done"
    runner, child = started(world, ignore_term, timeout_s=1.0)
    end(runner, signal.SIGKILL)
    done = until_done(world.agent())
    assert done.status is OutcomeStatus.TIMEOUT
    assert done.detail.endswith("stopped by KILL, 0.2 s after TERM")
    assert done.duration_s >= 1.0
    assert not lives(child)


def test_a_guard_touches_nobody_elses_command_of_the_same_key(world: ActWorld, tmp_path: Path) -> None:
    other = ActWorld(tmp_path / "other")
    other.state.mkdir()
    runner, _ = started(world)
    _, bystander = started(other)
    end(runner, signal.SIGKILL)
    until_gone(runner)
    agent = world.agent()
    agent.cancel(KEY)
    assert until_done(agent).status is OutcomeStatus.CANCELLED
    assert lives(bystander)
    assert isinstance(other.report(), Running)


def test_one_guard_is_enough_however_often_one_asks(world: ActWorld) -> None:
    runner, child = started(world)
    end(runner, signal.SIGKILL)
    until_gone(runner)
    agents = [world.agent() for _ in range(5)]
    for agent in agents:
        assert isinstance(agent.lookup(KEY), Running)
    agents[0].cancel(KEY)
    assert len({until_done(agent) for agent in agents}) == 1
    assert not lives(child)


def test_while_any_guard_still_ends_what_is_left_nothing_is_in_doubt(world: ActWorld) -> None:
    runner, child = started(world)
    with locked(world.files().guard_lock) as alone:
        assert alone
        end(runner, signal.SIGKILL)
        end(child, signal.SIGKILL)
        until_gone(runner)
        until_gone(child)
        assert isinstance(world.report(), Running)
    assert until(lambda: isinstance(world.report(), InDoubt), "doubt")


def test_after_a_reboot_what_ran_is_in_doubt(world: ActWorld) -> None:
    runner, child = started(world)
    forge(world, boot_id="another-boot")
    assert world.report() == InDoubt("the host was restarted while it ran")
    end(runner, signal.SIGKILL)
    end(child, signal.SIGKILL)


def test_after_a_reboot_what_ended_is_known(world: ActWorld) -> None:
    done = world.shell("exit 4")
    world.edit("claim", lambda record: record["runner"].update(boot_id="another-boot"))
    assert world.report() == done


def test_a_reused_pid_is_somebody_else(world: ActWorld) -> None:
    runner, child = started(world)
    forge(world, start_ticks=1)
    assert isinstance(world.report(), InDoubt)
    world.agent().cancel(KEY)
    assert lives(runner)
    assert lives(child)
    end(runner, signal.SIGKILL)
    end(child, signal.SIGKILL)


def test_a_runner_killed_between_claim_and_begin_ran_nothing(world: ActWorld) -> None:
    world.shell("exit 0")
    files = world.files()
    (files.folder / "exit.json").unlink()
    (files.folder / "begun").unlink()
    claim = files.read_claim()
    assert claim is not None
    assert claim.runner is not None
    until_gone(claim.runner.pid)
    report = world.report()
    assert isinstance(report, Done)
    assert (report.status, report.detail) == (
        OutcomeStatus.ERROR,
        "nothing was run: its runner was killed before it began",
    )


def test_a_runner_that_cannot_even_claim_is_an_outcome(world: ActWorld) -> None:
    files = world.files()
    files.work.mkdir(parents=True)
    (files.folder / "job.json").write_text("{")
    agent = world.agent()
    agent.start(command(["true"]))
    done = until_done(agent)
    assert done.status is OutcomeStatus.ERROR
    assert "job.json is damaged" in done.detail
    assert not (files.folder / "begun").exists()


def test_a_start_lost_before_the_claim_can_be_repeated(world: ActWorld) -> None:
    """The agent died after it wrote the job and before it started the runner."""
    files = world.files()
    first = world.agent()
    first._spool._launcher.launch = lambda *_args, **_more: 0  # type: ignore[method-assign]  # the crash
    first.start(shell(f"echo once >> {world.note('effect')}"))
    assert (files.folder / "job.json").exists()
    assert world.report() == NeverStarted()
    again = world.agent()
    again.start(shell(f"echo once >> {world.note('effect')}"))
    assert until_done(again).status is OutcomeStatus.OK
    assert world.note("effect").read_text() == "once\n"


def test_of_twenty_runners_of_one_job_one_has_an_effect(world: ActWorld) -> None:
    files = world.files()
    note = world.note("effect")
    first = world.agent()
    first._spool._launcher.launch = lambda *_args, **_more: 0  # type: ignore[method-assign]  # started by hand below
    first.start(shell(f"echo once >> {note}; sleep 0.1"))
    launcher = Launcher()
    for _ in range(20):
        launcher.launch(files, world.environment)
    cleared = 0
    while cleared < 20:
        cleared += len(list(launcher.reap()))
    assert until_done(world.agent()).status is OutcomeStatus.OK
    assert note.read_text() == "once\n"
    assert not list(files.folder.glob(".*"))


def test_a_cancelled_key_stops_runners_that_are_on_their_way(world: ActWorld) -> None:
    agent = world.agent()
    agent.start(shell(f"touch {world.note('effect')}; sleep 600"))
    agent.cancel(KEY)
    done = until_done(agent)
    assert done.status is OutcomeStatus.CANCELLED
    assert ("nothing was run" in done.detail) or world.files().read_begun() is not None


def test_damaged_files_are_doubt_and_not_a_guess(world: ActWorld) -> None:
    world.shell("true")
    (world.files().folder / "exit.json").write_text('{"status": "ok"}')
    assert isinstance(world.report(), InDoubt)
    (world.files().folder / "claim").write_text("[]")
    assert isinstance(world.report(), InDoubt)


def test_a_job_that_is_too_large_is_refused(world: ActWorld) -> None:
    agent = world.agent()
    agent.start(command(["echo", "x" * (3 << 20)]))
    done = agent.lookup(KEY)
    assert isinstance(done, Done)
    assert "at most" in done.detail


def test_what_started_is_not_what_a_second_start_says(world: ActWorld) -> None:
    agent = world.agent()
    agent.start(shell(f"sleep 0.1; echo first >> {world.note('effect')}"))
    agent.start(replace(shell(f"echo second >> {world.note('effect')}"), timeout_s=1.0))
    until_done(agent)
    assert world.note("effect").read_text() == "first\n"


def test_runners_leave_no_zombies_behind(world: ActWorld) -> None:
    spool = Spool(world.context())
    for number in range(3):
        spool.submit(
            f"k{number}", {"kind": "command", "argv": ["true"], "cwd": None, "values": {}, "timeout_s": 5.0}, ()
        )

    def cleared() -> bool:
        spool.lookup("k0")
        return not spool._launcher._runners

    assert until(cleared, "all runners to be cleared away")


def test_the_runner_starts_on_the_standard_library_alone() -> None:
    listed = subprocess.run(
        [sys.executable, "-I", "-c", "import homeostat.act.runner, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    ours = {name for name in listed if name.startswith("homeostat.")}
    assert {name for name in ours if not name.startswith("homeostat.act")} == {"homeostat.version"}
    heavy = {"http.client", "ssl", "requests", "dataclasses", "asyncio", "logging", "msgspec", "pydantic", "numpy"}
    assert not heavy & set(listed)


def test_room_for_the_outcome_is_taken_before_the_start(world: ActWorld) -> None:
    files = world.files()
    files.folder.mkdir(parents=True)
    reserved = ReservedExit(files)
    taken = [path.stat().st_blocks * 512 for path in files.folder.iterdir()]
    reserved.discard()
    assert taken
    assert taken[0] >= 60_000
    assert not list(files.folder.iterdir())


def test_a_command_whose_runner_died_while_it_went_on_record_does_not_begin(world: ActWorld) -> None:
    """Somebody may have read meanwhile that nothing was run; so nothing may run."""
    folder = world.files().folder
    folder.mkdir(parents=True)
    program = (
        "import sys; sys.path.insert(0, sys.argv[3]); from pathlib import Path;"
        "from homeostat.act.job_files import JobFiles; from homeostat.act.run_command import _BeginRecord;"
        "_BeginRecord(JobFiles(Path(sys.argv[1])), {}, int(sys.argv[2]), 'run')(); print('goes on')"
    )

    def recorded_under(runner: int) -> str:
        asked = [sys.executable, "-I", "-c", program, str(folder), str(runner), str(launch._ROOT)]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout

    assert recorded_under(os.getpid()) == "goes on\n"
    assert recorded_under(1) == ""


def test_a_job_that_a_power_failure_left_empty_is_written_again(world: ActWorld) -> None:
    files = world.files()
    files.folder.mkdir(parents=True)
    (files.folder / "job.json").write_bytes(b"")
    note = world.note("effect")
    agent = world.agent()
    assert isinstance(agent.lookup(KEY), NeverStarted)
    agent.start(shell(f"echo once >> {note}"))
    assert until_done(agent).status is OutcomeStatus.OK
    assert note.read_text() == "once\n"


def test_what_must_not_outlive_a_command_goes_where_its_runner_was_killed(world: ActWorld) -> None:
    agent = world.agent()
    agent.start(shell(f"mkdir private && echo hush > private/env && echo $$ > {world.note('child')}; exec sleep 600"))
    child, runner = world.noted_pid("child"), running_pid(agent.lookup("i1/restart/1"))
    world.edit("job.json", lambda job: job.update(clears=["private"]))
    end(runner, signal.SIGKILL)
    end(child, signal.SIGKILL)
    until_gone(runner)
    until_gone(child)
    until(lambda: isinstance(world.report(), InDoubt), "the doubt")
    assert not (world.files().work / "private").exists()
