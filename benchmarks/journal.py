"""The journal beside raw appends and other durable-execution engines, paired on one disk in one run.

The unit is a step: one committed intent and one committed outcome. Raw appends the bytes of both to a file, with an
fdatasync each. All ways take timed rounds in turns, so that a busy disk slows all of them alike; a ratio is the median
of the rounds' ratios. What the others record in a step is told in `peer_dbos.py` and `peer_prefect.py`; none of them
writes an intent before the effect. They are installed into `.venv-peers` from `requirements/peers.lock`.

Then a journal of 100,000 closed and 1,000 open incidents is verified as `audit verify` does, and started on: the best
of three each, with the CPU time it took. These are seconds, not ratios, and so of an idle machine only; the load that
there was is printed.

    python -m benchmarks.journal [--quick] [--folder DIR] [--no-peers]

Exit code 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.journal_ways import Bare, Ours, Raw, Way
from benchmarks.large_journal import Large
from benchmarks.peers import ROOT, Peer, install
from tests.postgres_cluster import Cluster

from homeostat.record.postgres import PostgresJournal
from homeostat.record.sqlite import SqliteJournal
from homeostat.rig.layout import postgres_programs

TOGETHER = 8
BARE = "bare SQLite, one table without an index"
RAW, SQLITE, EIGHT = "raw append + fdatasync, twice", "homeostat, SQLite", "homeostat, SQLite, eight incidents at once"
DBOS_SQLITE, DBOS_STEPS = "DBOS, SQLite, a workflow of one step", "DBOS, SQLite, a step of one long workflow"
POSTGRES, DBOS_POSTGRES = "homeostat, PostgreSQL", "DBOS, PostgreSQL, a workflow of one step"
DBOS_POSTGRES_STEPS = "DBOS, PostgreSQL, a step of one long workflow"
EIGHT_POSTGRES = "homeostat, PostgreSQL, eight incidents at once"
PREFECT = "Prefect, SQLite, a flow of one task"
LEASE_S = 3600.0
"""Nobody else wants the incidents; without an agent's loop nothing renews their leases."""


@dataclass(frozen=True)
class Rounds:
    """How much is measured: rounds after one to warm up, and steps a round by how long a step takes."""

    rounds: int
    steps: int
    steps_of_engines: int
    steps_of_prefect: int


QUICK, FULL = Rounds(7, 40, 10, 1), Rounds(25, 80, 40, 2)


@dataclass(frozen=True)
class Goal:
    """One promise, and what came of it."""

    what: str
    measured: float
    wanted: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted

    def row(self) -> str:
        bound = "at most" if self.at_most else "at least"
        return f"| {self.what} | {self.measured:,.2f} | {bound} {self.wanted:,g} | {'met' if self.met else 'MISSED'} |"


@dataclass
class Entrant:
    """A way with its steps a round, and the seconds a step of each measured round."""

    way: Way
    steps: int
    seconds: list[float]

    def take(self) -> float:
        """One round; a peer times itself, so that the line protocol costs it nothing."""
        began = time.perf_counter()
        self.way.steps(self.steps)
        taken = self.way.seconds if isinstance(self.way, Peer) else time.perf_counter() - began
        return taken / self.steps


class Field:
    """All ways on one disk, taken apart at the end."""

    def __init__(self, folder: Path, measured: Rounds, opened: ExitStack) -> None:
        self._folder = folder
        self._opened = opened
        self._measured = measured
        self.entrants: dict[str, Entrant] = {}

    def add(self, name: str, make: Callable[[Path], Way], steps: int) -> None:
        folder = self._folder / f"way{len(self.entrants)}"
        folder.mkdir()
        way = make(folder)
        self._opened.callback(way.close)
        self.entrants[name] = Entrant(way, steps, [])

    def run(self) -> None:
        """Every way in every round; each round begins with another one."""
        names = list(self.entrants)
        for number in range(self._measured.rounds + 1):
            place = number % len(names)
            for name in names[place:] + names[:place]:
                seconds = self.entrants[name].take()
                if number > 0:  # the first warms up caches, connections and plans
                    self.entrants[name].seconds.append(seconds)

    def ratio(self, faster: str, slower: str) -> float:
        """How many times as many steps a second the first takes: the median over rounds."""
        pairs = zip(self.entrants[faster].seconds, self.entrants[slower].seconds, strict=True)
        return statistics.median(other / own for own, other in pairs)

    def rows(self) -> list[str]:
        rows = ["| way | ms a step: median (spread) | steps a second, times raw |", "|---|---:|---:|"]
        for name, entrant in self.entrants.items():
            ms = [seconds * 1000 for seconds in entrant.seconds]
            spread = f"{statistics.median(ms):.3f} ({min(ms):.3f}..{max(ms):.3f})"
            rows.append(f"| {name} | {spread} | {self.ratio(name, RAW):.3f} |")
        return rows


def compare(folder: Path, measured: Rounds, *, with_peers: bool) -> list[Goal]:
    """Measure every way; print the table, give the goals."""
    with ExitStack() as opened:
        field = Field(folder, measured, opened)
        field.add(RAW, Raw, measured.steps)
        field.add(BARE, Bare, measured.steps)
        field.add(SQLITE, lambda own: Ours(SqliteJournal(own / "journal.sqlite"), 1, "one"), measured.steps)
        field.add(EIGHT, lambda own: Ours(SqliteJournal(own / "journal.sqlite"), TOGETHER, "many"), measured.steps)
        python = install(ROOT / ".venv-peers") if with_peers else None
        cluster = private_cluster(folder, opened)
        if cluster is not None:
            add_postgres(field, cluster, measured, python)
        if python is not None:
            add_peers(field, python, measured)
        field.run()
        print("\n".join(field.rows()), flush=True)
        goals = [
            Goal("SQLite, times raw", field.ratio(SQLITE, RAW), 0.85),
            Goal("SQLite, eight incidents at once, times one", field.ratio(EIGHT, SQLITE), 3.0),
        ]
        if python is not None:
            goals.append(Goal("SQLite, times DBOS on SQLite", field.ratio(SQLITE, DBOS_SQLITE), 2.5))
        if python is not None and cluster is not None:
            goals.append(Goal("PostgreSQL, times DBOS on PostgreSQL", field.ratio(POSTGRES, DBOS_POSTGRES), 1.2))
        return goals


def private_cluster(folder: Path, opened: ExitStack) -> Cluster | None:
    """A server on the disk that is measured, fsync on; None where PostgreSQL is not installed."""
    if postgres_programs() is None:
        print("without PostgreSQL: no server on this machine; on Debian: apt-get install postgresql", file=sys.stderr)
        return None
    folder.chmod(0o711)  # the server's own user must get through
    cluster = Cluster.create(parent=folder)
    opened.callback(cluster.remove)
    return cluster


def add_postgres(field: Field, cluster: Cluster, measured: Rounds, python: Path | None) -> None:
    for name, together in ((POSTGRES, 1), (EIGHT_POSTGRES, TOGETHER)):

        def ours(_: Path, together: int = together) -> Ours:
            journal = PostgresJournal(cluster.database(), agent="benchmark", spool="benchmark", lease_ttl_s=LEASE_S)
            return Ours(journal, together, f"of-{together}")

        field.add(name, ours, measured.steps)
    if python is not None:
        for name, what in ((DBOS_POSTGRES, "workflows"), (DBOS_POSTGRES_STEPS, "steps")):
            field.add(name, peer_dbos(python, lambda _: cluster.empty_database(), what), measured.steps_of_engines)


def peer_dbos(python: Path, url: Callable[[Path], str], what: str) -> Callable[[Path], Peer]:
    return lambda own: Peer(python, "peer_dbos.py", own, url(own), what)


def add_peers(field: Field, python: Path, measured: Rounds) -> None:
    for name, what in ((DBOS_SQLITE, "workflows"), (DBOS_STEPS, "steps")):
        field.add(name, peer_dbos(python, lambda own: f"sqlite:///{own}/dbos.sqlite", what), measured.steps_of_engines)
    field.add(PREFECT, lambda own: Peer(python, "peer_prefect.py", own), measured.steps_of_prefect)


def large(folder: Path) -> list[Goal]:
    """Verify and start on a large journal."""
    journal = Large(folder)
    print(f"\nA journal of {journal.closed:,} closed and {journal.open:,} open incidents: {journal.records:,} records")
    verified, recovered, started = journal.verified(), journal.recovered(), journal.started()
    rows_a_second = journal.records / verified.wall_s
    return [
        Goal(f"`audit verify`, rows a second ({verified.cpu_s:.1f} s of CPU)", rows_a_second, 300_000.0),
        Goal(f"the loop's recovery, s ({recovered.cpu_s:.2f} s of CPU)", recovered.wall_s, 2.0, at_most=True),
        Goal(f"a process until it is ready, s ({started.cpu_s:.2f} s of CPU)", started.wall_s, 2.0, at_most=True),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--folder", type=Path, default=ROOT, help="a folder on the disk to measure")
    parser.add_argument("--no-peers", action="store_true", help="without DBOS and Prefect")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=arguments.folder) as directory:
        goals = compare(Path(directory), QUICK if arguments.quick else FULL, with_peers=not arguments.no_peers)
        goals += large(Path(directory))
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[1]:.1f} over the last five minutes")
    print("\n| goal | measured | wanted | |\n|---|---:|---:|---|")
    for goal in goals:
        print(goal.row())
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
