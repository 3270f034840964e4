"""What stands now, as Prometheus metrics: open incidents, waiting approvals, leases, space on the disk."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from homeostat.loop import Loop
from homeostat.model import entries as e
from homeostat.model.ports import Leases
from homeostat.model.reasons import Reason
from homeostat.model.signals import Snapshot


@dataclass(frozen=True, slots=True)
class _Standing:
    """What one tick left behind."""

    phases: Counter[tuple[str, str]] = field(default_factory=Counter)
    asked_at: tuple[float, ...] = ()
    leases: int = 0


class StateMetrics(Collector):
    """Implements `model.ports.Observer`: looks after each tick, on the loop's thread; `collect` tells what it saw.

    Args:
        loop: gives the loop, which is made after its observers.
        leases: where several agents share the journal.
        state: the state folder.
        now: Unix seconds.
        trained_at: when a training last succeeded; at first, when the agent began.
    """

    def __init__(
        self,
        loop: Callable[[], Loop],
        leases: Leases | None,
        state: Path,
        now: Callable[[], float],
        trained_at: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._leases = leases
        self._state = state
        self._now = now
        self._trained_at = trained_at
        self._standing = _Standing()

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """Look at what stands."""
        del now, snapshot, open_incidents
        incidents = self._loop().incidents
        asked_at = tuple(
            withheld.since
            for incident in incidents
            for withheld in incident.withheld.values()
            if withheld.reason is Reason.APPROVAL_PENDING
        )
        phases = Counter((incident.policy, str(incident.phase)) for incident in incidents)
        self._standing = _Standing(phases, asked_at, len(self._leases.held()) if self._leases else 0)

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """See `model.ports.Observer`."""

    def failed(self, what: str, error: Exception) -> None:
        """See `model.ports.Observer`."""

    def collect(self) -> Iterator[Metric]:
        """Give the last tick's figures, and what can be asked at any time."""
        standing = self._standing
        phases = GaugeMetricFamily(
            "homeostat_incidents_in_phase", "Open incidents by policy and phase.", labels=["policy", "phase"]
        )
        for (policy, phase), count in standing.phases.items():
            phases.add_metric([policy, phase], count)
        yield phases
        oldest_s = max((self._now() - at for at in standing.asked_at), default=0.0)
        yield _gauge("homeostat_approvals_waiting", "Steps that wait for a person's approval.", len(standing.asked_at))
        yield _gauge("homeostat_approval_oldest_age_seconds", "How long the oldest has been waiting.", oldest_s)
        yield _gauge("homeostat_leases_held", "Streams that this agent alone answers for.", standing.leases)
        yield _gauge(
            "homeostat_retrain_last_success_timestamp_seconds",
            "When a training last succeeded; before the first, when the agent began.",
            self._trained_at(),
        )
        with suppress(OSError):  # no figure is better than a wrong one
            disk = shutil.disk_usage(self._state)
            yield _gauge("homeostat_state_free_bytes", "Free space under the state folder.", disk.free)
            yield _gauge("homeostat_state_size_bytes", "Size of the disk under the state folder.", disk.total)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def actuator_of(loop: Loop, stream: str, key: str) -> str | None:
    """Which actuator runs an action that was intended in an open incident; None where that is no longer known."""
    incident = next((incident for incident in loop.incidents if incident.id == stream), None)
    policy = loop.policies.get(incident.policy) if incident else None
    if incident is None or policy is None:
        return None
    actuators = {leaf.action.name: leaf.action.actuator for leaf in (*policy.leaves.values(), *policy.undos.values())}
    attempts = (attempt for tried in incident.attempts.values() for attempt in tried)
    return next((actuators.get(attempt.action) for attempt in attempts if attempt.key == key), None)
