"""The agent's metrics say what was journalled, keep to Prometheus' conventions, and have bounded labels."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from homeostat.app.metrics import MeasuredJournal, MetricsObserver
from homeostat.model import entries as e
from homeostat.model.errors import JournalConflict, JournalError, SensorError
from homeostat.model.ports import Batch
from homeostat.model.reasons import EscalationReason, OutcomeStatus, Reason
from homeostat.model.signals import Snapshot
from homeostat.record.memory import MemoryJournal


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_every_label_of_an_enumeration_stands_at_nought_from_the_start(registry: CollectorRegistry) -> None:
    MetricsObserver(registry, lambda: 0.0)
    for reason in Reason:
        assert value(registry, "homeostat_withheld_total", reason=reason) == 0.0
    for why in EscalationReason:
        assert value(registry, "homeostat_incidents_escalated_total", reason=why) == 0.0


def test_a_tick_is_measured_and_an_unreadable_source_is_counted_and_not_taken_for_a_read(
    registry: CollectorRegistry,
) -> None:
    observer = MetricsObserver(registry, lambda: 103.0)
    observer.ticked(100.0, Snapshot(at=99.0, readings={}), 2)
    observer.ticked(102.0, Snapshot(at=102.0, readings={}, error="connection refused"), 2)
    assert value(registry, "homeostat_ticks_total") == 2.0
    assert value(registry, "homeostat_tick_duration_seconds_sum") == 4.0
    assert value(registry, "homeostat_last_good_read_timestamp_seconds") == 99.0
    assert value(registry, "homeostat_sensor_errors_total") == 1.0


def test_an_action_is_counted_with_its_actuator_and_one_that_nobody_knows_by_a_word_of_its_own(
    registry: CollectorRegistry,
) -> None:
    observer = MetricsObserver(
        registry, lambda: 0.0, lambda stream, key: "http" if (stream, key) == ("i", "k") else None
    )
    failed = e.ActionEnded(at=1.0, key="k", status=OutcomeStatus.ERROR, duration_s=1.0)
    observer.appended("i", [failed])
    observer.appended("j", [failed])
    assert value(registry, "homeostat_actions_total", actuator="http", status="error") == 1.0
    assert value(registry, "homeostat_actions_total", actuator="http", status="ok") == 0.0
    assert value(registry, "homeostat_actions_total", actuator="unknown", status="error") == 1.0


def test_failed_trainings_and_changed_rankings_are_counted(registry: CollectorRegistry) -> None:
    observer = MetricsObserver(registry, lambda: 0.0)
    observer.failed("retraining of shop", SensorError("away"))
    observer.failed("sensor", SensorError("away"))
    observer.appended("policy/shop", [e.RankingRolledBack(at=1.0, version="2", to=None, actor="gate", why="worse")])
    assert value(registry, "homeostat_retrain_failures_total") == 1.0
    assert value(registry, "homeostat_ranking_changes_total", change="rolled_back") == 1.0
    assert value(registry, "homeostat_ranking_changes_total", change="promoted") == 0.0


class _Failing(MemoryJournal):
    error: JournalError | None = None

    def append(self, batches: Sequence[Batch], *, seen: int | None = None) -> int:
        if self.error is not None:
            raise self.error
        return super().append(batches, seen=seen)


def test_an_append_is_measured_a_failed_one_counted_and_a_lost_race_is_neither(registry: CollectorRegistry) -> None:
    journal = _Failing()
    times = iter([1.0, 1.5, 2.0, 3.0])
    measured = MeasuredJournal(journal, registry, lambda: next(times))
    batch = [Batch("agent", 0, [e.Resumed(at=1.0, policy="", by="ann", answer="a")])]
    measured.append(batch)
    assert measured.head_seq("agent") == 1
    journal.error = JournalConflict("others were first")
    with pytest.raises(JournalConflict):
        measured.append(batch)
    journal.error = JournalError("disk full")
    with pytest.raises(JournalError):
        measured.append(batch)
    assert value(registry, "homeostat_journal_append_duration_seconds_sum") == 0.5
    assert value(registry, "homeostat_journal_append_duration_seconds_count") == 1.0
    assert value(registry, "homeostat_journal_append_failures_total") == 1.0
