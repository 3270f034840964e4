"""What the agent tells about itself: who is told, and the structured logs. The metrics are in `metrics`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import structlog

from homeostat.model import entries as e
from homeostat.model.errors import HomeostatError
from homeostat.model.ports import Observer
from homeostat.model.signals import Snapshot

_FAILURES_KEPT = 256
"""So many different failures are told once each; after that they are told anew."""


class Observers:
    """Tells several observers; one that fails silences neither the others nor the loop."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """See `model.ports.Observer`."""
        self._each(lambda observer: observer.ticked(now, snapshot, open_incidents))

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """See `model.ports.Observer`."""
        self._each(lambda observer: observer.appended(stream, entries))

    def failed(self, what: str, error: Exception) -> None:
        """See `model.ports.Observer`."""
        self._each(lambda observer: observer.failed(what, error))

    def _each(self, tell: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            with contextlib.suppress(Exception):  # a log or metric must never stop a recovery, nor can it be logged
                tell(observer)


class LogObserver:
    """Writes one structured line per journal entry that a person would want to see at 3 a.m."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("homeostat")
        self._source_error: str | None = None
        self._failures: dict[str, str] = {}

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """Log a source that goes away or comes back, once each."""
        del now
        if snapshot.error != self._source_error:
            if snapshot.error is not None:
                self._log.error("telemetry.lost", error=snapshot.error, open_incidents=open_incidents)
            else:
                self._log.info("telemetry.back", open_incidents=open_incidents)
            self._source_error = snapshot.error

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """Log entries; snapshots are many and in the journal anyway."""
        for entry in entries:
            if not isinstance(entry, (e.Observed, e.ConditionChanged)):
                level = self._log.critical if isinstance(entry, (e.Escalated, e.ApprovalRequested)) else self._log.info
                level(entry.TYPE, stream=stream, **_facts(entry))

    def failed(self, what: str, error: Exception) -> None:
        """Log a failure when it is new; a loop repeats itself."""
        message = f"{type(error).__name__}: {error}"
        if self._failures.get(what) != message:
            if len(self._failures) >= _FAILURES_KEPT:
                self._failures.clear()
            self._failures[what] = message
            disposition = error.disposition if isinstance(error, HomeostatError) else None
            self._log.error("failed", what=what, error=message, disposition=disposition)


def _facts(entry: e.Entry) -> dict[str, object]:
    """The fields worth a log line: short ones. Output of actions stays in the journal."""
    match entry:
        case e.Decided():
            return {"node": entry.node, "kind": entry.kind, "chosen": entry.chosen, "ranking": entry.ranking_version}
        case e.ActionIntended():
            return {"key": entry.key, "action": entry.action, "target": entry.target, "number": entry.number}
        case e.ActionEnded():
            facts = {"key": entry.key, "status": entry.status, "duration_s": entry.duration_s, "detail": entry.detail}
            return {**facts, "exit_code": entry.exit_code}
        case e.RankingTrained():
            return {"version": entry.ranking.version, "attempts": entry.ranking.attempts, "gate": entry.gate}
        case e.PolicyLoaded():
            return {"policy": entry.policy, "policy_hash": entry.policy_hash, "environment": entry.environment}
        case e.GuardsLoaded():
            return {"hash": entry.hash}
        case _:
            names = [name for name in entry.__struct_fields__ if name not in ("at", "seed")]
            return {name: getattr(entry, name) for name in names}
