"""Whether an order learnt on real servers beats the written one: four faults that share the pool's symptom.

A leak of connections, a hung auth, a slow auth and a table lock all leave clients waiting for the pool; what is written
first cures one of them. An agent with an empty journal begins by the written order and is trained after every ten; what
the gate lets through rules. Then learnt and written order recover the same faults in turn, and learn nothing more. The
draws are seeded. Seconds are the users', until the last payment that failed. The gain's interval is of the paired
differences (bootstrap within each fault).

    python -m benchmarks.rig_learning [--incidents 30] [--pairs 16] [--seed 7] [--report FILE.md] [--keep]

Exit code 1 if the interval does not lie above zero.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import mean

import numpy as np
from scipy.stats import bootstrap

from homeostat.app.scaffold import shipped
from homeostat.app.settings import load_settings
from homeostat.app.settings_file import FILE_NAME
from homeostat.decide.projection import fold
from homeostat.learn.promotion import promotions_of
from homeostat.record.sqlite import SqliteJournal
from homeostat.rig import rig
from homeostat.rig.drill import run_in_workspace
from homeostat.rig.fault_file import Fault
from homeostat.rig.faults import fault_named
from homeostat.rig.layout import Layout
from homeostat.rig.rig_system import RIG
from homeostat.rig.verdict import DrillResult
from homeostat.rig.workspace import make_workspace

POLICY = Path(__file__).parent / "rig_pool" / "rig-pool.homeostat.yaml"
NAME = POLICY.name.partition(".")[0]
SHARING = ("pool_leak", "auth_hung", "auth_slow", "table_lock")
LIMIT_S = 110.0
TRAINED_EVERY = 10
LEARNING = """
[learning]
recurrence_s = 3.0
retrain_interval_s = 86400.0
promote = "review"
"""


@dataclass(frozen=True)
class Recovery:
    """How one fault was recovered, and by which order."""

    order: str
    fault: str
    clean_s: float
    actions: tuple[str, ...]


def main() -> int:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="homeostat-rig-"))
    folder.chmod(0o755)
    layout = rig.up(folder / "rig")
    try:
        written, learnt = (_workspace(layout, name) for name in ("written", "learnt"))
        random = Random(options.seed)
        lived: list[Recovery] = []
        for fault in _draw(random, options.incidents):
            lived.append(_recover(layout, learnt, fault, "learning"))
            if len(lived) % TRAINED_EVERY == 0 or len(lived) == options.incidents:
                print(_train(learnt), file=sys.stderr)
        trained = _ruling(learnt)
        compared: list[tuple[Recovery, Recovery]] = []
        for fault in _draw(random, options.pairs):
            sides = random.sample([(learnt, "learnt"), (written, "written")], 2)
            pair = {order: _recover(layout, where, fault, order) for where, order in sides}
            compared.append((pair["learnt"], pair["written"]))
    finally:
        rig.down(layout.folder, keep=options.keep)
    text, wins = report(lived, compared, trained, options.seed)
    print(text)
    if options.report:
        options.report.write_text(text + "\n")
    return 0 if wins else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--incidents", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--keep", action="store_true", help="keep the rig's folder with its journals")
    return parser.parse_args()


def _draw(random: Random, count: int) -> list[Fault]:
    """Each fault as often as the others, in random order."""
    names = [SHARING[number % len(SHARING)] for number in range(count)]
    return [_shared(fault_named(name)) for name in random.sample(names, count)]


def _shared(fault: Fault) -> Fault:
    """The fault as this experiment's: what does not help costs time, and that is what is measured."""
    return fault.model_copy(update={"policies": (NAME,), "forbidden": (), "limit_s": LIMIT_S})


def _workspace(layout: Layout, name: str) -> Path:
    folder, policies = layout.folder / name, layout.folder / f"{name}-policies"
    policies.mkdir()
    for path in (shipped("policies") / "rig" / "signals.yaml", shipped("policies") / "rig" / "actions.yaml", POLICY):
        shutil.copy(path, policies)
    folder.mkdir()
    make_workspace(layout, folder, policies, RIG.effector)
    with (folder / FILE_NAME).open("a") as settings:
        settings.write(LEARNING)
    return folder


def _recover(layout: Layout, folder: Path, fault: Fault, order: str) -> Recovery:
    result = run_in_workspace(layout, fault, folder, RIG, _all_closed(folder))
    print(order, result, file=sys.stderr, flush=True)
    return Recovery(order, fault.name, _clean_s(result), result.actions)


def _clean_s(result: DrillResult) -> float:
    """What was not recovered took at least until the limit."""
    return LIMIT_S if result.clean_after_s is None else result.clean_after_s


def _all_closed(folder: Path) -> Callable[[], bool]:
    """An agent that is stopped with an incident open would go on with it beside the next fault."""
    journal_file = load_settings(folder / FILE_NAME).journal

    def all_closed() -> bool:
        with closing(SqliteJournal(journal_file, read_only=True)) as journal:
            incidents = [fold([record.entry for record in journal.read(name)]) for name in journal.incidents()]
        return bool(incidents) and all(incident.closed_at is not None for incident in incidents)

    return all_closed


def _train(folder: Path) -> str:
    """Train by the command; the gate decides."""
    time.sleep(5.0)  # the last incident's label is mature after the recurrence window
    return _homeostat(str(folder / FILE_NAME), "retrain", NAME, "--promote")


def _ruling(folder: Path) -> str:
    """What the ranking that rules has to say."""
    settings = folder / FILE_NAME
    with closing(SqliteJournal(load_settings(settings).journal, read_only=True)) as journal:
        ruling = promotions_of(journal, NAME).ruling
    if ruling is None:
        raise SystemExit("the gate let no ranking rule")
    return _homeostat(str(settings), "rankings", "show", NAME)


def _homeostat(settings: str, *words: str) -> str:
    program = "from homeostat.cli import main; main()"
    arguments = [sys.executable, "-c", program, "-c", settings, *words]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=600)
    if ran.returncode:
        raise SystemExit(f"homeostat {' '.join(words)} failed: {ran.stdout}{ran.stderr}")
    return ran.stdout


def report(
    lived: Sequence[Recovery], compared: Sequence[tuple[Recovery, Recovery]], trained: str, seed: int
) -> tuple[str, bool]:
    """Markdown, and whether the learnt order's gain lies above zero with its whole interval."""
    lines = ["| fault | pairs | written s | learnt s | first learnt action |", "|---|---|---|---|---|"]
    for fault in SHARING:
        pairs = [pair for pair in compared if pair[0].fault == fault]
        firsts = sorted({learnt.actions[0] if learnt.actions else "-" for learnt, _ in pairs})
        written_s, learnt_s = (mean(pair[side].clean_s for pair in pairs) for side in (1, 0))
        lines.append(f"| {fault} | {len(pairs)} | {written_s:.1f} | {learnt_s:.1f} | {', '.join(firsts)} |")
    gains = {
        fault: [written.clean_s - learnt.clean_s for learnt, written in compared if learnt.fault == fault]
        for fault in SHARING
    }
    low, high = interval(list(gains.values()), seed)
    gain = mean(value for values in gains.values() for value in values)
    written_s, learnt_s = (mean(pair[side].clean_s for pair in compared) for side in (1, 0))
    head = (
        f"After {len(lived)} incidents: users were served well again after {learnt_s:.1f} s by "
        f"the learnt order and {written_s:.1f} s by the written one; gain {gain:.1f} s, 95% interval "
        f"{low:.1f} to {high:.1f}."
    )
    return "\n".join([head, "", *lines, "", "```text", trained.strip(), "```"]), low > 0


def interval(groups: Sequence[Sequence[float]], seed: int) -> tuple[float, float]:
    """95% interval of the mean, resampled within each group (Efron and Tibshirani 1993, ch. 8): seconds."""

    def overall(*samples: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(np.concatenate(samples, axis=axis).mean(axis=axis))

    found = bootstrap(
        [np.asarray(group) for group in groups], overall, method="percentile", rng=seed
    ).confidence_interval
    return float(found.low), float(found.high)


if __name__ == "__main__":
    sys.exit(main())
