"""Dags of real processes through the real loop: their order, their limit, and where a failure stops.

`benchmarks/dag.py` does the same at full size and measures how long it takes; here a small recorded workflow and one
that always runs.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from benchmarks.dag import at_once_max, midway, started_after_failure
from benchmarks.workflow_run import Run, run
from benchmarks.workflows import Workflow, policy_of, read_workflow, reference, shared_folder

from homeostat.model import entries as e
from homeostat.model.reasons import AttemptVerdict, Phase
from homeostat.record.memory import MemoryJournal
from homeostat.record.sqlite import SqliteJournal

CRITICAL_PATH_S = 2.0

DIAMONDS = Workflow(
    "diamonds",
    {"a": 0.3, "b": 0.5, "c": 0.7, "d": 0.2, "e": 0.4, "f": 0.3, "g": 0.6, "h": 0.1, "i": 0.2, "j": 0.2},
    {
        "b": ("a",),
        "c": ("a",),
        "d": ("b", "c"),
        "e": ("d",),
        "f": ("d",),
        "h": ("g",),
        "i": ("h", "e"),
        "j": ("i", "f"),
    },
)
"""Two diamonds, one after the other, and a branch beside them."""


def recorded() -> Workflow:
    shared = shared_folder()
    if shared is None:
        pytest.skip("the recorded workflows are not here; name their folder in HOMEOSTAT_SHARED")
    folder = shared / "data" / "wfinstances"
    path = folder / "pegasus__srasearch__srasearch-chameleon-10a-001.json"
    workflow = read_workflow(path)
    assert workflow.critical_path_s == pytest.approx(reference(folder, path)["critical_path_s"], abs=0.01)
    assert workflow.list_schedule_s(8) == pytest.approx(reference(folder, path)["cpfirst_8w_s"], abs=0.01)
    return workflow.scaled(CRITICAL_PATH_S / workflow.critical_path_s)


@pytest.fixture(params=["diamonds", "recorded"])
def workflow(request: pytest.FixtureRequest) -> Workflow:
    return DIAMONDS if request.param == "diamonds" else recorded()


def carry_out(workflow: Workflow, folder: Path, *, concurrency: int | None = None, failing: str | None = None) -> Run:
    log = folder / "log"
    policy = policy_of(workflow, log, concurrency=concurrency, failing=(failing,) if failing else ())
    with closing(MemoryJournal() if concurrency else SqliteJournal(folder / "journal.sqlite")) as journal:
        return run(policy, workflow, folder / "state", log, journal)


def test_a_workflow_keeps_its_order_and_runs_what_is_ready_at_once(workflow: Workflow, tmp_path: Path) -> None:
    done = carry_out(workflow, tmp_path)
    assert done.phase is Phase.CLOSED
    assert done.ends.keys() == workflow.runtimes_s.keys()
    assert not done.violations(workflow)
    assert done.makespan_s >= workflow.critical_path_s
    assert at_once_max(done) > 1
    assert not done.failures


def test_a_limit_holds(workflow: Workflow, tmp_path: Path) -> None:
    limit = 2 if workflow is DIAMONDS else 4
    done = carry_out(workflow, tmp_path, concurrency=limit)
    assert done.phase is Phase.CLOSED
    assert not done.violations(workflow)
    assert at_once_max(done) == limit
    assert done.makespan_s >= sum(workflow.runtimes_s.values()) / limit


def test_a_failure_midway_starts_no_descendant(workflow: Workflow, tmp_path: Path) -> None:
    failing = midway(workflow)
    done = carry_out(workflow, tmp_path, failing=failing)
    assert failing in done.ends
    assert not workflow.descendants(failing) & done.starts.keys()
    assert not started_after_failure(done)
    assert done.starts.keys() == done.ends.keys(), "what ran was not brought to its end"
    assert done.phase is Phase.ESCALATED
    failed = [entry.key for entry in done.entries if isinstance(entry, e.AttemptEnded) and not entry.succeeded]
    assert [key.split("/")[-2] for key in failed] == [failing]
    verdicts = {entry.verdict for entry in done.entries if isinstance(entry, e.AttemptEnded) and not entry.succeeded}
    assert verdicts == {AttemptVerdict.INEFFECTIVE}
