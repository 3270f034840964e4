"""Days of virtual time with hundreds of incidents, everything that can go wrong going wrong; in minutes.

Twice the same run: once the agent is killed again and again, once it never is, so that its memory shows what it keeps.
The journal is in SQLite on disk. Exit code 1 where anything was done twice or left open, the journal is broken, the
memory of the second half is above that of the first by more than `--growth`, or the same seed gives another journal.

    python -m benchmarks.long_run [--hours H] [--faults N] [--seed N] [--growth SHARE] [--again]
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from tests.simulation.long_run import Failures, Run, results

from homeostat.record.export import export_journal
from homeostat.record.sqlite import SqliteJournal

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_mib() -> float:
    """What of this process is in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / 2**20


def growth(samples: list[float]) -> float:
    """By what share the median of the second half is above that of the first; the first tenth is warming up."""
    steady = samples[len(samples) // 10 :]
    half = len(steady) // 2
    return median(steady[half:]) / median(steady[:half]) - 1.0


def digest(journal: SqliteJournal) -> str:
    sha = hashlib.sha256()
    for line in export_journal(journal):
        sha.update(line.encode())
    return sha.hexdigest()


def measure(arguments: argparse.Namespace, *, dies: bool) -> tuple[bool, str]:
    """Live through a run; give whether all is well, and the digest of its journal."""
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as folder, closing(SqliteJournal(Path(folder) / "journal.sqlite")) as journal:
        began = time.perf_counter()
        failures = Failures()
        run = Run(
            arguments.seed,
            arguments.hours,
            arguments.faults,
            journal,
            dies=dies,
            sample=lambda: memory.append(resident_mib()),
            observer=failures,
        ).live()
        took_s = time.perf_counter() - began
        ended, sha = results(journal), digest(journal)
        records = journal.position()
    hazards, grown = run.hazards, growth(memory)
    print(f"{'killed again and again' if dies else 'never killed'}: {took_s:.0f} s for {run.ticks} ticks")
    print(f"  incidents {ended.total()}: " + ", ".join(f"{count} {result}" for result, count in ended.most_common()))
    print(f"  records {records}, chain verified; sha256 of the journal {sha[:16]}")
    print(
        f"  agent killed {hazards.deaths} times, {hazards.reboots} of them with its host; {run.lives} lives,"
        f" {run.reloads} reloads of policies; {hazards.refused} appends refused, {hazards.answers_lost} answers lost"
    )
    print(f"  effects {run.world.effects.total()}, at most {max(run.world.effects.values())} under one key")
    print(f"  memory {median(memory):.1f} MiB, second half against first {grown:+.1%}")
    print(f"  wrong: {len(run.wrongs)}")
    for wrong in run.wrongs[:20]:
        print(f"    {wrong}")
    return not run.wrongs and (dies or grown <= arguments.growth), sha


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=72.0)
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--growth", type=float, default=0.05)
    parser.add_argument("--again", action="store_true", help="a third time: the same seed must give the same journal")
    arguments = parser.parse_args()
    well, sha = measure(arguments, dies=True)
    steady, _ = measure(arguments, dies=False)
    same = True
    if arguments.again:
        _, other = measure(arguments, dies=True)
        same = sha == other
        print(f"the same seed gives {'the same' if same else 'ANOTHER'} journal")
    return 0 if well and steady and same else 1


if __name__ == "__main__":
    sys.exit(main())
