"""What stands is told of a real loop: phases, approvals that wait and their age, actuators, the disk."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry
from tests.unit.loop.test_loop_people import PeopleRig

from homeostat.app.state_metrics import StateMetrics, actuator_of
from homeostat.model.answers import AnswerKind
from homeostat.model.policy import Mode
from homeostat.model.signals import Snapshot


def test_an_approval_waits_with_its_age_until_it_is_given_and_its_action_is_known_by_its_actuator(
    tmp_path: Path,
) -> None:
    rig, registry = PeopleRig(Mode.APPROVE), CollectorRegistry()
    told = StateMetrics(lambda: rig.loop, None, tmp_path, rig.clock.now, lambda: 5.0)
    registry.register(told)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    def look(ticks: int) -> None:
        rig.ticks(ticks)
        told.ticked(rig.clock.now(), Snapshot(at=0.0, readings={}), 0)

    look(1)
    assert value("homeostat_approvals_waiting") == value("homeostat_approval_oldest_age_seconds") == 0.0
    rig.sensor.values["errors_a"] = 10.0
    look(4)
    (incident,) = rig.loop.incidents
    assert value("homeostat_approvals_waiting") == 1.0
    assert value("homeostat_incidents_in_phase", policy=incident.policy, phase="awaiting_approval") == 1.0
    first = value("homeostat_approval_oldest_age_seconds")
    look(3)
    later = value("homeostat_approval_oldest_age_seconds")
    assert first is not None
    assert later is not None
    assert later > first
    rig.inbox.put(AnswerKind.APPROVE, incident=incident.id, node="restart")
    look(2)
    assert value("homeostat_approvals_waiting") == 0.0
    (key,) = rig.executor.started
    spec = rig.policies[incident.policy].leaves["restart"].action
    assert actuator_of(rig.loop, incident.id, str(key)) == spec.actuator
    assert actuator_of(rig.loop, incident.id, "another") is None
    assert actuator_of(rig.loop, "another", str(key)) is None
    assert value("homeostat_retrain_last_success_timestamp_seconds") == 5.0
    free, size = value("homeostat_state_free_bytes"), value("homeostat_state_size_bytes")
    assert free is not None
    assert size is not None
    assert 0.0 < free < size


def test_a_disk_that_cannot_be_asked_gives_no_figure_rather_than_a_wrong_one(tmp_path: Path) -> None:
    rig, registry = PeopleRig(), CollectorRegistry()
    registry.register(StateMetrics(lambda: rig.loop, None, tmp_path / "gone", rig.clock.now, lambda: 0.0))
    assert registry.get_sample_value("homeostat_state_free_bytes") is None
    assert registry.get_sample_value("homeostat_leases_held") == 0.0
