"""Bounded disk: folders of actions whose outcome has long been in the journal are removed, once a day."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from homeostat.act.jobs import prune
from homeostat.model import entries as e
from homeostat.model.errors import HomeostatError
from homeostat.model.ports import Journal, Observer
from homeostat.model.signals import Snapshot

INTERVAL_S = 86_400.0
KEPT_S = 7 * 86_400.0
"""People may look at an action's files for this long."""
LOOK_BACK_S = 30 * 86_400.0


class Housekeeping:
    """Implements `model.ports.Observer`: cleans up after a tick when a day has passed, first at the first tick."""

    def __init__(self, state: Path, journal: Journal, observer: Observer) -> None:
        self._state = state
        self._journal = journal
        self._observer = observer
        self._due_at = 0.0

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """Clean up if it is due; a failure is told and waits for the next day."""
        del snapshot, open_incidents
        if now < self._due_at:
            return
        self._due_at = now + INTERVAL_S
        try:
            ended = self._journal.since(now - LOOK_BACK_S, [e.ActionEnded.TYPE])
            keys = [record.entry.key for record in ended if isinstance(record.entry, e.ActionEnded)]
            prune(self._state, keys, now=now, older_than_s=KEPT_S)
        except (HomeostatError, OSError) as error:
            self._observer.failed("housekeeping", error)

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """See `model.ports.Observer`."""

    def failed(self, what: str, error: Exception) -> None:
        """See `model.ports.Observer`."""
