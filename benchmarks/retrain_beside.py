"""Milliseconds of a tick while nothing else runs, while a child process trains, and while a thread of the agent does.

The agent watches fifty quiet policies; the training reads a journal of thousands of incidents, made of the shipped
history over and over. Cases take turns, so that other work on the machine disturbs all of them alike.

    python -m benchmarks.retrain_beside [--copies 60] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from homeostat.app.recordings import journal_of_recordings
from homeostat.app.retraining import Trained, Training, TrainingHere
from homeostat.app.settings import Settings
from homeostat.app.training_process import TrainingApart
from homeostat.loop import Loop, Outside
from homeostat.model import entries as e
from homeostat.model.commands import Command, NeverStarted, Report
from homeostat.model.policy import Policy
from homeostat.model.ports import Batch
from homeostat.model.signals import Reading, SignalSpec, Snapshot
from homeostat.model.streams import policy_stream
from homeostat.policy.load import load_policy, load_policy_sources
from homeostat.record.codec import Codec
from homeostat.record.memory import MemoryJournal
from homeostat.record.sqlite import SqliteJournal

ROOT = Path(__file__).parents[1]
POLICIES = 50
PAUSE_S = 0.02
ALONE_S = 20.0
"""How long ticks are timed while nothing trains."""
QUIET = """\
policy: p{number}
owner: bench
signals: {{errors: up, rps: up}}
actions: {{restart: {{actuator: command, argv: [run], effect: safe}}}}
trigger: {{if: errors > 5, for: 10s}}
resolved: {{if: errors < 1 and rps > 1, for: 10s, within: 1m}}
escalate: {{to: oncall}}
steps:
- {{do: restart, target: svc/a, timeout: 1m, verify: {{if: errors < 1, for: 5s, within: 1m}}}}
"""


class Quiet:
    """Clock, sensor, executor and observer of an agent in whose world nothing is wrong."""

    def now(self) -> float:
        return time.time()

    def wait(self, seconds: float) -> bool:
        time.sleep(seconds)
        return False

    def read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        values = {"errors": 0.0, "rps": 9.0}
        return Snapshot(now, {key: Reading(values[spec.name], now) for key, spec in specs.items()})

    def carry_out(self, command: Command) -> None: ...

    def report(self, key: str, actuator: str) -> Report:
        del key, actuator
        return NeverStarted()

    def reaches_anywhere(self, actuator: str) -> bool:
        del actuator
        return False

    def artifact(self, key: str, actuator: str) -> bytes | None:
        del key, actuator
        return None

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None: ...

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None: ...

    def failed(self, what: str, error: Exception) -> None:
        raise AssertionError(what) from error


def history(settings: Settings, policy: Policy, copies: int) -> int:
    """Fill the journal with the shipped history, so many times over; give the number of attempts."""
    recorded, codec, attempts = journal_of_recordings(ROOT / "history"), Codec(), 0
    with closing(SqliteJournal(settings.journal)) as journal:
        loaded = e.PolicyLoaded(at=1.0, policy=policy.name, policy_hash=policy.hash, sources=policy.sources)
        journal.append([Batch(policy_stream(policy.name), None, [loaded])])
        for copy in range(copies):
            for incident in recorded.incidents():
                name, entries = f"{incident}-{copy}", []
                for record in recorded.read(incident):
                    one = codec.encode(record.entry)
                    moved = codec.decode(one.type, one.v, one.body.replace(incident.encode(), name.encode()))
                    entries.append(replace(moved, at=moved.at + 1e7 * copy))
                    attempts += isinstance(moved, e.ActionIntended)
                journal.append([Batch(name, 0, entries)])
    return attempts


def ticks_ms(loop: Loop, goes_on: Callable[[], bool]) -> list[float]:
    """Time ticks as long as something goes on."""
    spent: list[float] = []
    while goes_on():
        began = time.perf_counter()
        loop.tick()
        spent.append(1000 * (time.perf_counter() - began))
        time.sleep(PAUSE_S)
    return spent


def beside(loop: Loop, training: Training, policy: Policy, now: float) -> tuple[list[float], float]:
    """Ticks while a training runs, and its seconds."""
    trained: list[Trained] = []
    worker = threading.Thread(target=lambda: trained.append(training({policy.name: policy}, now)))
    began = time.perf_counter()
    worker.start()
    spent = ticks_ms(loop, worker.is_alive)
    if trained[0].failures:
        raise SystemExit(f"the training failed: {trained[0].failures}")
    return spent, time.perf_counter() - began


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    policy = load_policy(ROOT / "policies/payments-5xx.homeostat.yaml")
    quiet = Quiet()
    texts = {f"p{number}": QUIET.format(number=number) for number in range(POLICIES)}
    watched = {
        name: load_policy_sources({f"{name}.homeostat.yaml": text}, f"{name}.homeostat.yaml")
        for name, text in texts.items()
    }
    loop = Loop(Outside(quiet, quiet, quiet, MemoryJournal(), quiet), watched, "bench", 1)
    loop.recover("bench")
    spent: dict[str, list[float]] = {"alone": [], "child": [], "thread": []}
    took: dict[str, list[float]] = {"child": [], "thread": []}
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(root=Path(folder))
        settings.state.mkdir()
        attempts = history(settings, policy, options.copies)
        now = 1e7 * (options.copies + 1) + quiet.now()
        with closing(SqliteJournal(settings.journal, read_only=True)) as journal:
            trainings: dict[str, Training] = {
                "child": TrainingApart(settings),
                "thread": TrainingHere(journal, recurrence_s=1800.0, promote=True),
            }
            for _ in range(options.rounds):
                until = time.perf_counter() + ALONE_S
                spent["alone"] += ticks_ms(loop, lambda until=until: time.perf_counter() < until)  # type: ignore[misc] # mypy cannot infer a lambda's default
                for name, training in trainings.items():
                    ticks, seconds = beside(loop, training, policy, now)
                    spent[name] += ticks
                    took[name].append(seconds)
    print(f"{attempts} attempts in the journal, {POLICIES} policies watched\n")
    print("training   ticks   p50 ms   p99 ms   p99 of alone   training s")
    alone = _p99(spent["alone"])
    for name, ticks in spent.items():
        took_s = f"{statistics.mean(took[name]):.1f}" if name in took else "-"
        p99 = _p99(ticks)
        print(f"{name:9} {len(ticks):6} {statistics.median(ticks):8.2f} {p99:8.2f} {p99 / alone:14.2f} {took_s:>12}")


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


if __name__ == "__main__":
    main()
