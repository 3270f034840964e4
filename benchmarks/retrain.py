"""Retraining on a million attempts: time and memory beside bare scikit-learn, the loop's ticks meanwhile, and Dask.

Every part runs in a process of its own, which says what it took: seconds on the wall, of CPU, and its peak memory. The
journal is written through the real store (`many_incidents`) and kept in `--folder` for the next run.

    python -m benchmarks.retrain [--attempts N] [--seed N] [--folder DIR] [--only PART ...] [--how process|thread]

Parts: `write` the journal; `read` it into the samples of the node; `fit` the node to them; `bare`, the pooled model as
scikit-learn's `LogisticRegression` on the same samples; `whole`, `retrain` as the agent calls it, gate included;
`ticks` of a loop alone and while `whole` runs; `same`, the ranking of one process, two processes and two Dask workers.
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import many_incidents

from homeostat.record.sqlite import SqliteJournal

PARTS = ("write", "read", "fit", "bare", "whole", "ticks", "same")
NOW = many_incidents.BEGIN + 1e12
RECURRENCE_S = 1800.0
NICENESS = "10"
"""As the agent runs its training."""

POLICIES = 30
TICK_S = 0.05
TICKS_ALONE = 600
PENALTY = 1.0
SCALE_SHARED, SCALE_OWN = 0.1, 0.3

Said = dict[str, Any]


def write(folder: Path, attempts: int, seed: int) -> Said:
    path = _journal(folder)
    if path.exists():
        return {"kept": True}
    with closing(SqliteJournal(path)) as journal:
        incidents = many_incidents.write(journal, many_incidents.the_policy(), attempts, seed)
    return {"incidents": incidents, "MB on disk": path.stat().st_size / 1e6}


def read(folder: Path) -> Said:
    from homeostat.learn.dataset import TRAINING_COLUMNS, decision_rows
    from homeostat.learn.features import fit_features
    from homeostat.learn.ranker import declared_of, labelled_trials, samples_of
    from homeostat.learn.trace import newest_incidents

    policy = many_incidents.the_policy()
    node = many_incidents.remedy_of(policy)
    with closing(SqliteJournal(_journal(folder), read_only=True)) as journal:
        traces = newest_incidents(journal, policy.name, sys.maxsize)
        decisions = decision_rows(traces, policy, RECURRENCE_S, NOW, columns=TRAINING_COLUMNS)
    trials = labelled_trials(decisions, node)
    features = fit_features(trials, policy)
    samples = samples_of(trials, node, features)
    with (folder / "samples.pickle").open("wb") as file:
        pickle.dump((samples, features, declared_of(node, policy)), file, protocol=5)
    return {"trials": len(samples), "frame MB": decisions.memory_usage().sum() / 1e6}


def fit(folder: Path) -> Said:
    from homeostat.learn.fitting import fit_node
    from homeostat.learn.members.pooled import PooledLogistic

    samples, features, declared = _samples(folder)
    began = time.process_time()
    PooledLogistic().fit(samples)
    pooled_s = time.process_time() - began
    began = time.process_time()
    node = fit_node(samples, features, declared)
    return {
        "fit CPU s": time.process_time() - began,
        "pooled alone CPU s": pooled_s,
        "members": [member.name for member in node.members],
    }


def _samples(folder: Path) -> Any:
    with (folder / "samples.pickle").open("rb") as file:
        return pickle.load(file)


def bare(folder: Path) -> Said:
    """The model that the pooled member is, by scikit-learn: one-hot candidates, shared and own slopes."""
    import scipy.sparse as sparse
    from sklearn.linear_model import LogisticRegression

    samples, _, _ = _samples(folder)
    own = sparse.csr_matrix(np.eye(samples.candidates)[samples.candidate])
    seen = sparse.csr_matrix(np.hstack([samples.columns, samples.failed]))
    crossed = sparse.hstack([seen.multiply(own[:, [place]]) for place in range(samples.candidates)])
    design = sparse.hstack([own, SCALE_SHARED * seen, SCALE_OWN * crossed]).tocsr()
    began = time.process_time()
    model = LogisticRegression(C=PENALTY, fit_intercept=False, max_iter=500)
    model.fit(design, samples.succeeded, sample_weight=samples.weight)
    return {"fit CPU s": time.process_time() - began, "columns": design.shape[1], "iterations": int(model.n_iter_[0])}


def whole(folder: Path, workers: Any = None) -> Said:
    from homeostat.learn.retrain import retrain
    from homeostat.parallel import IN_PROCESS

    with closing(SqliteJournal(_journal(folder), read_only=True)) as journal:
        retrained = retrain(
            journal,
            many_incidents.the_policy(),
            NOW,
            "benchmark",
            incidents_max=sys.maxsize,
            recurrence_s=RECURRENCE_S,
            workers=workers or IN_PROCESS,
        )
    said = {"version": retrained.ranking.version, "attempts": retrained.ranking.attempts}
    return said | {"gate": retrained.verdict.text}


def same(folder: Path) -> Said:
    """The ranking's version, a hash over all its numbers, and the gate's sentence, by three kinds of workers."""
    from distributed import LocalCluster

    from homeostat.parallel import workers

    found = {"one process": whole(folder)}
    with workers(jobs=2) as two:
        found["two processes"] = whole(folder, two)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,  # type: ignore[no-untyped-call] # as shipped
        workers(cluster=cluster.scheduler_address) as dask,
    ):
        found["two Dask workers"] = whole(folder, dask)
    if len({(said["version"], said["gate"]) for said in found.values()}) != 1:
        raise RuntimeError(f"not the same numbers: {found}")
    return {"same": sorted(found), "version": found["one process"]["version"][:12]}


def ticks(folder: Path, how: str) -> Said:
    """Ticks of a loop with an open incident in each of `POLICIES` policies, every one journalled, alone and beside."""
    alone = _ticks(lambda done: done >= TICKS_ALONE)
    training = _training(folder, how)
    beside = _ticks(lambda _: not training())
    after = _ticks(lambda done: done >= TICKS_ALONE)
    trained = json.loads(_said_by_child(folder).read_text()) if how == "process" else {}
    shown = {"alone": [*alone, *after], "alone before": alone, "beside": beside, "alone after": after}
    return {
        **{f"p50 ms {name}": 1000 * float(np.quantile(took, 0.5)) for name, took in shown.items()},
        **{f"p99 ms {name}": 1000 * float(np.quantile(took, 0.99)) for name, took in shown.items()},
        "ticks beside": len(beside),
        **{f"retraining {name}": value for name, value in trained.items()},
    }


def _said_by_child(folder: Path) -> Path:
    return folder / "whole.json"


def _training(folder: Path, how: str) -> Callable[[], bool]:
    """Start retraining; gives whether it still runs."""
    if how == "thread":
        thread = threading.Thread(target=whole, args=(folder,), daemon=True)
        thread.start()
        return thread.is_alive
    command = ["nice", "-n", NICENESS, sys.executable, "-m", "benchmarks.retrain", "--part", "whole"]
    with _said_by_child(folder).open("w") as said:
        child = subprocess.Popen([*command, "--folder", str(folder)], stdout=said)
    return lambda: child.poll() is None


def _ticks(is_enough: Callable[[int], bool]) -> Sequence[float]:
    """Seconds of each tick, one every `TICK_S`, on a new journal."""
    from benchmarks.workflow_run import Seen

    from homeostat.act.executor import Executor
    from homeostat.app.clock import SystemClock
    from homeostat.loop import Loop, Outside
    from homeostat.model.policy import Mode

    policy = many_incidents.the_policy()
    policies = {f"{policy.name}-{n}": replace(policy, name=f"{policy.name}-{n}") for n in range(POLICIES)}
    seen = Seen()
    with tempfile.TemporaryDirectory() as state, closing(SqliteJournal(Path(state) / "journal.sqlite")) as journal:
        outside = Outside(SystemClock(), _Failing(), Executor({}, seen.failed), journal, seen)
        loop = Loop(outside, policies, "benchmark", seed=1, mode=Mode.OBSERVE)
        loop.recover("benchmark")
        took: list[float] = []
        while not is_enough(len(took)):
            began = time.perf_counter()
            loop.tick()
            took.append(time.perf_counter() - began)
            time.sleep(max(0.0, TICK_S - took[-1]))
        if len(loop.incidents) != POLICIES or seen.failures:
            raise RuntimeError(f"{len(loop.incidents)} incidents are open; {seen.failures[:3]}")
    return took


class _Failing:
    """Implements `model.ports.Sensor`: every service answers with errors."""

    def read(self, specs: Mapping[str, Any], now: float) -> Any:
        """Every signal at one half."""
        from homeostat.model.signals import Reading, Snapshot

        return Snapshot(now, {key: Reading(0.5, now) for key in specs})


def _journal(folder: Path) -> Path:
    return folder / "journal.sqlite"


def _run_part(arguments: argparse.Namespace) -> Said:
    folder = arguments.folder
    calls: dict[str, Callable[[], Said]] = {
        "write": lambda: write(folder, arguments.attempts, arguments.seed),
        "ticks": lambda: ticks(folder, arguments.how),
        **{part.__name__: partial(part, folder) for part in (read, fit, bare, whole, same)},
    }
    began = time.perf_counter()
    said = calls[arguments.part]()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cost = {"wall s": time.perf_counter() - began, "CPU s": usage.ru_utime + usage.ru_stime}
    return cost | {"peak MB": usage.ru_maxrss / 1024} | said


def _measured(part: str, arguments: argparse.Namespace) -> Said:
    own = ["--part", part, "--folder", str(arguments.folder), "--how", arguments.how]
    own += ["--attempts", str(arguments.attempts), "--seed", str(arguments.seed)]
    command = [sys.executable, "-m", "benchmarks.retrain", *own]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    said: Said = json.loads(done.stdout.splitlines()[-1])
    return said


def _shown(named: tuple[str, Any]) -> str:
    name, value = named
    return f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/results/retrain"))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--how", choices=("process", "thread"), default="process")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.part is not None:
        print(json.dumps(_run_part(arguments)))
        return 0
    said = {}
    for part in arguments.only:
        said[part] = _measured(part, arguments)
        numbers = (
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in said[part].items()
        )
        print(f"{part}: {', '.join(numbers)}", flush=True)
    if "ticks" in said:
        of_ticks = said["ticks"]
        print(f"p99 of a tick: {of_ticks['p99 ms beside'] / of_ticks['p99 ms alone']:.2f} x while it retrains")
    if {"fit", "bare"} <= said.keys():
        seconds = said["fit"]["fit CPU s"] / said["bare"]["fit CPU s"]
        memory = said["fit"]["peak MB"] / said["bare"]["peak MB"]
        print(f"fit against bare scikit-learn: {seconds:.2f} x the CPU time, {memory:.2f} x the memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
