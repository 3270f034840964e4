"""A large journal, verified and started on: 100,000 incidents of the year before now, and 1,000 that are open.

All are copies of simulated incidents of a shipped policy, with ids, keys and times of their own and correctly chained.
Closed ones have their decisions, actions and verdicts, without the snapshots in between; open ones have everything of
their first minutes, with an action in flight.
"""

from __future__ import annotations

import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from benchmarks.peers import ROOT
from benchmarks.workflow_run import Seen

from homeostat.act.executor import Executor
from homeostat.app.clock import SystemClock
from homeostat.loop import Loop, Outside
from homeostat.model import entries as e
from homeostat.model.policy import Policy
from homeostat.model.signals import Snapshot
from homeostat.policy.load import load_policy
from homeostat.record.chain import GENESIS, chained
from homeostat.record.codec import CODEC, EncodedEntry
from homeostat.record.sqlite import SqliteJournal
from homeostat.simulate.bench.course import Course
from homeostat.simulate.bench.stage import BEGIN
from homeostat.simulate.bench.trial import course_of
from homeostat.simulate.bench.world import load_world

POLICY = "payments-5xx"
CLOSED, OPEN = 100_000, 1_000
YEAR_S = 365 * 86400.0
OPEN_RECORDS = 30
LONG_AGO_S = 600.0
REPEATS = 3
SETTINGS = """
[prometheus]
url = "http://127.0.0.1:9"
[agent]
listen = "127.0.0.1:0"
"""
_UNIX_SECONDS = re.compile(r"(?<=[:,\[])1[67]\d{8}\.\d+")
_RECORD = "INSERT INTO journal (stream, seq, type, v, at, action_key, code_version, body, body_sha, prev_hash, hash)"
_RECORD += " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INCIDENT = "INSERT INTO incident (stream, policy, policy_hash, dedup_key, opened_at, closed_at, head_seq, head_hash)"
_INCIDENT += " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class Cost:
    """Seconds on the wall, and of CPU in this process and the ones it started."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Template:
    """An incident's entries as text between their times, to be filled in."""

    incident: str
    encoded: Sequence[EncodedEntry]
    policy_hash: str

    def copy(self, number: int, begin: float) -> tuple[str, list[EncodedEntry]]:
        """The incident again, under another id and dedup key, from `begin` (Unix seconds) on."""
        name = f"{self.incident[:24]}{number:012d}"
        return name, [self._moved(encoded, name, number, begin - BEGIN) for encoded in self.encoded]

    def _moved(self, encoded: EncodedEntry, name: str, number: int, by_s: float) -> EncodedEntry:
        text = encoded.body.decode().replace(self.incident, name)
        text = text.replace(f'"dedup_key":"{POLICY}"', f'"dedup_key":"{POLICY}/{number}"')
        body = _UNIX_SECONDS.sub(lambda found: repr(float(found[0]) + by_s), text).encode()
        key = None if encoded.action_key is None else encoded.action_key.replace(self.incident, name)
        return encoded._replace(at=encoded.at + by_s, action_key=key, body=body)


class Large:
    """The journal in a workspace of its own.

    Attributes:
        records: how many it has.
    """

    def __init__(self, folder: Path) -> None:
        self.closed, self.open = CLOSED, OPEN
        self._folder = folder
        shutil.copytree(ROOT / "policies", folder / "policies", ignore=shutil.ignore_patterns("scenarios", "*.world.*"))
        (folder / "homeostat.toml").write_text(
            '[prometheus]\nurl = "http://127.0.0.1:9"\n[agent]\nlisten = "127.0.0.1:0"\n'
        )
        (folder / "state").mkdir(mode=0o700)
        self._path = folder / "state/journal.sqlite"
        self.records = self._build()

    @cached_property
    def _policy(self) -> Policy:
        return load_policy(self._folder / f"policies/{POLICY}.homeostat.yaml")

    def _build(self) -> int:
        """Insert every record; the triggers, indexes and sequence of the schema hold as always."""
        with closing(SqliteJournal(self._path)):
            pass  # makes the schema
        closed, begun = self._template(CLOSED), self._template(OPEN)
        now = time.time()
        with closing(sqlite3.connect(self._path)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            for number in range(CLOSED + OPEN):
                is_open = number >= CLOSED
                begin = now - LONG_AGO_S if is_open else now - YEAR_S * (1.0 - number / (CLOSED + OPEN))
                _insert(connection, begun if is_open else closed, number, begin, is_open=is_open)
            connection.commit()
            (records,) = connection.execute("SELECT count(*) FROM journal").fetchone()
        return int(records)

    def _template(self, which: int) -> Template:
        world = load_world(ROOT / f"policies/{POLICY}.world.yaml", [self._policy])
        courses = (course_of(self._policy, world, number, 1) for number in range(1, 50))
        course = next(course for course in courses if _suits(course, which))
        incident, entries = next(iter(course.streams().items()))
        if which == OPEN:
            entries = entries[:OPEN_RECORDS]
        else:
            entries = [entry for entry in entries if not isinstance(entry, e.Observed | e.ConditionChanged)]
        encoded = [CODEC.encode(entry) for entry in entries]
        return Template(incident, encoded, self._policy.hash)

    def verified(self) -> Cost:
        """What `verify`, which must find nothing, costs."""
        with closing(SqliteJournal(self._path, read_only=True)) as journal:
            return _best([_cost(partial(_sound, journal)) for _ in range(REPEATS)])

    def recovered(self) -> Cost:
        """What it costs until a new loop stands on the journal."""
        seen = Seen()
        costs = []
        for _ in range(REPEATS):
            with closing(SqliteJournal(self._path)) as journal:
                outside = Outside(SystemClock(), _NoSensor(), Executor({}, seen.failed), journal, seen)
                loop = Loop(outside, {POLICY: self._policy}, "benchmark", seed=1)
                costs.append(_cost(partial(loop.recover, "benchmark")))
                if len(loop.incidents) != OPEN or seen.failures:
                    raise RuntimeError(f"{len(loop.incidents)} incidents are open; {seen.failures[:3]}")
        return _best(costs)

    def started(self) -> Cost:
        """What it costs from the start of `homeostat run` until it says that it is ready."""
        return _best([_cost(self._start) for _ in range(REPEATS)])

    def _start(self) -> None:
        command = [str(Path(sys.executable).with_name("homeostat")), "run", "--mode", "observe", "--log-format", "json"]
        with subprocess.Popen(command, cwd=self._folder, stderr=subprocess.PIPE, text=True) as agent:
            assert agent.stderr is not None
            said = []
            for line in agent.stderr:
                said.append(line)
                if "agent.ready" in line:
                    agent.kill()
                    return
        raise RuntimeError(f"the agent did not start: {''.join(said)[-500:]}")


class _NoSensor:
    """Implements `model.ports.Sensor` for a loop that never ticks."""

    def read(self, specs: object, now: float) -> Snapshot:
        """Nothing can be read."""
        del specs
        return Snapshot(now, error="there is no sensor")


def _suits(course: Course, which: int) -> bool:
    """Whether a simulated incident is long enough to be left open, or was cured by one action."""
    entries = list(course.of_incidents())
    actions = sum(isinstance(entry, e.ActionIntended) for entry in entries)
    if which == OPEN:
        return len(entries) > OPEN_RECORDS
    return actions == 1 and isinstance(entries[-1], e.Closed)


def _insert(connection: sqlite3.Connection, template: Template, number: int, begin: float, *, is_open: bool) -> None:
    name, entries = template.copy(number, begin)
    rows = list(chained(name, 0, GENESIS, entries, "benchmark"))
    connection.executemany(_RECORD, [(*row[:7], row.body.decode(), *row[8:]) for row in rows])
    closed_at = None if is_open else rows[-1].at
    head = (rows[-1].seq, rows[-1].hash)
    identity = (name, POLICY, template.policy_hash, f"{POLICY}/{number}", rows[0].at, closed_at)
    connection.execute(_INCIDENT, (*identity, *head))


def _sound(journal: SqliteJournal) -> None:
    if faults := journal.verify():
        raise RuntimeError(f"the journal is not sound: {faults[:3]}")


def _cost(call: Callable[[], object]) -> Cost:
    began, cpu_s = time.perf_counter(), _cpu_s()
    call()
    return Cost(time.perf_counter() - began, _cpu_s() - cpu_s)


def _best(costs: Sequence[Cost]) -> Cost:
    """The quickest: what others do on the machine only ever adds."""
    return min(costs, key=lambda cost: cost.wall_s)


def _cpu_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
