"""Make `history/season.jsonl.gz` anew: an agent that learns, in a plant that changes half-way.

    python tools/make_season.py [--incidents N] [--seed N] [--out FILE]

The sandbox plant under the shipped policy, as in `make_history.py`, with retraining every two days and its gate. From
two thirds on the standby site's health check fails, so that `traffic.shift` hardly ever works. On some days an exporter
is down. On day 20 a person takes the learnt order back. The same seed gives the same file with the same libraries on
the same kind of machine; elsewhere fits may differ in their last digits.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from make_history import Alarm

from homeostat.learn.retrain import current_ranking, retrain
from homeostat.model.entries import Entry, RankingRolledBack
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal
from homeostat.policy.load import load_policy
from homeostat.record.export import export_journal
from homeostat.record.memory import MemoryJournal
from homeostat.simulate.sandbox.remedies import REMEDIES
from homeostat.simulate.sandbox.store import SampleStore
from homeostat.simulate.world import RETENTION_S, START, sandbox
from homeostat.version import __version__

ROOT = Path(__file__).parents[1]
DAY_S = 86_400.0
SHIFT_FAILS_SHARE = 0.9
RETRAIN_INTERVAL_S = 2 * DAY_S
POLL_INTERVAL_S = 30.0
"""Half as often as by default: snapshots are most of the file."""
ROLLED_BACK_DAY = 20.0
ROLL_BACK = {
    "actor": "payments-sre",
    "why": "the standby site has refused traffic since the 16th, and shift still leads",
}
GAPS: tuple[tuple[str, float, float], ...] = (
    ("standby_capacity_ratio", 5.0, 9.5),
    ("auth_requests_total", 12.0, 13.0),
    ("up", 12.0, 13.0),
    ("payments_deploy_timestamp_seconds", 20.0, 21.5),
    ("payments_restarts_total", 20.0, 21.5),
)
"""Metric, and the days from and until which its exporter is down, counted from the start."""


class StoreWithGaps(SampleStore):
    """Takes in no samples of an exporter that is down."""

    def append(self, metric: str, labels: Mapping[str, str], at: float, value: float) -> None:
        """See `SampleStore.append`."""
        day = (at - START) / DAY_S
        if not any(name == metric and first <= day < last for name, first, last in GAPS):
            super().append(metric, labels, at, value)


class RetrainerInTurn:
    """Implements `model.ports.Retrainer` on the loop's own thread: in virtual time nothing waits, and all repeats.

    What the person decides goes the same way into the journal.
    """

    def __init__(self, journal: Journal, policy: Policy) -> None:
        self._journal = journal
        self._policy = policy
        self._due_at: float | None = None
        self._rolled_back = False

    def collect(self, now: float) -> Mapping[str, Sequence[Entry]]:
        """See `model.ports.Retrainer`."""
        if self._due_at is None:
            self._due_at = now + RETRAIN_INTERVAL_S
        ruling = current_ranking(self._journal, self._policy.name)
        if ruling is not None and now >= START + ROLLED_BACK_DAY * DAY_S and not self._rolled_back:
            self._rolled_back = True
            return {self._policy.name: [RankingRolledBack(at=now, version=ruling.version, to=None, **ROLL_BACK)]}
        if now < self._due_at:
            return {}
        self._due_at = now + RETRAIN_INTERVAL_S
        entries = retrain(self._journal, self._policy, now, actor="schedule").entries
        return {self._policy.name: entries} if entries else {}


def break_shift() -> None:
    """Let the standby site's health check fail nearly always from here on."""
    REMEDIES["traffic.shift"] = replace(REMEDIES["traffic.shift"], fails_share=SHIFT_FAILS_SHARE)


def main() -> None:
    """Write the season."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--incidents", type=int, default=240)
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--out", type=Path, default=ROOT / "history/season.jsonl.gz")
    options = parser.parse_args()
    policy = load_policy(ROOT / "policies/payments-5xx.homeostat.yaml")
    journal = MemoryJournal()
    store = StoreWithGaps(retention_s=RETENTION_S)
    retrainer = RetrainerInTurn(journal, policy)
    with sandbox(
        {policy.name: policy}, journal, Alarm(), options.seed, retrainer, store=store, poll_interval_s=POLL_INTERVAL_S
    ) as world:
        world.start(__version__)
        while len(journal.incidents()) < options.incidents:
            if 3 * len(journal.incidents()) >= 2 * options.incidents:
                break_shift()
            world.strike(world.draw())
    with options.out.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        for line in export_journal(journal):
            file.write(line.encode() + b"\n")


if __name__ == "__main__":
    main()
