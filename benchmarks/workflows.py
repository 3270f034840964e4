"""Recorded workflows (WfFormat 1.5, wfcommons.org) as policies: each task is a `do` step of one `dag`."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from homeostat.model.policy import Policy
from homeostat.policy.bounds import longest_chain_s, needed_first, remaining_s
from homeostat.policy.load import load_policy_sources

PROGRAM = Path(__file__).with_name("sleep_task")
SHARED_VARIABLE = "HOMEOSTAT_SHARED"
LEVELS_UP_MAX = 4
FILE = "workflow.homeostat.yaml"
FAILS_WITH = 3
"""Exit code of a task that is told to fail."""


def shared_folder() -> Path | None:
    """The folder of third-party data: named by HOMEOSTAT_SHARED, else `shared` beside one of this tree's parents."""
    named = os.environ.get(SHARED_VARIABLE)
    if named:
        return Path(named) if Path(named).is_dir() else None
    root = Path(__file__).resolve().parents[1]
    above = (parent / "shared" for parent in list(root.parents)[:LEVELS_UP_MAX])
    return next((folder for folder in above if (folder / "data").is_dir()), None)


@dataclass(frozen=True)
class Workflow:
    """Tasks with their recorded run times.

    Attributes:
        runtimes_s: by task, in the file's order. needs: task -> the tasks it waits for.
    """

    name: str
    runtimes_s: Mapping[str, float]
    needs: Mapping[str, tuple[str, ...]]

    @property
    def critical_path_s(self) -> float:
        """The longest chain: no number of workers is faster."""
        return longest_chain_s(self.runtimes_s, self.needs)

    def scaled(self, factor: float) -> Workflow:
        """The same with every run time multiplied; whole milliseconds, as they are handed to the tasks."""
        return Workflow(
            self.name, {task: round(time_s * factor, 3) for task, time_s in self.runtimes_s.items()}, self.needs
        )

    def descendants(self, task: str) -> set[str]:
        """Every task that waits for this one, however indirectly."""
        found = {task}
        for later in needed_first(tuple(self.runtimes_s), self.needs):
            if found.intersection(self.needs.get(later, ())):
                found.add(later)
        return found - {task}

    def list_schedule_s(self, workers: int) -> float:
        """Makespan of the schedule in which a free worker takes the ready task with the longest chain behind it.

        Graham, "Bounds on multiprocessing timing anomalies" (1969); priorities as in HEFT's upward rank.
        """
        rank_s = remaining_s(self.runtimes_s, self.needs)
        waiting = {task: len(self.needs.get(task, ())) for task in self.runtimes_s}
        ready = [task for task, count in waiting.items() if count == 0]
        running: list[tuple[float, str]] = []
        now_s = 0.0
        while ready or running:
            ready.sort(key=lambda task: rank_s[task])
            while ready and len(running) < workers:
                task = ready.pop()
                running.append((now_s + self.runtimes_s[task], task))
            now_s, ended = min(running)
            running.remove((now_s, ended))
            for task, needed in self.needs.items():
                if ended in needed:
                    waiting[task] -= 1
                    if waiting[task] == 0:
                        ready.append(task)
        return now_s


def read_workflow(path: Path) -> Workflow:
    """Read a WfFormat file. Tasks are renamed `t0001`, ...: their own names are no step ids."""
    workflow = json.loads(path.read_text())["workflow"]
    tasks = workflow["specification"]["tasks"]
    names = {task["id"]: f"t{number:04}" for number, task in enumerate(tasks, 1)}
    runtimes_s = {names[ran["id"]]: float(ran["runtimeInSeconds"]) for ran in workflow["execution"]["tasks"]}
    needs = {names[task["id"]]: tuple(names[parent] for parent in task["parents"]) for task in tasks if task["parents"]}
    return Workflow(path.stem, {name: runtimes_s[name] for name in names.values()}, needs)


def reference(folder: Path, path: Path) -> dict[str, float]:
    """The publisher's row of reference makespans for a workflow file."""
    with (folder / "reference_makespans.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["file"].replace("/", "__") == path.name:
                return {key: float(value) for key, value in row.items() if key.endswith("_s") and value}
    raise KeyError(path.name)


def policy_of(
    workflow: Workflow,
    log: Path,
    *,
    concurrency: int | None = None,
    failing: Collection[str] = (),
    timeout_s: int = 600,
) -> Policy:
    """A policy that carries the workflow out: trigger `tasks_left > 0`, resolved `tasks_left == 0`."""
    return load_policy_sources({FILE: json.dumps(_file(workflow, log, concurrency, failing, timeout_s))}, FILE)


def _file(
    workflow: Workflow, log: Path, concurrency: int | None, failing: Iterable[str], timeout_s: int
) -> dict[str, object]:
    steps = [
        {
            "id": task,
            "do": "sleep",
            "target": f"task/{task}",
            "with": {"seconds": f"{runtime_s:.3f}", "exit_code": str(FAILS_WITH if task in failing else 0)},
            "takes": f"{max(1, round(runtime_s * 1000))}ms",
            "verify": "none",
            **({"needs": list(workflow.needs[task])} if task in workflow.needs else {}),
        }
        for task, runtime_s in workflow.runtimes_s.items()
    ]
    argv = [str(PROGRAM), {"target": "name"}, {"with": "seconds"}, {"with": "exit_code"}, str(log)]
    sleep = {
        "actuator": "command",
        "effect": "unsafe",
        "timeout": f"{timeout_s}s",
        "argv": argv,
        "with": {"seconds": "text", "exit_code": "text"},
    }
    return {
        "policy": "workflow",
        "owner": "benchmark",
        "signals": {"tasks_left": "tasks_left"},
        "actions": {"sleep": sleep},
        "trigger": {"if": "tasks_left > 0"},
        "resolved": {"if": "tasks_left == 0", "within": "10s"},
        "escalate": {"to": "people"},
        "timeout": f"{2 * timeout_s}s",
        "steps": [{"id": "tasks", "dag": steps, **({"concurrency": concurrency} if concurrency else {})}],
    }
