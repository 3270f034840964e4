"""One command under its runner: what it may do to us, and what we do to it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.unit.act.act_world import ActWorld, command, end, lives, running_pid, shell, until, until_done, until_gone

from homeostat.model.commands import Running
from homeostat.model.reasons import OutcomeStatus


def test_output_exit_code_and_duration_are_reported(world: ActWorld) -> None:
    done = world.shell("echo out; echo err >&2; exit 3")
    assert (done.status, done.exit_code, done.detail) == (OutcomeStatus.ERROR, 3, "exit code 3")
    assert done.output == "out\nerr\n"
    assert done.output_bytes == 8
    assert 0 < done.duration_s < 60


def test_the_environment_is_minimal(world: ActWorld) -> None:
    done = world.run(["env"])
    names = {line.partition("=")[0] for line in done.output.splitlines()}
    assert names == {"PATH", "HOME", "LANG", "HOMEOSTAT_ACTION_KEY", "HOMEOSTAT_RUN_ID"}


def test_named_variables_are_passed_on_and_others_set(world: ActWorld) -> None:
    world.environment["KUBECONFIG"] = "/etc/kube"
    assert "KUBECONFIG=/etc/kube\n" in world.run(["env"], env=["KUBECONFIG"]).output
    other = world.agent()
    other.start(
        command(
            ["env"],
            key="i1/restart/2",
            env={"WHO": {"target": "name"}, "N": {"with": "n"}, "X": "y z"},
            arguments={"n": 6},
        )
    )
    assert {"WHO=pay", "N=6", "X=y z"} <= set(until_done(other, "i1/restart/2").output.splitlines())


def test_a_variable_that_is_not_there_is_not_silently_missing(world: ActWorld) -> None:
    done = world.run(["env"], env=["KUBECONFIG"])
    assert done.status is OutcomeStatus.ERROR
    assert "KUBECONFIG" in done.detail


def test_standard_input_is_empty_and_the_folder_its_own(world: ActWorld) -> None:
    done = world.shell("cat; pwd")
    assert done.output == f"{world.files().work}\n"


def test_the_configured_folder_is_used(world: ActWorld) -> None:
    assert world.run(["pwd"], cwd="/usr").output == "/usr\n"


def test_a_missing_folder_is_named(world: ActWorld) -> None:
    done = world.run(["pwd"], cwd="/nowhere/at/all")
    assert done.status is OutcomeStatus.ERROR
    assert "/nowhere/at/all: No such file" in done.detail


@pytest.mark.parametrize(
    ("program", "exit_code", "says"),
    [
        ("no-such-program", 127, "not found on the PATH"),
        ("/no/such/program", 127, "no such file"),
        ("/etc/passwd", 126, "Permission denied"),
        ("/usr", 126, "Permission denied"),
    ],
)
def test_a_program_that_cannot_be_run_is_named(world: ActWorld, program: str, exit_code: int, says: str) -> None:
    done = world.run([program])
    assert (done.status, done.exit_code) == (OutcomeStatus.ERROR, exit_code)
    assert done.detail == f"nothing was run: {program}: {says}"


def test_a_script_without_its_interpreter_is_told_from_a_missing_file(world: ActWorld, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    assert "its interpreter was not found" in world.run([str(script)]).detail


def test_a_file_that_is_no_program_is_not_given_to_a_shell(world: ActWorld, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("touch effect\n")
    script.chmod(0o755)
    done = world.run([str(script)])
    assert (done.exit_code, done.output) == (126, "")
    assert "Exec format error" in done.detail


def test_a_command_killed_by_a_signal_says_so(world: ActWorld) -> None:
    done = world.shell("kill -SEGV $$")
    assert (done.status, done.exit_code, done.detail) == (OutcomeStatus.ERROR, 139, "killed by SIGSEGV")


def test_a_flood_is_counted_capped_and_never_blocks(world: ActWorld) -> None:
    world.output_bytes_max = 1000
    done = world.shell("echo first; head -c 6000000 /dev/zero | tr '\\0' x; echo; echo last")
    assert done.status is OutcomeStatus.OK
    assert done.output_bytes == 6_000_000 + 6 + 6
    assert done.output.endswith("x\nlast\n")
    kept = world.files().output.read_bytes()
    assert kept.startswith(b"first\nxxx")
    assert b"bytes left out" in kept
    assert len(kept) < 1100


def test_an_endless_flood_ends_at_its_time_out(world: ActWorld) -> None:
    world.output_bytes_max = 1000
    done = world.run(["yes"], timeout_s=0.3)
    assert done.status is OutcomeStatus.TIMEOUT
    assert done.output_bytes > 1000
    assert world.files().output.stat().st_size < 1100


def test_a_command_that_ignores_term_is_killed(world: ActWorld) -> None:
    world.cancel_grace_s = 0.2
    done = world.shell("trap '' TERM; echo $$; while :; do sleep 0.05; done", timeout_s=0.2)
    assert (done.status, done.exit_code) == (OutcomeStatus.TIMEOUT, 137)
    assert "KILL, 0.2 s after TERM" in done.detail
    assert not lives(int(done.output))


def test_a_stopped_command_is_ended_too(world: ActWorld) -> None:
    done = world.shell("kill -STOP $$", timeout_s=0.2)
    assert (done.status, done.exit_code) == (OutcomeStatus.TIMEOUT, 143)


def test_a_command_may_clean_up_in_its_grace(world: ActWorld) -> None:
    agent = world.agent()
    agent.start(shell("trap 'echo cleaned; exit 0' TERM; echo ready; while :; do sleep 0.02; done"))
    until(lambda: world.files().output.exists() and b"ready" in world.files().output.read_bytes(), "ready")
    agent.cancel("i1/restart/1")
    done = until_done(agent)
    assert (done.status, done.exit_code) == (OutcomeStatus.CANCELLED, 0)
    assert done.output.endswith("cleaned\n")
    assert done.detail == "cancelled; stopped by TERM"


def test_cancelling_again_and_again_sends_one_term(world: ActWorld) -> None:
    agent = world.agent()
    note = world.note("terms")
    agent.start(
        shell(
            f"trap 'echo term >> {note}; N=1' TERM; echo ready; I=0; while [ $I -lt 30 ]; do sleep 0.01;"
            " I=$((I + ${N:-0})); done"
        )
    )
    until(lambda: world.files().output.exists() and b"ready" in world.files().output.read_bytes(), "ready")
    agent.cancel("i1/restart/1")
    until(note.exists, "the first TERM")
    for _ in range(5):
        agent.cancel("i1/restart/1")
    until_done(agent)
    assert note.read_text() == "term\n"


@pytest.mark.parametrize("escape", ["setsid", "setsid setsid --fork"])
def test_grandchildren_that_left_the_session_die_with_a_time_out(world: ActWorld, escape: str) -> None:
    pid_file = world.note("grandchild")
    inner = f"echo $$ > {pid_file}; trap '' TERM; while :; do sleep 0.02; done"
    world.cancel_grace_s = 0.2
    done = world.shell(f'{escape} sh -c "{inner.replace("$", chr(92) + "$")}" & sleep 600', timeout_s=1.0)
    assert done.status is OutcomeStatus.TIMEOUT
    assert not lives(world.noted_pid("grandchild"))


def test_a_daemon_that_a_successful_command_leaves_goes_on(world: ActWorld) -> None:
    pid_file = world.note("daemon")
    done = world.shell(f"setsid sh -c 'echo $$ > {pid_file}; exec sleep 600' > /dev/null 2>&1 & sleep 0.1")
    daemon = world.noted_pid("daemon")
    assert done.status is OutcomeStatus.OK
    assert done.detail == "left 1 process running"
    assert lives(daemon)
    end(daemon, signal.SIGKILL)


def test_a_daemon_that_keeps_our_pipe_is_not_killed_by_its_next_line(world: ActWorld) -> None:
    note = world.note("beats")
    done = world.shell(
        f"sh -c 'echo $$ > {world.note('daemon')}; while :; do echo beat; echo . >> {note}; sleep 0.02; done' &"
        " sleep 0.1; echo started"
    )
    daemon = world.noted_pid("daemon")
    assert done.status is OutcomeStatus.OK
    beats = len(note.read_text())
    until(lambda: len(note.read_text()) > beats + 10, "the daemon's further beats")
    assert lives(daemon)
    end(daemon, signal.SIGKILL)


def test_a_command_that_closes_its_output_is_still_watched(world: ActWorld) -> None:
    agent = world.agent()
    agent.start(shell(f"exec > /dev/null 2>&1; echo $$ > {world.note('pid')}; sleep 0.3; exit 5"))
    world.noted_pid("pid")
    assert isinstance(agent.lookup("i1/restart/1"), Running)
    assert until_done(agent).exit_code == 5


def test_a_runner_told_to_stop_by_others_stops_its_command_and_says_who(world: ActWorld) -> None:
    agent = world.agent()
    agent.start(shell(f"echo $$ > {world.note('pid')}; exec sleep 600"))
    child = world.noted_pid("pid")
    end(running_pid(agent.lookup("i1/restart/1")), signal.SIGTERM)
    done = until_done(agent)
    assert done.status is OutcomeStatus.CANCELLED
    assert "its runner was sent SIGTERM" in done.detail
    until_gone(child)


def test_output_is_text_for_people_and_bytes_on_disk(world: ActWorld) -> None:
    done = world.shell(r"printf 'a\000b\033[31mred\377\r\nnext\n'")
    assert done.output == "a\ufffdb\ufffd[31mred\ufffd\nnext\n"
    assert world.files().output.read_bytes() == b"a\0b\x1b[31mred\xff\r\nnext\n"


def test_only_the_end_of_a_long_output_is_handed_back(world: ActWorld) -> None:
    done = world.shell("seq 1 5000")
    assert len(done.output) == 4000
    assert done.output.endswith("4999\n5000\n")
    assert len(world.files().output.read_text().splitlines()) == 5000
