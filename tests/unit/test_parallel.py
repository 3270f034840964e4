"""Tasks give the same bytes however many processes or machines share them, and what goes wrong names its task."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.learn.incident_streams import journal_of, policy_of, remedy
from tests.unit.learn.test_learn_gate import told_by_errors
from tests.unit.parallel_tasks import dying, failing, process, sleeping, threads

from homeostat import parallel
from homeostat.cli import main
from homeostat.learn.retrain import retrain
from homeostat.model.errors import InvariantError, UsageError, WorkersError
from homeostat.parallel import IN_PROCESS, Workers, workers
from homeostat.policy.load import load_policy
from homeostat.record.recording import Recording, read_recordings
from homeostat.simulate.bench import testing, trial
from homeostat.simulate.bench.suite import load_suite
from homeostat.simulate.bench.testing import run_suites
from homeostat.simulate.bench.trial import run_trials
from homeostat.simulate.bench.world import load_world
from homeostat.simulate.replay import replay_all

ROOT = Path(__file__).parents[2]
NAME = "payments-5xx"
POLICY = load_policy(ROOT / f"policies/{NAME}.homeostat.yaml")
WORLD = load_world(ROOT / f"policies/{NAME}.world.yaml", [POLICY])
SUITE = load_suite(ROOT / f"policies/{NAME}.test.yaml")
NOW = 1e9


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Dask cluster of two processes on loopback."""
    distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50
    ) as running:
        yield running.scheduler_address


def everything(running: Workers, recordings: Sequence[Recording]) -> tuple[str, ...]:
    """What each of the commands would tell, every float to its last digit, of several tasks each."""
    learnt = policy_of(remedy("restart", "shift"))
    return (
        repr(list(run_trials(POLICY, WORLD, 31, 3, running))),
        repr([(outcome.course, outcome.misses) for outcome in run_suites([SUITE], running).outcomes]),
        repr(list(replay_all(POLICY, recordings, with_rankings=True, workers=running))),
        repr(retrain(journal_of(told_by_errors(40)), learnt, NOW, "tester", workers=running)),
    )


def test_the_results_do_not_depend_on_where_they_come_from(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TRIALS_A_TASK", 10)
    monkeypatch.setattr(testing, "TESTS_A_TASK", 5)
    recordings, problems = read_recordings(ROOT / "history")
    assert not problems
    here = everything(IN_PROCESS, recordings[:4])
    assert all(len(told) > 500 for told in here)
    for jobs, address in ((2, None), (None, cluster)):
        with workers(jobs, address) as running:
            assert everything(running, recordings[:4]) == here


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_tasks_error_names_the_task_and_keeps_its_kind(jobs: int) -> None:
    tasks = [(f"task {number}", number) for number in range(5)]
    with workers(jobs) as running:
        assert list(running.run(partial(failing, None), tasks)) == [0, 1, 4, 9, 16]
        with pytest.raises(UsageError, match=r"^task 2: not there"):
            list(running.run(partial(failing, UsageError("not there")), tasks))
        with pytest.raises(InvariantError, match=r"^task 2: ZeroDivisionError: by zero"):
            list(running.run(partial(failing, ZeroDivisionError("by zero")), tasks))


def test_a_tasks_error_on_a_cluster_names_the_task(cluster: str) -> None:
    tasks = [(f"task {number}", number) for number in range(5)]
    with workers(cluster=cluster) as running, pytest.raises(UsageError, match=r"^task 2: not there"):
        list(running.run(partial(failing, UsageError("not there")), tasks))


@pytest.mark.parametrize("jobs", [1, 2])
def test_numerical_libraries_have_one_thread(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    with workers(jobs) as running:
        for found in running.run(threads, [("a", 3), ("b", 4)]):
            assert set(found) == {1}


def test_unless_told_there_are_as_many_processes_as_cores_and_the_tasks_are_worth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tasks = [(f"task {number}", number) for number in range(parallel.TASKS_A_PROCESS_MIN * 2)]
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    with workers() as running:
        assert set(running.run(process, tasks[1:])) == {os.getpid()}
        assert os.getpid() not in set(running.run(process, tasks))
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    with workers() as running:
        assert set(running.run(process, tasks)) == {os.getpid()}


def test_a_lost_process_is_told() -> None:
    with workers(jobs=2) as running, pytest.raises(WorkersError, match=r"process was lost.*fewer --jobs"):
        list(running.run(dying, [("a", 1), ("b", 2)]))


def test_a_task_beyond_its_deadline_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "TASK_S_MAX", 0.5)
    with workers(jobs=2) as running, pytest.raises(WorkersError, match=r"longer than 0\.5 s"):
        list(running.run(sleeping, [("a", 0.0), ("b", 60.0), ("c", 60.0)]))


def test_workers_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("127.0.0.1:8786", "http://127.0.0.1:8786", "tcp://127.0.0.1", "tcp:// 1:2"):
        with pytest.raises(UsageError, match="must read tcp://HOST:PORT"), workers(cluster=address):
            pass
    with pytest.raises(UsageError, match="one of them"), workers(jobs=2, cluster="tcp://127.0.0.1:1"):
        pass
    with pytest.raises(UsageError, match="give 1 to"), workers(jobs=0):
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'homeostat\[dask\]'"), workers(cluster="tcp://127.0.0.1:1"):
        pass


def test_a_cluster_that_does_not_answer_or_has_other_releases(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "CONNECT_S_MAX", 1.0)
    with pytest.raises(WorkersError, match="no Dask scheduler answers"), workers(cluster="tcp://127.0.0.1:1"):
        pass
    monkeypatch.undo()
    monkeypatch.setattr(parallel, "_release", lambda _: "0")  # here, and not in the workers
    with pytest.raises(WorkersError, match=r"has homeostat .+ \(here 0\)"), workers(cluster=cluster):
        pass


def test_the_documents_commands_run(cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "policies", tmp_path / "policies", ignore=shutil.ignore_patterns("scenarios"))
    shutil.copytree(ROOT / "history", tmp_path / "history")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trial, "TRIALS_A_TASK", 10)
    section = (ROOT / "docs/worlds.md").read_text().partition("## Many incidents")[2].partition("\n## ")[0]
    lines = re.findall(r"^\$ homeostat (.*)$", section, re.MULTILINE)
    assert len(lines) == 3
    assert sum("--incidents 120" in line for line in lines) == 2
    for line in lines:
        fewer = line.replace("--incidents 120", "--incidents 30")  # three tasks, as the page's are
        shared = fewer.replace("tcp://127.0.0.1:8786", cluster).split()
        alone = shared[: min(shared.index(option) for option in ("--jobs", "--dask") if option in shared)]
        results = [CliRunner().invoke(main, arguments) for arguments in (shared, [*alone, "--jobs", "1"])]
        assert [result.exit_code for result in results] == [0, 0], results[0].output
        # A ranking's version is a hash over when it was trained, too.
        told = [re.sub(r"ranking [0-9a-f]{12}", "", result.stdout) for result in results]
        assert told[0] == told[1] != ""


def test_an_interrupt_ends_all_processes(tmp_path: Path) -> None:
    program, policies = Path(sys.executable).with_name("homeostat"), ROOT / "policies"
    command = [str(program), "compare", str(policies / f"{NAME}.homeostat.yaml")]
    options = ["--world", str(policies / f"{NAME}.world.yaml"), "--incidents", "100000", "--jobs", "2"]
    with (tmp_path / "said").open("wb") as said:
        running = subprocess.Popen([*command, *options], stdout=said, stderr=said, start_new_session=True)
    try:
        until = time.monotonic() + 60.0
        while _group(running.pid).count("popen_loky_posix") < 2:
            assert running.poll() is None, (tmp_path / "said").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(30.0) == 130
    finally:
        running.kill()
        running.wait()
    until = time.monotonic() + 20.0
    while (left := _group(running.pid)) and time.monotonic() < until:
        time.sleep(0.1)
    assert left == ""
    assert "recovered" not in (tmp_path / "said").read_text()


def _group(leader: int) -> str:
    """The command lines of the processes in a group."""
    told = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == leader and (line := (folder / "cmdline").read_bytes()):
                told.append(line.decode(errors="replace"))
        except (OSError, ValueError):
            continue
    return "\n".join(told)
