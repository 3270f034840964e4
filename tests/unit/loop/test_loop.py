"""The shell: journal first, then act; a failure in one place holds up nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from homeostat.loop import Loop, Outside
from homeostat.model import entries as e
from homeostat.model.commands import Command, Done, NeverStarted, Report, Running, StartAction
from homeostat.model.errors import ActuatorError, InvariantError, JournalError, JournalWriteError
from homeostat.model.policy import Mode, Policy
from homeostat.model.ports import Batch
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import EscalationReason, OutcomeStatus, Result
from homeostat.model.signals import Reading, SignalSpec, Snapshot
from homeostat.policy.load import load_policy_sources
from homeostat.record.memory import MemoryJournal
from homeostat.record.sqlite import SqliteJournal

SOURCES = {
    "{name}.homeostat.yaml": """\
policy: {name}
owner: team
signals: {{errors_{name}: up}}
actions: {{restart: {{actuator: fake, effect: safe}}}}
trigger: {{if: errors_{name} > 5, for: 10s}}
resolved: {{if: errors_{name} < 1, for: 10s, within: 1m}}
escalate: {{to: oncall}}
steps:
- {{do: restart, target: svc/{name}, timeout: 1m, verify: {{if: errors_{name} < 1, for: 5s, within: 1m}}}}
"""
}


def policy_named(name: str, **changes: str) -> Policy:
    text = SOURCES["{name}.homeostat.yaml"].format(name=name)
    for old, new in changes.items():
        text = text.replace(old.replace("__", " "), new)
    return load_policy_sources({f"{name}.homeostat.yaml": text}, f"{name}.homeostat.yaml")


class FakeClock:
    def __init__(self) -> None:
        self.at = 1_700_000_000.0

    def now(self) -> float:
        return self.at

    def wait(self, seconds: float) -> bool:
        self.at += seconds
        return False


@dataclass
class FakeSensor:
    """Gives every signal whose name ends so the value it is told."""

    values: dict[str, float] = field(default_factory=dict)
    broken: Exception | None = None
    asked: list[int] = field(default_factory=list)

    def read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        if self.broken is not None:
            raise self.broken
        self.asked.append(len(specs))
        return Snapshot(now, {key: Reading(self.values.get(spec.name, 0.0), now) for key, spec in specs.items()})


@dataclass
class FakeExecutor:
    started: list[str] = field(default_factory=list)
    reports: dict[str, Report] = field(default_factory=dict)
    broken: bool = False
    commands: list[StartAction] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    dies: BaseException | None = None
    """Raised right after a start."""

    def carry_out(self, command: Command) -> None:
        if self.broken:
            raise ActuatorError("no hands")
        if isinstance(command, StartAction):
            self.commands.append(command)
            self.started.append(command.key)
            self.reports[command.key] = Running("1")
            if self.dies is not None:
                raise self.dies
        else:
            self.cancelled.append(command.key)
            self.reports.setdefault(command.key, Done(OutcomeStatus.CANCELLED, 0.0))

    def report(self, key: str, actuator: str) -> Report | None:
        assert actuator == "fake"
        return self.reports.get(key, NeverStarted())

    def artifact(self, key: str, actuator: str) -> bytes | None:
        del key, actuator
        return None

    def reaches_anywhere(self, actuator: str) -> bool:
        del actuator
        return False


@dataclass
class Noted:
    failures: list[str] = field(default_factory=list)
    appended_types: list[str] = field(default_factory=list)

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        del now, snapshot, open_incidents

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        del stream
        self.appended_types += [entry.TYPE for entry in entries]

    def failed(self, what: str, error: Exception) -> None:
        self.failures.append(f"{what}: {type(error).__name__}")


class FlakyJournal(MemoryJournal):
    """Refuses appends while told to, as a full disk would; `after` lets them through and then says they failed."""

    full = False
    liar = False
    appends = 0
    poisoned = ""
    """No incident of this policy can be stored."""

    def append(self, batches: Sequence[Batch], *, seen: int | None = None) -> int:
        self.appends += 1
        entries = [entry for batch in batches for entry in batch.entries]
        if any(isinstance(entry, e.Suspected) and entry.policy == self.poisoned for entry in entries):
            raise InvariantError("cannot be journalled")
        if self.full:
            raise JournalWriteError("no space left on device")
        position = super().append(batches, seen=seen)
        if self.liar:
            raise JournalWriteError("whether it was written is not known")
        return position


class Rig:
    def __init__(self, *policies: Policy, journal: MemoryJournal | SqliteJournal | None = None) -> None:
        self.clock = FakeClock()
        self.sensor = FakeSensor()
        self.executor = FakeExecutor()
        self.journal = journal if journal is not None else FlakyJournal()
        self.noted = Noted()
        self.policies = {policy.name: policy for policy in policies}
        self.loop = self.new_loop()

    def new_loop(self) -> Loop:
        outside = Outside(self.clock, self.sensor, self.executor, self.journal, self.noted)
        loop = Loop(outside, self.policies, "test", seed=1)
        loop.recover("0")
        return loop

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.loop.tick()
            self.clock.wait(5.0)

    def results(self) -> list[Result]:
        records = [r.entry for stream in self.journal.incidents() for r in self.journal.read(stream)]
        return [entry.result for entry in records if isinstance(entry, e.Closed)]


@pytest.fixture
def rig() -> Rig:
    return Rig(policy_named("a"), policy_named("b"))


def test_one_read_serves_all_policies_and_each_sees_its_own(rig: Rig) -> None:
    rig.sensor.values["errors_b"] = 10.0
    rig.ticks(3)
    assert rig.sensor.asked == [2, 2, 2]
    assert [incident.policy for incident in rig.loop.incidents] == ["b"]
    assert len(rig.executor.started) == 1


def test_nothing_starts_while_the_journal_cannot_be_written(rig: Rig) -> None:
    assert isinstance(rig.journal, FlakyJournal)
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(2)
    rig.journal.full = True
    rig.ticks(5)
    assert rig.executor.started == []
    assert "policy a: JournalWriteError" in rig.noted.failures
    rig.journal.full = False
    rig.ticks(2)
    assert len(rig.executor.started) == 1
    assert rig.journal.verify() == []


def test_a_journal_that_cannot_be_written_is_told_of_until_it_can(rig: Rig) -> None:
    assert isinstance(rig.journal, FlakyJournal)
    rig.sensor.values["errors_a"] = 10.0
    rig.journal.full = True
    rig.ticks(3)
    trouble = rig.loop.trouble
    assert trouble is not None
    assert "no space left" in trouble
    rig.journal.full = False
    rig.sensor.values["errors_a"] = 0.0
    rig.ticks(1)
    assert rig.loop.trouble is None
    last = [record.entry for record in rig.journal.read("agent")][-1]
    assert isinstance(last, e.JournalInterrupted)
    assert last.at - last.since == 15.0
    assert rig.journal.incidents() == [], "what could not be journalled has not happened"


def test_all_decisions_of_a_tick_share_one_append() -> None:
    rig = Rig(*(policy_named(f"p{number}") for number in range(8)))
    for number in range(8):
        rig.sensor.values[f"errors_p{number}"] = 10.0
    rig.ticks(2)
    assert isinstance(rig.journal, FlakyJournal)
    before = rig.journal.appends
    rig.ticks(1)
    assert len(rig.executor.started) == 8
    assert rig.journal.appends == before + 1


def test_what_cannot_be_journalled_holds_up_nothing_else_of_its_group(rig: Rig) -> None:
    assert isinstance(rig.journal, FlakyJournal)
    rig.journal.poisoned = "b"
    rig.sensor.values |= {"errors_a": 10.0, "errors_b": 10.0}
    rig.ticks(3)
    assert [key.split("/")[1] for key in rig.executor.started] == ["restart"]
    assert [incident.policy for incident in rig.loop.incidents] == ["a"]
    assert "policy b: InvariantError" in rig.noted.failures


def test_a_start_is_decided_again_on_what_others_wrote_meanwhile() -> None:
    rig = Rig(policy_named("a"))
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(2)
    paused = e.Paused(at=rig.clock.now(), by="ann", answer="x")
    rig.journal.append([Batch("agent", None, [paused])])
    rig.ticks(4)
    assert rig.executor.started == []
    assert rig.loop.ledger.paused == {"": "ann"}
    rig.journal.append([Batch("agent", None, [e.Resumed(at=rig.clock.now(), by="ann", answer="y")])])
    rig.loop = rig.new_loop()
    rig.ticks(2)
    assert len(rig.executor.started) == 1


def test_an_append_in_doubt_is_read_again_and_its_action_starts_once(rig: Rig) -> None:
    assert isinstance(rig.journal, FlakyJournal)
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(2)
    rig.journal.liar = True
    rig.ticks(1)
    assert rig.executor.started == [], "the commit was not acknowledged"
    rig.journal.liar = False
    rig.ticks(3)
    assert len(rig.executor.started) == 1
    assert len(set(rig.executor.started)) == 1
    intents = [r for s in rig.journal.incidents() for r in rig.journal.read(s) if isinstance(r.entry, e.ActionIntended)]
    assert len(intents) == 1


def test_an_append_in_doubt_keeps_the_lock_it_may_have_written() -> None:
    shared = {"target:__svc/a": "target: svc/shared"}
    rig = Rig(policy_named("a", **shared), policy_named("b", **{"target:__svc/b": "target: svc/shared"}))
    assert isinstance(rig.journal, FlakyJournal)
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(2)
    rig.sensor.values["errors_b"] = 10.0
    rig.journal.liar = True
    rig.ticks(1)
    rig.journal.liar = False
    rig.ticks(6)
    assert [key.split("/")[1] for key in rig.executor.started] == ["restart"], "two hands on one target"
    assert rig.loop.ledger.locks.keys() == {"svc/shared"}


def test_an_incident_whose_step_fails_again_and_again_goes_to_people(rig: Rig) -> None:
    def explode(values: object) -> bool:
        raise ZeroDivisionError(values)

    resolved = rig.policies["a"].resolved
    condition = replace(resolved.condition, evaluate=explode)
    rig.loop.use_policies({"a": replace(rig.policies["a"], resolved=replace(resolved, condition=condition))})
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(2)
    rig.ticks(20)
    entries = [record.entry for stream in rig.journal.incidents() for record in rig.journal.read(stream)]
    reasons = [entry.reason for entry in entries if isinstance(entry, e.Escalated)]
    assert reasons == [EscalationReason.STEP_FAILED]
    assert rig.executor.started == []


def test_a_ranking_that_cannot_be_read_back_does_not_end_the_agent(rig: Rig) -> None:
    class Retrainer:
        def collect(self, now: float) -> Mapping[str, Sequence[e.Entry]]:
            return {"a": [e.RankingPromoted(at=now, version="never trained", actor="test")]}

        def settled(self, policy: str, error: JournalError | None) -> None: ...

    outside = replace(rig.loop._outside, retrainer=Retrainer())
    rig.loop = Loop(outside, rig.policies, "test", seed=1)
    rig.loop.recover("0")
    rig.ticks(2)
    assert "ranking of a: JournalCorrupt" in rig.noted.failures


def test_a_training_that_came_too_late_is_told_so(rig: Rig) -> None:
    """It was to replace a ranking that does not rule."""

    class Retrainer:
        def __init__(self) -> None:
            self.told: list[str] = []

        def collect(self, now: float) -> Mapping[str, Sequence[e.Entry]]:
            ranking = Ranking("v2", "a", now, 0, 0, {})
            trained = e.RankingTrained(at=now, ranking=ranking, gate="Passed.", passed=True)
            return {"a": [trained, e.RankingPromoted(at=now, version="v2", actor="schedule", replaces="v1")]}

        def settled(self, policy: str, error: JournalError | None) -> None:
            self.told.append(f"{policy}: {type(error).__name__}")

    retrainer = Retrainer()
    rig.loop = Loop(replace(rig.loop._outside, retrainer=retrainer), rig.policies, "test", seed=1)
    rig.loop.recover("0")
    rig.ticks(1)
    assert retrainer.told == ["a: JournalConflict"]
    assert "ranking of a: JournalConflict" in rig.noted.failures


def test_a_restart_goes_on_where_the_journal_ends(rig: Rig) -> None:
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(3)
    before = rig.loop.incidents
    rig.loop = rig.new_loop()
    assert rig.loop.incidents == before
    assert rig.loop.ledger.locks.keys() == {"svc/a"}
    rig.executor.reports[rig.executor.started[0]] = Done(OutcomeStatus.OK, 1.0)
    rig.sensor.values["errors_a"] = 0.0
    rig.ticks(8)
    assert rig.results() == [Result.RECOVERED]
    assert len(rig.executor.started) == 1


def test_an_open_incident_keeps_the_policy_version_it_began_with(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    rig = Rig(policy_named("a"), journal=journal)
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(3)
    changed = policy_named("a", **{"target:__svc/a": "target: svc/other"})
    assert changed.hash != rig.policies["a"].hash
    rig.policies = {"a": changed}
    rig.loop = rig.new_loop()
    rig.executor.reports[rig.executor.started[0]] = Done(OutcomeStatus.OK, 1.0)
    rig.sensor.values["errors_a"] = 0.0
    rig.ticks(8)
    assert rig.results() == [Result.RECOVERED]
    assert rig.noted.failures == []
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(4)
    (incident,) = rig.loop.incidents
    assert incident.policy_hash == changed.hash
    assert rig.loop.ledger.locks.keys() == {"svc/other"}
    journal.close()


def test_an_observing_agent_does_not_act_under_an_older_version_of_a_policy(rig: Rig) -> None:
    rig.loop = Loop(rig.loop._outside, rig.policies, "test", seed=1, mode=Mode.OBSERVE)
    rig.loop.recover("0")
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(4)
    rig.policies = {"a": policy_named("a", **{"target:__svc/a": "target: svc/other"}), "b": rig.policies["b"]}
    rig.loop = Loop(rig.loop._outside, rig.policies, "test", seed=1, mode=Mode.OBSERVE)
    rig.loop.recover("0")
    rig.ticks(4)
    assert rig.executor.started == []
    assert len(rig.loop.incidents) == 1


def test_a_policy_that_is_gone_still_ends_its_open_incident(rig: Rig) -> None:
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(3)
    rig.loop.use_policies({"b": rig.policies["b"]})
    rig.executor.reports[rig.executor.started[0]] = Done(OutcomeStatus.OK, 1.0)
    rig.sensor.values["errors_a"] = 0.0
    rig.ticks(8)
    assert rig.results() == [Result.RECOVERED]
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(5)
    assert rig.loop.incidents == []


def test_a_sensor_that_breaks_is_a_source_that_is_lost(rig: Rig) -> None:
    rig.sensor.values["errors_a"] = 10.0
    rig.sensor.broken = RuntimeError("bug")
    rig.ticks(5)
    assert rig.executor.started == []
    assert "sensor: InvariantError" in rig.noted.failures
    rig.sensor.broken = None
    rig.ticks(3)
    assert len(rig.executor.started) == 1


def test_an_actuator_without_hands_is_told_and_tried_again_under_the_same_key(rig: Rig) -> None:
    rig.executor.broken = True
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(4)
    assert any(failure.endswith("ActuatorError") for failure in rig.noted.failures)
    rig.executor.broken = False
    rig.ticks(1)
    assert len(rig.executor.started) == 1
    assert rig.executor.started[0].endswith("/1")


def test_a_bug_in_one_policy_holds_up_no_other(rig: Rig) -> None:
    def explode(values: object) -> bool:
        raise ZeroDivisionError(values)

    trigger = rig.policies["a"].trigger
    condition = replace(trigger.condition, evaluate=explode)
    broken = replace(rig.policies["a"], trigger=replace(trigger, condition=condition))
    rig.loop.use_policies({"a": broken, "b": rig.policies["b"]})
    rig.sensor.values["errors_b"] = 10.0
    rig.ticks(3)
    assert len(rig.executor.started) == 1
    assert rig.noted.failures[0] == "policy a: InvariantError"


def test_stopping_names_what_is_left_running(rig: Rig) -> None:
    rig.sensor.values["errors_a"] = 10.0
    rig.ticks(4)
    rig.loop.stop()
    last = [record.entry for record in rig.journal.read("agent")][-1]
    assert isinstance(last, e.AgentStopped)
    assert last.running == tuple(rig.executor.started)
