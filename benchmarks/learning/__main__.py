"""Which action first? Homeostat's learning beside other libraries', on worlds whose optimum is known.

Each of ten seeds gives five worlds: `mixture` (hidden causes, some alike), `smooth` (success follows the context),
`segments` and `digits` (made from public classification data) and `drift` (a cause's cure changes at incident 1,000).
Methods meet 2,000 incidents one after the other, and are measured frozen at 50, 200 and 1,000 on 500 others. Numbers
are mean times to recovery, the oracle's being 1: an exact dynamic programme that knows everything but the cause.

Results are kept in benchmarks/results, so that an interrupted run goes on. Peers run in `.venv-peers`.

    python -m benchmarks.learning [--methods NAME ...] [--worlds NAME ...] [--seeds N ...] [--jobs N] [--again]
                                  [--no-peers] [--against NAME] [--write-docs]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from benchmarks.learning.catalogue import RULES, WORLDS, world_file
from benchmarks.learning.methods import METHODS
from benchmarks.learning.report import tables, write_docs
from benchmarks.learning.results import Key, Results
from benchmarks.peers import ROOT, install

SEEDS = tuple(range(10, 20))
"""The worlds were made with an eye on seeds 0 to 2, peers were tuned on 100, Homeostat on 101 to 103."""
FOLDER = ROOT / "benchmarks/results"
PEERS = ROOT / ".venv-peers"
TASK_S_MAX = 3600.0


@dataclass(frozen=True)
class Task:
    """Methods of one environment in one world."""

    world: str
    seed: int
    methods: tuple[str, ...]
    peers: bool


def main() -> int:
    asked = _arguments()
    results = Results(FOLDER / "learning.jsonl", RULES)
    FOLDER.mkdir(parents=True, exist_ok=True)
    have = {} if asked.again else results.read()
    tasks = list(_tasks(asked, set(have)))
    if tasks:
        install(PEERS)
    with ThreadPoolExecutor(asked.jobs) as pool:
        running = {pool.submit(_run, task, results.file): task for task in tasks}
        for done in as_completed(running):
            done.result()
            task = running[done]
            print(f"{task.world} {task.seed}: {', '.join(task.methods)}", file=sys.stderr)
    rows = results.read()
    print(tables(rows, asked.against))
    if asked.write_docs:
        write_docs(rows, asked.against, ROOT / "docs/learning")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS, metavar="NAME")
    parser.add_argument("--worlds", nargs="*", default=WORLDS, choices=WORLDS, metavar="NAME")
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS, metavar="N")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--again", action="store_true", help="also what there are results for")
    parser.add_argument("--no-peers", action="store_true", help="without what runs in the peers' environment")
    parser.add_argument("--against", default=next(iter(METHODS)), choices=METHODS, metavar="NAME")
    parser.add_argument("--write-docs", action="store_true", help="put the tables and a plot into docs/learning")
    return parser.parse_args()


def _tasks(asked: argparse.Namespace, have: set[Key]) -> Iterator[Task]:
    for seed in asked.seeds:
        for world in asked.worlds:
            for peers in (False,) if asked.no_peers else (False, True):
                methods = tuple(
                    name for name in asked.methods if METHODS[name].peers == peers and (name, world, seed) not in have
                )
                if methods:
                    yield Task(world, seed, methods, peers)


def _run(task: Task, results: Path) -> None:
    """Run a task in a process of its environment, which adds to `results` what is through.

    Raises:
        subprocess.SubprocessError: it failed or took longer than `TASK_S_MAX`.
    """
    file = world_file(task.world, task.seed, FOLDER, PEERS)
    python = PEERS / "bin/python" if task.peers else Path(sys.executable)
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": _python_path(task)}
    subprocess.run(
        [python, "-m", "benchmarks.learning.one", file, results, RULES, *task.methods],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=TASK_S_MAX,
    )


def _python_path(task: Task) -> str:
    return str(ROOT) if task.peers else f"{ROOT}{os.pathsep}{ROOT / 'agent'}"


if __name__ == "__main__":
    sys.exit(main())
