"""The agent's own Prometheus metrics, made from what was journalled. docs/operations/observability.md lists them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from homeostat.act.isolated import Load
from homeostat.model import entries as e
from homeostat.model.errors import Disposition, HomeostatError, JournalConflict, JournalError
from homeostat.model.ports import Batch, Journal
from homeostat.model.reasons import AttemptVerdict, EscalationReason, OutcomeStatus, Reason, Result
from homeostat.model.signals import Snapshot
from homeostat.version import __version__

UNKNOWN_ACTUATOR = "unknown"
"""Of an action whose policy is no longer here."""

_TICK_BUCKETS_S = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_APPEND_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)


class MetricsObserver:
    """Implements `model.ports.Observer`: counts what became durable.

    Every label's values are an enumeration of the code, or names of the workspace. Those of enumerations stand at 0
    from the start: a counter that appears with its first increment hides that one from `increase`.

    Args:
        registry: takes the metrics.
        now: the clock of the loop, in Unix seconds.
        actuator_of: which actuator runs the action of a key, in the incident of a stream; None if nobody knows.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        now: Callable[[], float],
        actuator_of: Callable[[str, str], str | None] = lambda stream, key: None,  # noqa: ARG005 - named for callers
    ) -> None:
        self._now = now
        self._actuator_of = actuator_of
        build = Gauge("homeostat_build_info", "1, labelled with the version that runs.", ["version"], registry=registry)
        build.labels(__version__).set(1)
        self._ticks = Counter("homeostat_ticks", "Turns of the loop.", registry=registry)
        self._tick_s = Histogram(
            "homeostat_tick_duration_seconds", "How long a tick took.", registry=registry, buckets=_TICK_BUCKETS_S
        )
        self._last_tick = Gauge("homeostat_last_tick_timestamp_seconds", "When the last tick began.", registry=registry)
        self._sampled = Gauge(
            "homeostat_last_good_read_timestamp_seconds", "Last readable snapshot.", registry=registry
        )
        self._unread = Counter("homeostat_sensor_errors", "Ticks whose read failed as a whole.", registry=registry)
        self._open = Gauge("homeostat_open_incidents", "Incidents that are not closed.", registry=registry)
        self._unknown = Gauge(
            "homeostat_unknown_signals", "Signals without a value in the last read.", registry=registry
        )
        self._entries = Counter("homeostat_journal_entries", "Entries made durable.", ["type"], registry=registry)
        self._closed = _counter(registry, "homeostat_incidents_closed", "Closed incidents.", "result", Result)
        self._escalated = _counter(
            registry, "homeostat_incidents_escalated", "Handed to people.", "reason", EscalationReason
        )
        self._decided = Counter("homeostat_decisions", "Decisions by kind of node.", ["kind"], registry=registry)
        self._actions = Counter(
            "homeostat_actions", "Ended actions by outcome.", ["actuator", "status"], registry=registry
        )
        self._verdicts = _counter(registry, "homeostat_attempts", "Attempts by verdict.", "verdict", AttemptVerdict)
        self._withheld = _counter(registry, "homeostat_withheld", "Non-actions by reason.", "reason", Reason)
        self._rankings = Counter(
            "homeostat_ranking_changes", "Rankings promoted or rolled back.", ["change"], registry=registry
        )
        for change in ("promoted", "rolled_back"):
            self._rankings.labels(change)
        self._retrain = Counter("homeostat_retrain_failures", "Failed trainings of a policy.", registry=registry)
        self._failed = _counter(registry, "homeostat_failures", "Errors the loop survived.", "disposition", Disposition)

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        """Count a tick."""
        self._ticks.inc()
        self._tick_s.observe(max(0.0, self._now() - now))
        self._last_tick.set(now)
        self._open.set(open_incidents)
        self._unknown.set(sum(reading.value is None for reading in snapshot.readings.values()))
        if snapshot.error is None:
            self._sampled.set(snapshot.at)
        else:
            self._unread.inc()

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        """Count entries by what they say."""
        for entry in entries:
            self._entries.labels(entry.TYPE).inc()
            match entry:
                case e.Escalated():
                    self._escalated.labels(entry.reason).inc()
                case e.Closed():
                    self._closed.labels(entry.result).inc()
                case e.Decided():
                    self._decided.labels(entry.kind).inc()
                case e.ActionEnded():
                    self._count_action(self._actuator_of(stream, entry.key) or UNKNOWN_ACTUATOR, entry.status)
                case e.AttemptEnded():
                    self._verdicts.labels(entry.verdict).inc()
                case e.DecisionWithheld(reason=reason) if reason is not None:
                    self._withheld.labels(reason).inc()
                case e.RankingPromoted():
                    self._rankings.labels("promoted").inc()
                case e.RankingRolledBack():
                    self._rankings.labels("rolled_back").inc()

    def failed(self, what: str, error: Exception) -> None:
        """Count a failure by who can do something about it."""
        disposition = error.disposition if isinstance(error, HomeostatError) else "programmer"
        self._failed.labels(str(disposition)).inc()
        if what.startswith("retraining of "):
            self._retrain.inc()

    def _count_action(self, actuator: str, ended: OutcomeStatus) -> None:
        for status in OutcomeStatus:
            self._actions.labels(actuator, status).inc(status is ended)


def _counter(registry: CollectorRegistry, name: str, what: str, label: str, values: Iterable[StrEnum | str]) -> Counter:
    counter = Counter(name, what, [label], registry=registry)
    for value in values:
        counter.labels(str(value))
    return counter


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


class MeasuredJournal:
    """Implements `model.ports.Journal` by another one, and measures its appends.

    Args:
        journal: does the work.
        registry: takes the metrics.
        timer: seconds on a clock that nobody sets.
    """

    def __init__(
        self, journal: Journal, registry: CollectorRegistry, timer: Callable[[], float] = time.perf_counter
    ) -> None:
        self._timer = timer
        self._append = journal.append
        self._append_s = Histogram(
            "homeostat_journal_append_duration_seconds",
            "How long a durable append took.",
            registry=registry,
            buckets=_APPEND_BUCKETS_S,
        )
        self._failures = Counter(
            "homeostat_journal_append_failures", "Appends of which nobody knows that they hold.", registry=registry
        )
        self.position, self.after, self.read = journal.position, journal.after, journal.read
        self.head_seq, self.open_incidents, self.incidents = journal.head_seq, journal.open_incidents, journal.incidents
        self.since, self.keep, self.verify, self.close = journal.since, journal.keep, journal.verify, journal.close

    def append(self, batches: Sequence[Batch], *, seen: int | None = None) -> int:
        """See `model.ports.Journal`. That another agent was first is no failure."""
        started_at = self._timer()
        try:
            position = self._append(batches, seen=seen)
        except JournalConflict:
            raise
        except JournalError:
            self._failures.inc()
            raise
        self._append_s.observe(self._timer() - started_at)
        return position
