"""`make chaos`: hurt agents, server and network in every way, and count effects by an independent witness.

    python -m tests.chaos [--seed N] [--only TEXT] [--report FILE]

Needs PostgreSQL and Prometheus (`make live-tools`); as root it moves into a network namespace of its own first, and
plays the scenarios that cut links. Exits with 1 when a promise is broken. What was seen in a scenario is kept beside
the report, in a folder of its name.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.field import Field
from tests.chaos.hosts import missing_for_namespaces
from tests.chaos.naive import count_naive_duplicates
from tests.chaos.plans import make_plans
from tests.chaos.report import Played, render
from tests.chaos.scenarios import SCENARIOS, Scenario
from tests.chaos.stage import POLL_INTERVAL_S, Stage, store_settings
from tests.chaos.store import Store
from tests.chaos.watcher import Watcher

_INSIDE = "--inside-namespace"


def main() -> int:
    arguments = _arguments()
    missing = missing_for_namespaces()
    if missing is None and not arguments.inside_namespace:
        os.execvp("unshare", ["unshare", "--net", sys.executable, "-m", "tests.chaos", *sys.argv[1:], _INSIDE])
    if arguments.inside_namespace:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=10)
    chosen = [one for one in SCENARIOS if arguments.only in one.name]
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        with Store.create(anywhere=missing is None) as store:
            theatre = Theatre(store, root, arguments.seed, missing, arguments.report.with_suffix(""))
            played = [theatre.play(one) for one in chosen]
            naive = count_naive_duplicates(root / "naive")
            report = render(played, naive, arguments.seed, store.version)
    print(report)
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(report)
    return int(naive == 0 or any(one.findings.broken for one in played))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", metavar="TEXT", help="play the scenarios whose names hold TEXT")
    parser.add_argument("--report", type=Path, default=Path("build/chaos.md"))
    parser.add_argument(_INSIDE, action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


@dataclass(frozen=True, slots=True)
class Theatre:
    """Plays scenarios, one after the other.

    Attributes:
        root: for everything that is gone afterwards. evidence: for what stays, one folder a scenario.
        missing: why there are no namespaces; None: there are.
    """

    store: Store
    root: Path
    seed: int
    missing: str | None
    evidence: Path

    def play(self, scenario: Scenario) -> Played:
        """Play one to its end, and hold it to every promise, also when it breaks off."""
        if scenario.isolated and self.missing is not None:
            return Played(scenario.name, skipped=self.missing)
        print(f"{scenario.name} ...", file=sys.stderr, flush=True)
        played = Played(scenario.name)
        began = time.monotonic()
        try:
            self._play(scenario, played)
        except Exception as error:  # noqa: BLE001 - one scenario that breaks off must not hold up the others
            traceback.print_exc()
            played.findings.broken.append(f"the scenario broke off: {str(error).splitlines()[0]}")
        played.seconds = time.monotonic() - began
        return played

    def _play(self, scenario: Scenario, played: Played) -> None:
        number = SCENARIOS.index(scenario) + 1
        database = self.store.create_database()
        with self._field(scenario, number, database) as field, Watcher(self.store.local_url(database)) as watcher:
            stage = Stage(field, watcher, self.store, database, self.seed)
            played.faults = stage.faults
            try:
                scenario.play(stage)
            finally:
                self.store.start()
                played.findings = stage.judge(self.evidence / str(number))

    def _field(self, scenario: Scenario, number: int, database: str) -> Field:
        return Field(
            self.root / str(number),
            make_plans(scenario.policies),
            agents=scenario.agents,
            store=lambda host: self.store.url(host, database),
            isolated=self.missing is None,
            poll_interval_s=POLL_INTERVAL_S,
            settings=store_settings(self.root),
        )


if __name__ == "__main__":
    sys.exit(main())
