"""One workflow through the real loop, executor, `command` actuator and clock, and what its processes say of it."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.workflows import Workflow

from homeostat.act.bell import Bell
from homeostat.act.command import CommandActuator
from homeostat.act.context import ActuatorContext
from homeostat.act.executor import Executor
from homeostat.app.clock import SystemClock
from homeostat.loop import Loop, Outside
from homeostat.model import entries as e
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal
from homeostat.model.reasons import Phase
from homeostat.model.signals import Reading, SignalSpec, Snapshot

PATIENCE_S = 600.0
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class TasksLeft:
    """Implements `model.ports.Sensor`: how many tasks have not yet noted their end."""

    def __init__(self, log: Path, total: int) -> None:
        self._log = log.open("rb")
        self.left = total

    def read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        """Read what is new in the tasks' notes."""
        self.left -= self._log.read().count(b" end ")
        return Snapshot(now, {key: Reading(float(self.left), now) for key in specs})

    def close(self) -> None:
        self._log.close()


@dataclass
class Seen:
    """Implements `model.ports.Observer`: keeps what was journalled and what failed."""

    entries: list[e.Entry] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """Nothing to do."""

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """Keep the entries of all streams."""
        del stream
        self.entries += entries

    def failed(self, what: str, error: Exception) -> None:
        """Keep the sentence."""
        self.failures.append(f"{what}: {error}")


@dataclass(frozen=True)
class Run:
    """What came of it.

    Attributes:
        starts, ends: Unix seconds by task, as the processes themselves noted them.
        confirmed_at: when the plan began. closed_s: from there until the loop was through.
        phase: of the incident at the end.
        loop_cpu_s, children_cpu_s: CPU time of the agent's process, and of all it started that has ended.
    """

    starts: Mapping[str, float]
    ends: Mapping[str, float]
    confirmed_at: float
    closed_s: float
    phase: Phase
    entries: Sequence[e.Entry]
    failures: Sequence[str]
    ticks: int
    tick_s_max: float
    loop_cpu_s: float
    children_cpu_s: float

    @property
    def makespan_s(self) -> float:
        """From the plan's beginning to the last end that a process noted."""
        return max(self.ends.values()) - self.confirmed_at

    def violations(self, workflow: Workflow) -> list[str]:
        """Every task that began before one it needs had ended, by the processes' own word."""
        return [
            f"{task} began {self.ends.get(need, float('inf')) - began:.6f} s before {need} ended"
            for task, began in self.starts.items()
            for need in workflow.needs.get(task, ())
            if need not in self.ends or began < self.ends[need]
        ]


def run(
    policy: Policy, workflow: Workflow, folder: Path, log: Path, journal: Journal, poll_interval_s: float = 1.0
) -> Run:
    """Carry the workflow out until its incident is over or with people and nothing runs any more."""
    log.touch()
    clock, seen = SystemClock(), Seen()
    sensor = TasksLeft(log, len(workflow.runtimes_s))
    executor = Executor({"command": CommandActuator(ActuatorContext(folder, ENVIRONMENT))}, seen.failed)
    loop = Loop(Outside(clock, sensor, executor, journal, seen), {policy.name: policy}, "benchmark", seed=1)
    own, children = _cpu_s(resource.RUSAGE_SELF), _cpu_s(resource.RUSAGE_CHILDREN)
    loop.recover("benchmark")
    began, ticks, tick_s_max = time.monotonic(), 0, 0.0
    with Bell(folder) as bell:
        clock.listen_to(bell)
        while time.monotonic() - began < PATIENCE_S:
            tick_began = time.monotonic()
            loop.tick()
            tick_s = time.monotonic() - tick_began
            ticks, tick_s_max = ticks + 1, max(tick_s_max, tick_s)
            incidents = loop.incidents
            if any(isinstance(entry, e.Closed) for entry in seen.entries) or (
                incidents and incidents[0].phase is Phase.ESCALATED and not incidents[0].open_attempts()
            ):
                break
            clock.wait(poll_interval_s - tick_s)
    sensor.close()
    confirmed_at = next(entry.at for entry in seen.entries if isinstance(entry, e.Confirmed))
    notes = [line.split() for line in log.read_text().splitlines()]
    return Run(
        starts={task: float(at) for task, what, at in notes if what == "start"},
        ends={task: float(at) for task, what, at in notes if what == "end"},
        confirmed_at=confirmed_at,
        closed_s=clock.now() - confirmed_at,
        phase=incidents[0].phase if (incidents := loop.incidents) else Phase.CLOSED,
        entries=seen.entries,
        failures=seen.failures,
        ticks=ticks,
        tick_s_max=tick_s_max,
        loop_cpu_s=_cpu_s(resource.RUSAGE_SELF) - own,
        children_cpu_s=_cpu_s(resource.RUSAGE_CHILDREN) - children,
    )


def _cpu_s(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime
