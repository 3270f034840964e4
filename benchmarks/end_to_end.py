"""From an empty history to a learnt order: an agent in the embedded plant, its plan badly written on purpose.

The loop, the journal, the sensor over HTTP, the scheduled retraining and the gate are the production ones; only time is
virtual. Faults strike one after another, some ten a day, and every four days a ranking is trained, so that the first 50
are mostly what the written order recovered. Mean time to recovery of the last 50 outages beside that of the first 50,
and beside all that the written order ruled; how often the first attempt is the last; and for each fault what is picked
first in the end, and how often that was enough.

    python -m benchmarks.end_to_end [--seeds N ...] [--outages N] [--interval SECONDS]
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from statistics import mean

from tests.simulation.learning_run import NODE, Outage, badly_ordered, live, promotions, trainings

from homeostat.learn.promotion import promotions_of
from homeostat.model.ports import Journal
from homeostat.record.memory import MemoryJournal

PART = 50
HEADINGS = (
    *("seed", "outages", "written order, min", "first 50, min", "last 50, min", "last / first", "last / written order"),
    *("one attempt, first 50", "last 50", "trained", "promoted", "rolled back"),
)
RECURRENCE_S = 1800.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="*", type=int, default=(1, 2, 3))
    parser.add_argument("--outages", type=int, default=300)
    parser.add_argument("--interval", type=float, default=345_600.0, help="between trainings, virtual seconds")
    asked = parser.parse_args()
    print(f"| {' | '.join(HEADINGS)} |\n{'|---' * len(HEADINGS)}|")
    lived: list[Outage] = []
    for seed in asked.seeds:
        journal = MemoryJournal()
        outages = live(seed, asked.outages, asked.interval, RECURRENCE_S, journal)
        print(_row(seed, outages, journal), flush=True)
        lived += outages[-PART:]
    print(f"\nfirst picks at '{NODE}' in the last {PART} of each seed:")
    for fault in sorted({outage.fault for outage in lived}):
        own = [outage for outage in lived if outage.fault == fault]
        told = ", ".join(f"{pick} {times}" for pick, times in Counter(outage.first for outage in own).most_common())
        print(f"  {fault:<14} {told} (enough in {mean(outage.attempts == 1 for outage in own):.0%})")
    return 0


def _row(seed: int, outages: Sequence[Outage], journal: Journal) -> str:
    first, last = outages[:PART], outages[-PART:]
    written = _minutes([outage for outage in outages if not outage.ranked])
    policy = badly_ordered().name
    counts = (len(trainings(journal, policy)), len(promotions(journal, policy)))
    taken_back = len(promotions_of(journal, policy).taken_back)
    minutes = (f"{each:.1f}" for each in (written, _minutes(first), _minutes(last)))
    ratios = (f"{_minutes(last) / each:.2f}" for each in (_minutes(first), written))
    once = (f"{mean(outage.attempts == 1 for outage in part):.0%}" for part in (first, last))
    return "| " + " | ".join(map(str, (seed, len(outages), *minutes, *ratios, *once, *counts, taken_back))) + " |"


def _minutes(outages: Sequence[Outage]) -> float:
    return mean(outage.seconds for outage in outages) / 60


if __name__ == "__main__":
    raise SystemExit(main())
