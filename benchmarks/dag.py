"""Recorded workflows as dags: real loop, real executor, every task a real sleeping process.

Three runs an instance. `unlimited` starts whatever is ready, with the journal in SQLite on disk; its bound is 1.03
times the critical path and 1 s. `8 workers` has `concurrency: 8` and the journal in memory; its bound is 1.05 times the
publisher's critical-path-first list schedule on 8 workers. `failure` lets a task in the middle fail: none of its
descendants may start, and nothing at all once the agent knew. Run times are scaled so that the critical path lasts at
most 20 s and the schedule on 8 workers at most `--limited`. Order and times are what the processes noted themselves.

    python -m benchmarks.dag [--instances NAME ...] [--critical-path S] [--limited S]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.workflow_run import Run, run
from benchmarks.workflows import Workflow, policy_of, read_workflow, reference, shared_folder

from homeostat.model import entries as e
from homeostat.model.ports import Journal
from homeostat.model.reasons import OutcomeStatus, Phase
from homeostat.record.memory import MemoryJournal
from homeostat.record.sqlite import SqliteJournal

INSTANCES = (
    "helloworld__helloworld-forkjoin-10-chameleon",
    "makeflow__blast__blast-chameleon-small-001",
    "makeflow__bwa__bwa-chameleon-small-001",
    "pegasus__cycles__cycles-chameleon-1l-1c-12p-001",
    "pegasus__epigenomics__epigenomics-chameleon-hep-3seq-100k-001",
    "pegasus__montage__montage-chameleon-2mass-015d-001",
    "pegasus__seismology__seismology-chameleon-400p-001",
    "pegasus__soykb__soykb-chameleon-10fastq-10ch-001",
    "pegasus__srasearch__srasearch-chameleon-30a-003",
    "pegasus__srasearch__srasearch-chameleon-50a-005",
)
"""One or two of each kind, up to 401 tasks."""

WORKERS = 8
FAILURE_CRITICAL_PATH_S = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", nargs="*", default=INSTANCES)
    parser.add_argument("--critical-path", type=float, default=20.0)
    parser.add_argument("--limited", type=float, default=90.0)
    asked = parser.parse_args()
    shared = shared_folder()
    if shared is None:
        print("the recorded workflows are not here; name their folder in HOMEOSTAT_SHARED", file=sys.stderr)
        return 2
    folder = shared / "data" / "wfinstances"
    print(
        "| workflow | tasks | run | best possible s | bound s | took s | over best | ticks | tick max ms | loop CPU s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    broken: list[str] = []
    for name in asked.instances:
        path = folder / f"{name}.json"
        broken += _measure(read_workflow(path), reference(folder, path), asked.critical_path, asked.limited)
    load = os.getloadavg()[1]
    print(f"\n{os.cpu_count()} cores, load over five minutes {load:.1f}; everything on this machine shares them.")
    for sentence in broken:
        print(f"BROKEN: {sentence}")
    return 1 if broken else 0


def _measure(workflow: Workflow, published: dict[str, float], path_s: float, limited_s: float) -> Iterator[str]:
    """The three runs of one workflow; yields what was not as it must be."""
    recorded_s = workflow.critical_path_s
    if abs(recorded_s - published["critical_path_s"]) > 0.01:
        yield f"{workflow.name}: its critical path is {recorded_s}, published as {published['critical_path_s']}"
    scaled = workflow.scaled(path_s / recorded_s)
    best_s = scaled.critical_path_s
    yield from _row(scaled, "unlimited, SQLite", best_s, 1.03 * best_s + 1.0, None)
    schedule_s = published[f"cpfirst_{WORKERS}w_s"]
    factor = min(path_s / recorded_s, limited_s / schedule_s)
    yield from _row(
        workflow.scaled(factor), "8 workers, memory", schedule_s * factor, 1.05 * schedule_s * factor, WORKERS
    )
    yield from _fail_midway(workflow.scaled(FAILURE_CRITICAL_PATH_S / recorded_s))


def _row(workflow: Workflow, what: str, best_s: float, bound_s: float, concurrency: int | None) -> Iterator[str]:
    done = _carry_out(workflow, concurrency=concurrency)
    took_s = done.makespan_s
    print(
        f"| {workflow.name.rpartition('__')[2]} | {len(workflow.runtimes_s)} | {what} | {best_s:.2f} | {bound_s:.2f} "
        f"| {took_s:.2f} | {took_s / best_s - 1.0:+.1%} | {done.ticks} | {done.tick_s_max * 1e3:.0f} "
        f"| {done.loop_cpu_s:.2f} |",
        flush=True,
    )
    name = f"{workflow.name}, {what}"
    if done.phase is not Phase.CLOSED or len(done.ends) != len(workflow.runtimes_s):
        yield f"{name}: {done.phase} with {len(done.ends)} of {len(workflow.runtimes_s)} tasks done {done.failures[:3]}"
    if took_s > bound_s:
        yield f"{name}: {took_s:.2f} s, and the bound is {bound_s:.2f} s"
    yield from (f"{name}: {sentence}" for sentence in done.violations(workflow))
    if concurrency is not None and at_once_max(done) > concurrency:
        yield f"{name}: {at_once_max(done)} tasks at once"


def _fail_midway(workflow: Workflow) -> Iterator[str]:
    failing = midway(workflow)
    done = _carry_out(workflow, failing=failing)
    descendants = workflow.descendants(failing)
    began = descendants & done.starts.keys()
    late = started_after_failure(done)
    print(
        f"| {workflow.name.rpartition('__')[2]} | {len(workflow.runtimes_s)} | failure of {failing} | | "
        f"| {done.closed_s:.2f} | {len(began)} of {len(descendants)} descendants started | {done.ticks} "
        f"| {done.tick_s_max * 1e3:.0f} | {done.loop_cpu_s:.2f} |",
        flush=True,
    )
    if began or late:
        yield f"{workflow.name}: after the failure of {failing} these started: {sorted(began | set(late))[:5]}"
    if done.phase is not Phase.ESCALATED:
        yield f"{workflow.name}: the failure of {failing} ended in {done.phase}"
    yield from (f"{workflow.name}, failure: {sentence}" for sentence in done.violations(workflow))


def midway(workflow: Workflow) -> str:
    """A task that has both: tasks before it, and as many descendants as possible; the first of all where none has."""
    inner = [task for task in workflow.runtimes_s if task in workflow.needs and workflow.descendants(task)]
    return max(inner or list(workflow.runtimes_s), key=lambda task: len(workflow.descendants(task)))


def started_after_failure(done: Run) -> list[str]:
    """Tasks whose intent was journalled after the failed action's end was."""
    late: list[str] = []
    failed = False
    for entry in done.entries:
        if isinstance(entry, e.ActionEnded) and entry.status is not OutcomeStatus.OK:
            failed = True
        elif isinstance(entry, e.ActionIntended) and failed:
            late.append(entry.node)
    return late


def at_once_max(done: Run) -> int:
    """The most tasks that slept at the same time, by their own notes."""
    moments = sorted([(at, 1) for at in done.starts.values()] + [(at, -1) for at in done.ends.values()])
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most


def _carry_out(workflow: Workflow, *, concurrency: int | None = None, failing: str | None = None) -> Run:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "log"
        policy = policy_of(workflow, log, concurrency=concurrency, failing=(failing,) if failing else ())
        journal: Journal = MemoryJournal() if concurrency else SqliteJournal(folder / "journal.sqlite")
        with closing(journal):
            return run(policy, workflow, folder / "state", log, journal)


if __name__ == "__main__":
    sys.exit(main())
