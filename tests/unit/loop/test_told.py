"""Alerts are journalled and start nothing; over restarts, failures of the journal and several agents."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.unit.loop.test_loop import FlakyJournal, Rig, policy_named
from tests.unit.loop.test_loop_many_agents import Fleet

from homeostat.app.alert_intake import AlertIntake
from homeostat.loop import Loop, Outside
from homeostat.model import entries as e
from homeostat.model.alerts import Alert, AlertState
from homeostat.model.ports import Journal
from homeostat.model.streams import ALERTS_STREAM


def one(state: AlertState = AlertState.FIRING, fingerprint: str = "f") -> Alert:
    return Alert(source="am", fingerprint=fingerprint, name="Down", state=state)


def journalled(journal: Journal) -> list[AlertState]:
    entries = [record.entry for record in journal.read(ALERTS_STREAM)]
    return [entry.state for entry in entries if isinstance(entry, e.AlertReceived)]


class AlertRig(Rig):
    def new_loop(self) -> Loop:
        self.intake = AlertIntake()
        outside = Outside(self.clock, self.sensor, self.executor, self.journal, self.noted, alerts=self.intake)
        loop = Loop(outside, self.policies, "test", seed=1)
        loop.recover("0")
        return loop

    def hear(self, *alerts: Alert) -> None:
        assert self.intake.take([(alert, ("a",)) for alert in alerts], {})


def test_an_alert_stands_in_the_journal_and_starts_nothing() -> None:
    rig = AlertRig(policy_named("a"))
    rig.hear(*(one(fingerprint=str(number)) for number in range(20)))
    rig.ticks(5)
    assert len(journalled(rig.journal)) == 20
    assert rig.journal.incidents() == []
    assert rig.executor.started == []


def test_nor_does_its_end_close_or_prove_anything() -> None:
    rig = AlertRig(policy_named("a"))
    rig.sensor.values["errors_a"] = 10.0
    rig.hear(one())
    rig.ticks(2)
    rig.hear(one(AlertState.RESOLVED))
    rig.ticks(2)
    assert journalled(rig.journal) == [AlertState.FIRING, AlertState.RESOLVED]
    assert len(rig.loop.incidents) == 1
    assert rig.results() == []


def test_the_alert_is_written_before_what_it_woke_the_loop_to_see() -> None:
    rig = AlertRig(policy_named("a"))
    rig.sensor.values["errors_a"] = 10.0
    rig.hear(one())
    rig.ticks(1)
    records = list(rig.journal.after(0, {e.AlertReceived.TYPE, e.Suspected.TYPE}))
    assert [type(record.entry) for record in records] == [e.AlertReceived, e.Suspected]


def test_after_a_restart_what_was_said_is_known() -> None:
    rig = AlertRig(policy_named("a"))
    rig.hear(one())
    rig.ticks(1)
    rig.loop = rig.new_loop()
    rig.hear(one())
    rig.ticks(1)
    assert journalled(rig.journal) == [AlertState.FIRING]
    rig.hear(one(AlertState.RESOLVED))
    rig.ticks(1)
    assert journalled(rig.journal) == [AlertState.FIRING, AlertState.RESOLVED]


def test_an_agent_that_stops_writes_what_waits() -> None:
    rig = AlertRig(policy_named("a"))
    rig.ticks(1)
    rig.hear(one())
    rig.loop.stop()
    assert journalled(rig.journal) == [AlertState.FIRING]


def test_a_journal_that_cannot_be_written_loses_no_alert() -> None:
    rig = AlertRig(policy_named("a"))
    assert isinstance(rig.journal, FlakyJournal)
    rig.journal.full = True
    rig.hear(one())
    rig.ticks(3)
    assert "alerts: JournalWriteError" in rig.noted.failures
    rig.journal.full = False
    rig.ticks(2)
    assert journalled(rig.journal) == [AlertState.FIRING]


def test_a_write_that_is_in_doubt_is_at_worst_said_twice() -> None:
    rig = AlertRig(policy_named("a"))
    assert isinstance(rig.journal, FlakyJournal)
    rig.journal.liar = True
    rig.hear(one())
    rig.ticks(1)
    rig.journal.liar = False
    rig.ticks(2)
    assert journalled(rig.journal) in ([AlertState.FIRING], [AlertState.FIRING] * 2)
    assert rig.journal.verify() == []


def test_a_bug_in_the_taking_of_alerts_holds_nobody_up() -> None:
    class Broken(AlertIntake):
        def collect(self, now: float) -> Sequence[e.Entry]:
            raise RuntimeError("a bug")

    rig = AlertRig(policy_named("a"))
    outside = Outside(rig.clock, rig.sensor, rig.executor, rig.journal, rig.noted, alerts=Broken())
    rig.loop = Loop(outside, rig.policies, "test", seed=1)
    rig.loop.recover("0")
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(3)
    assert "alerts: InvariantError" in rig.noted.failures
    assert len(rig.executor.started) == 1


def test_of_agents_that_are_told_the_same_the_first_to_tick_writes_it() -> None:
    fleet = Fleet(policy_named("a"))
    intakes = []
    for agent in fleet.agents:
        intake = AlertIntake()
        outside = Outside(
            fleet.clock, agent.sensor, agent.executor, agent.outside.journal, agent.noted,
            inbox=fleet.inbox, leases=agent.outside.leases, late_outcomes=fleet.late, alerts=intake,
        )  # fmt: skip
        agent.loop = Loop(outside, fleet.policies, agent.name, seed=1, spool=agent.spool)
        agent.loop.recover("0")
        intakes.append(intake)
    fleet.ticks(2)
    for state in (AlertState.FIRING, AlertState.RESOLVED):
        for intake in intakes:
            assert intake.take([(one(state), ())], {})
        fleet.ticks(2)
    assert journalled(fleet.shared.journal) == [AlertState.FIRING, AlertState.RESOLVED]


def test_a_noisy_week_is_read_in_parts_and_nothing_of_it_is_said_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeostat.loop.told.READ_MAX", 5)
    rig = AlertRig(policy_named("a"))
    alerts = [one(fingerprint=str(number)) for number in range(12)]
    rig.hear(*alerts)
    rig.ticks(4)
    assert len(journalled(rig.journal)) == 12
    rig.loop = rig.new_loop()
    rig.hear(*alerts, one(AlertState.RESOLVED, fingerprint="11"), one(fingerprint="new"))
    rig.ticks(1)
    assert len(rig.intake._known) == 5, "what is known after one turn"
    rig.ticks(4)
    assert len(journalled(rig.journal)) == 14
    assert set(journalled(rig.journal)[12:]) == {AlertState.RESOLVED, AlertState.FIRING}
