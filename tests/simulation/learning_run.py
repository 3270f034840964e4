"""An agent over the sandbox plant that begins with an empty history and a badly written order, and learns.

The loop, `step`, the journal, the executor, the sensor over HTTP, the scheduled retraining and the gate are the
production ones. Time is virtual, so a training takes none of it: `InVirtualTime` waits for the worker, and its result
arrives at the next tick, whatever the machine is doing. That makes a run a function of its seed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from homeostat.app.retraining import BackgroundRetrainer, TrainingHere
from homeostat.decide.projection import fold
from homeostat.model import entries as e
from homeostat.model.errors import JournalError
from homeostat.model.incident import Incident
from homeostat.model.policy import Choose, Policy
from homeostat.model.ports import Journal, Retrainer
from homeostat.model.reasons import Result
from homeostat.model.signals import Snapshot
from homeostat.model.streams import policy_stream
from homeostat.policy.load import load_policy_sources
from homeostat.simulate.world import World, sandbox

ROOT = Path(__file__).parents[2]
NAME = "payments-5xx.homeostat.yaml"
NODE = "remedy"
BAD_ORDER = ("degraded_mode", "config_rollback", "bigger_pool", "auth_restart", "restart", "rollback", "shift")
"""From the worst to the best: by how seldom each helps over the plant's mix of faults, then by how long it takes."""
TELLING = ("auth_up", "db_pool_used", "deploy_age", "restarts_5m", "standby_room")
TRAINING_S_MAX = 300.0


def badly_ordered() -> Policy:
    """The shipped payments policy as somebody wrote it who knew what may help, and nothing of when.

    Its remedies, the bigger pool among them, stand in one `choose` in `BAD_ORDER`, without their conditions. What may
    tell the faults apart is left to be learnt from: the signals that those conditions read.
    """
    folder = ROOT / "policies"
    written: dict[str, Any] = yaml.safe_load((folder / NAME).read_text())
    (recover,) = written["steps"]
    pool, remedy = recover["try"]
    candidates = {candidate["id"]: candidate for candidate in (pool, *remedy["choose"])}
    remedy["choose"] = [{k: v for k, v in candidates.pop(name).items() if k != "if"} for name in BAD_ORDER]
    assert not candidates
    written["steps"] = [remedy | {"verify": recover["verify"]}]
    written["learning"] = {"signals": list(TELLING)}
    sources = {name: (folder / name).read_text() for name in ("signals.yaml", "actions.yaml")}
    return load_policy_sources({NAME: yaml.safe_dump(written, sort_keys=False), **sources}, NAME)


class InVirtualTime:
    """Implements `model.ports.Retrainer` over one that trains on a thread, and lets no virtual time pass meanwhile."""

    def __init__(self, inner: Retrainer) -> None:
        self._inner = inner

    def collect(self, now: float) -> Mapping[str, Sequence[e.Entry]]:
        before = set(threading.enumerate())
        trained = self._inner.collect(now)
        for thread in set(threading.enumerate()) - before:
            if thread.name == "retrainer":
                thread.join(TRAINING_S_MAX)
                assert not thread.is_alive(), "the training does not end"
        return trained

    def settled(self, policy: str, error: JournalError | None) -> None:
        self._inner.settled(policy, error)


class Failures:
    """An observer that keeps what went wrong."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        del now, snapshot, open_incidents

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        del stream, entries

    def failed(self, what: str, error: Exception) -> None:
        self.failures.append(f"{what}: {error!r}")


@dataclass(frozen=True, slots=True)
class Outage:
    """What one fault led to. An incident that came back belongs to the outage it came back from.

    Attributes:
        fault: its name. seconds: from the first opening to the last closing.
        first: the first candidate that was picked; None where nothing was.
        ranked: a learnt order ruled that pick.
        attempts: how many actions were taken, over all its incidents.
    """

    fault: str
    seconds: float
    first: str | None
    ranked: bool
    attempts: int
    incidents: int
    escalated: bool


def live(seed: int, outages: int, interval_s: float, recurrence_s: float, journal: Journal) -> list[Outage]:
    """Let faults strike until `outages` of them were confirmed and dealt with.

    Args:
        interval_s: of the scheduled retraining.
        recurrence_s: after this long without coming back an incident may be learnt from.
        journal: empty; everything learnt is in it afterwards.
    """
    policy, observer, lived = badly_ordered(), Failures(), list[Outage]()
    policies = {policy.name: policy}
    training = TrainingHere(journal, recurrence_s=recurrence_s, promote=True)
    trains = BackgroundRetrainer(training, lambda: policies, observer, interval_s=interval_s, recurrence_s=recurrence_s)
    with sandbox(policies, journal, observer, seed, InVirtualTime(trains)) as world:
        world.start("test")
        while len(lived) < outages:
            outage = _strike(world, journal)
            lived += [outage] if outage else []
        assert max(world.actuator.effects.values()) == 1
    assert not observer.failures, observer.failures
    return lived


def _strike(world: World, journal: Journal) -> Outage | None:
    fault, known = world.draw(), len(journal.incidents())
    world.strike(fault)
    entries = [[record.entry for record in journal.read(stream)] for stream in journal.incidents()[known:]]
    met = [(incident, part) for part in entries if (incident := fold(part)).result is not Result.DISMISSED]
    if not met:
        return None
    return _outage(fault.NAME, [incident for incident, _ in met], [entry for _, part in met for entry in part])


def _outage(fault: str, incidents: Sequence[Incident], entries: Sequence[e.Entry]) -> Outage:
    picks = [entry for entry in entries if isinstance(entry, e.Decided) and entry.node == NODE]
    closed = [incident.closed_at for incident in incidents if incident.closed_at is not None]
    assert len(closed) == len(incidents)
    return Outage(
        fault,
        seconds=max(closed) - min(incident.opened_at for incident in incidents),
        first=picks[0].chosen if picks else None,
        ranked=bool(picks) and picks[0].ranking_version is not None,
        attempts=sum(1 for incident in incidents for _ in incident.every_attempt()),
        incidents=len(incidents),
        escalated=any(incident.result is Result.ESCALATED for incident in incidents),
    )


def trainings(journal: Journal, policy: str) -> list[e.RankingTrained]:
    """Every ranking that was trained, oldest first, with what the gate said of it."""
    entries = (record.entry for record in journal.read(policy_stream(policy)))
    return [entry for entry in entries if isinstance(entry, e.RankingTrained)]


def promotions(journal: Journal, policy: str) -> list[e.RankingPromoted]:
    """Every promotion, oldest first."""
    entries = (record.entry for record in journal.read(policy_stream(policy)))
    return [entry for entry in entries if isinstance(entry, e.RankingPromoted)]


def choose_node(policy: Policy) -> Choose:
    """The node whose order is learnt."""
    (node,) = [node for node in policy.nodes() if isinstance(node, Choose)]
    return node
