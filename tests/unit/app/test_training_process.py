"""Training in a process of its own: the same result, and no bound of it is ever the agent's."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from homeostat.app.recordings import journal_of_recordings
from homeostat.app.retraining import Trained, TrainingHere
from homeostat.app.settings import Settings
from homeostat.app.training_process import FILE_BYTES_MAX, NICENESS, TrainingApart, _tell, bounds_each
from homeostat.learn.gate import BOUNDS
from homeostat.model import entries as e
from homeostat.model.policy import Policy
from homeostat.model.ports import Batch
from homeostat.model.streams import policy_stream
from homeostat.policy.load import load_policy
from homeostat.record.sqlite import SqliteJournal

ROOT = Path(__file__).parents[3]
NOW = 2e9
INCIDENTS = 8
"""Of the shipped history: enough to train on, in little time."""


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(ROOT / "policies/payments-5xx.homeostat.yaml")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, policy: Policy) -> Iterator[Settings]:
    """A workspace whose journal an agent has open to write."""
    made = Settings(root=tmp_path_factory.mktemp("workspace"))
    made.state.mkdir()
    history = journal_of_recordings(ROOT / "history")
    loaded = e.PolicyLoaded(at=1.0, policy=policy.name, policy_hash=policy.hash, sources=policy.sources)
    journal = SqliteJournal(made.journal)
    journal.append([Batch(policy_stream(policy.name), None, [loaded])])
    for incident in history.incidents()[:INCIDENTS]:
        journal.append([Batch(incident, 0, [record.entry for record in history.read(incident)])])
    yield made
    journal.close()


def bounded(settings: Settings, **bounds: float) -> TrainingApart:
    learning = settings.learning.model_copy(update={"recurrence_s": 0.0, **bounds})
    return TrainingApart(settings.model_copy(update={"learning": learning}))


def test_the_child_gives_what_this_process_would_and_one_failure_stays_alone(
    settings: Settings, policy: Policy
) -> None:
    other = replace(policy, name="other")
    with closing(SqliteJournal(settings.journal, read_only=True)) as journal:
        here = TrainingHere(journal, recurrence_s=0.0, promote=True)({policy.name: policy}, NOW)
    apart = bounded(settings)({"other": other, policy.name: policy}, NOW)
    assert list(apart.entries[policy.name]) == list(here.entries[policy.name])
    assert here.failures == {}
    assert "the journal does not hold version" in str(apart.failures.pop("other"))
    assert apart.failures == {}
    assert isinstance(apart.entries[policy.name][0], e.RankingTrained)


def test_one_that_takes_too_long_is_killed_and_says_which_setting(settings: Settings, policy: Policy) -> None:
    trained = bounded(settings, retrain_timeout_s=0.05)({policy.name: policy}, NOW)
    assert "signal 9" in told(trained, policy)
    assert "retrain_timeout_s" in told(trained, policy)


def test_one_that_takes_too_much_memory_ends_alone(settings: Settings, policy: Policy) -> None:
    trained = bounded(settings, retrain_memory_mib_max=24)({policy.name: policy}, NOW)
    assert "retrain_memory_mib_max" in told(trained, policy)


@pytest.mark.parametrize(("limit", "own"), [("RLIMIT_DATA", 10**9), ("RLIMIT_CPU", 100)])
def test_a_stricter_limit_of_the_service_manager_stays(limit: str, own: int) -> None:
    under = (
        "import resource; from homeostat.app import training_process as t;"
        f"resource.setrlimit(resource.{limit}, ({own}, {own}));"
        "t._bound({'memory_bytes_max': 2**31, 'timeout_s': 600.0});"
        f"print(resource.getrlimit(resource.{limit}), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    run = subprocess.run([sys.executable, "-P", "-c", under], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == f"({own}, {own}) (0, 0)"


def test_the_child_ends_when_its_parent_dies(settings: Settings) -> None:
    """Its stdin is all it knows of its parent."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", "import homeostat.app.training_process as t; t._end_with_parent()"],
        stdin=subprocess.PIPE,
    )
    assert child.stdin is not None
    time.sleep(0.1)
    child.stdin.close()
    try:
        assert child.wait(30) == 1
    finally:
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)


def test_a_training_at_work_is_bounded_and_ends_with_its_stdin(
    settings: Settings, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("PASSWORD_OF_AN_ACTION", "secret")
    monkeypatch.setenv("PASSWORD_OF_THE_STORE", "known")
    for name in ("PGSSLROOTCERT", "SSL_CERT_DIR", "KRB5CCNAME", "PYTHONPLUGINS"):
        monkeypatch.setenv(name, "where it is")
    store = settings.store.model_copy(update={"password": "env:PASSWORD_OF_THE_STORE"})
    settings = settings.model_copy(update={"store": store})
    apart = bounded(settings, retrain_timeout_s=333.0)
    with tempfile.TemporaryFile() as errors, apart._child(errors) as child:
        assert child.stdin is not None
        _tell(child, apart._order({policy.name: policy}, NOW))
        deadline = time.monotonic() + 30
        while resource.prlimit(child.pid, resource.RLIMIT_CPU)[0] != 334 and time.monotonic() < deadline:
            time.sleep(0.005)
        memory_bytes = settings.learning.retrain_memory_mib_max * 2**20
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == NICENESS
        assert resource.prlimit(child.pid, resource.RLIMIT_CPU) == (334, 334)
        assert resource.prlimit(child.pid, resource.RLIMIT_DATA) == (memory_bytes, memory_bytes)
        assert resource.prlimit(child.pid, resource.RLIMIT_CORE) == (0, 0)
        assert resource.prlimit(child.pid, resource.RLIMIT_FSIZE) == (FILE_BYTES_MAX, FILE_BYTES_MAX)
        given = b"\0" + Path(f"/proc/{child.pid}/environ").read_bytes()
        assert b"\0OPENBLAS_NUM_THREADS=1\0" in given
        assert b"\0PASSWORD_OF_THE_STORE=known\0" in given
        assert b"PASSWORD_OF_AN_ACTION" not in given
        assert given.count(b"=where it is\0") == 4, "it would not find the modules or the journal of its agent"
        child.stdin.close()
        child.stdin = None
        assert child.wait(30) == 1


def test_one_that_hangs_without_working_is_killed(settings: Settings) -> None:
    """It waits for an order that never comes, so no limit of its own can end it."""
    with tempfile.TemporaryFile() as errors, bounded(settings, retrain_timeout_s=0.2)._child(errors) as child:
        assert child.wait(30) == -signal.SIGKILL


def test_each_policy_has_an_equal_share_of_the_time_that_is_left_to_judge() -> None:
    now = [100.0]
    each = bounds_each(100.0, 4, lambda: now[0])
    for begun, until in ((100.0, 120.0), (110.0, 110.0 + 70.0 / 3.0), (160.0, 170.0)):
        now[0] = begun
        bounds = next(each)
        assert bounds == replace(BOUNDS, time_is_up=bounds.time_is_up)
        now[0] = until - 0.01
        assert not bounds.time_is_up()
        now[0] = until + 0.01
        assert bounds.time_is_up()
    now[0] = 181.0
    (late,) = each
    assert late.time_is_up()


def test_what_else_is_printed_in_the_child_is_no_answer_and_it_judges_within_bounds(
    settings: Settings, policy: Policy
) -> None:
    noisy = "import homeostat.app.training_process as t; t._bound = lambda _: None;"
    noisy += "t.load_journalled = lambda *_: print('noise'); import homeostat.learn.retrain as r;"
    noisy += "r.retrain = lambda *_, bounds, **__: bounds.time_is_up() or {}['there was time']; t.main()"
    order = json.dumps(bounded(settings)._order({policy.name: policy}, NOW)).encode() + b"\n"
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", noisy], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(order)
    child.stdin.flush()
    answer = json.loads(child.stdout.readline())
    _, errors = child.communicate(timeout=30)
    assert (answer["policy"], answer["error"]) == (policy.name, "KeyError: 'there was time'")
    assert b"noise" in errors


def told(trained: Trained, policy: Policy) -> str:
    assert trained.entries == {}
    return str(trained.failures[policy.name])
