"""What the agent tells about itself: structured logs and Prometheus metrics, both made from what was journalled."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from homeostat.act.isolated import Load
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


class MetricsObserver:
    """Keeps the agent's own Prometheus metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ticks = Counter("homeostat_ticks", "Turns of the loop.", registry=registry)
        self._last_tick = Gauge("homeostat_last_tick_timestamp_seconds", "When the last tick ended.", registry=registry)
        self._sampled = Gauge(
            "homeostat_last_good_read_timestamp_seconds", "Last readable snapshot.", registry=registry
        )
        self._open = Gauge("homeostat_open_incidents", "Incidents that are not closed.", registry=registry)
        self._unknown = Gauge(
            "homeostat_unknown_signals", "Signals without a value in the last read.", registry=registry
        )
        self._entries = Counter("homeostat_journal_entries", "Entries made durable.", ["type"], registry=registry)
        self._closed = Counter("homeostat_incidents_closed", "Closed incidents.", ["result"], registry=registry)
        self._escalated = Counter("homeostat_incidents_escalated", "Handed to people.", ["reason"], registry=registry)
        self._verdicts = Counter("homeostat_attempts", "Attempts by verdict.", ["verdict"], registry=registry)
        self._withheld = Counter("homeostat_withheld", "Non-actions by reason.", ["reason"], registry=registry)
        self._failed = Counter("homeostat_failures", "Errors the loop survived.", ["disposition"], registry=registry)

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """Count a tick."""
        self._ticks.inc()
        self._last_tick.set(now)
        self._open.set(open_incidents)
        self._unknown.set(sum(reading.value is None for reading in snapshot.readings.values()))
        if snapshot.error is None:
            self._sampled.set(snapshot.at)

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """Count entries by what they say."""
        del stream
        for entry in entries:
            self._entries.labels(entry.TYPE).inc()
            match entry:
                case e.Escalated():
                    self._escalated.labels(entry.reason).inc()
                case e.Closed():
                    self._closed.labels(entry.result).inc()
                case e.AttemptEnded():
                    self._verdicts.labels(entry.verdict).inc()
                case e.DecisionWithheld(reason=reason) if reason is not None:
                    self._withheld.labels(reason).inc()

    def failed(self, what: str, error: Exception) -> None:
        """Count a failure by who can do something about it."""
        del what
        disposition = error.disposition if isinstance(error, HomeostatError) else "programmer"
        self._failed.labels(str(disposition)).inc()


class ActuatorMetrics(Collector):
    """How the actuators with a thread of their own are doing, asked whenever the metrics are read."""

    def __init__(self, loads: Callable[[], Mapping[str, Load]]) -> None:
        self._loads = loads

    def collect(self) -> Iterator[Metric]:
        """Give each metric with one sample an actuator."""
        waiting = GaugeMetricFamily("homeostat_actuator_waiting", "Calls in its queue.", labels=["actuator"])
        busy = GaugeMetricFamily("homeostat_actuator_busy_seconds", "Age of its present call.", labels=["actuator"])
        away = CounterMetricFamily("homeostat_actuator_turned_away", "Refused, its queue full.", labels=["actuator"])
        for name, load in self._loads().items():
            waiting.add_metric([name], load.waiting)
            busy.add_metric([name], load.busy_s)
            away.add_metric([name], load.turned_away)
        yield from (waiting, busy, away)
