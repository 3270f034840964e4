"""Everything the loop touches that is not pure."""

from __future__ import annotations

from dataclasses import dataclass

from homeostat.model.ports import (
    Alerts,
    Clock,
    Executor,
    Inbox,
    Journal,
    LateOutcomes,
    Leases,
    Notifier,
    Observer,
    Retrainer,
    Sensor,
)


@dataclass(frozen=True, slots=True)
class Outside:
    """The ports, as `model/ports.py` describes them.

    Attributes:
        alerts: what others say is wrong; without them nobody says so.
        leases, late_outcomes: where several agents share the journal; without them this agent answers for everything.
    """

    clock: Clock
    sensor: Sensor
    executor: Executor
    journal: Journal
    observer: Observer
    retrainer: Retrainer | None = None
    inbox: Inbox | None = None
    leases: Leases | None = None
    late_outcomes: LateOutcomes | None = None
    alerts: Alerts | None = None
    notifier: Notifier | None = None
