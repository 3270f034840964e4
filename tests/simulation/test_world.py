"""The whole agent over the sandbox plant: reproducible, foldable, replayable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from homeostat.app.recordings import record_incident
from homeostat.decide.projection import fold
from homeostat.model import entries as e
from homeostat.model.policy import Choose, Node, Policy, Steps, Try
from homeostat.model.ports import Journal
from homeostat.model.reasons import Phase, Result
from homeostat.model.signals import Reading, Snapshot
from homeostat.policy.load import load_policy
from homeostat.record.export import export_journal
from homeostat.record.memory import MemoryJournal
from homeostat.record.recording import read_recording
from homeostat.record.sqlite import SqliteJournal
from homeostat.simulate.replay import Verdict, replay
from homeostat.simulate.sandbox.faults import draw_named
from homeostat.simulate.world import World, sandbox

ROOT = Path(__file__).parents[2]
FAULTS = ("auth_down", "bad_deploy", "blip", "crash_loop")


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(ROOT / "policies/payments-5xx.homeostat.yaml")


class Watch:
    """Fails the test on any failure of the loop, and holds live state against the fold at every tick."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.ticks = 0

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None:
        del now, snapshot, open_incidents
        self.ticks += 1
        assert self.world is not None
        for incident in self.world.loop.incidents:
            assert fold(record.entry for record in self.world.journal.read(incident.id)) == incident

    def appended(self, stream: str, entries: Sequence[e.Entry]) -> None:
        del stream, entries

    def failed(self, what: str, error: Exception) -> None:
        raise AssertionError(f"{what}: {error!r}") from error


def live_through(policy: Policy, journal: Journal, seed: int) -> list[str]:
    """Give the ids of the incidents that four faults led to."""
    watch = Watch()
    faults = Random(seed)
    with sandbox({policy.name: policy}, journal, watch, seed) as world:
        watch.world = world
        world.start("test")
        for name in FAULTS:
            world.strike(draw_named(name, faults))
    assert watch.ticks > 100
    assert max(world.actuator.effects.values()) == 1
    return journal.incidents()


@pytest.fixture(scope="module")
def lived(policy: Policy) -> MemoryJournal:
    journal = MemoryJournal()
    live_through(policy, journal, seed=3)
    return journal


def test_the_same_seed_gives_a_byte_identical_journal_on_any_store(
    policy: Policy, lived: MemoryJournal, tmp_path: Path
) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    live_through(policy, journal, seed=3)
    assert list(export_journal(journal)) == list(export_journal(lived))
    assert journal.verify() == []
    journal.close()


def test_another_seed_gives_another_journal(policy: Policy, lived: MemoryJournal) -> None:
    journal = MemoryJournal()
    live_through(policy, journal, seed=4)
    assert list(export_journal(journal)) != list(export_journal(lived))


def test_every_incident_is_closed_and_every_attempt_has_a_verdict(lived: MemoryJournal) -> None:
    assert len(lived.incidents()) >= 3
    for stream in lived.incidents():
        incident = fold(record.entry for record in lived.read(stream))
        assert incident.phase is Phase.CLOSED
        assert all(attempt.verdict is not None for attempt in incident.every_attempt())


def test_a_recorded_incident_replays_into_the_same_decisions(
    policy: Policy, lived: MemoryJournal, tmp_path: Path
) -> None:
    for stream in lived.incidents():
        path = tmp_path / f"{stream}.jsonl"
        record_incident(lived, stream, path)
        recording = read_recording(path)
        replayed = replay(policy, recording.entries, recording.ranking)
        intents = [entry for entry in recording.entries if isinstance(entry, e.ActionIntended)]
        assert [start.action for start in replayed.starts] == [intent.action for intent in intents]
        assert replayed.shift_s == 0.0
        assert replayed.verdict is _expected(recording.result), replayed.why
        same = [entry for entry in replayed.entries if isinstance(entry, e.Decided)]
        assert same == [entry for entry in recording.entries if isinstance(entry, e.Decided)]


def _expected(result: Result) -> Verdict:
    return Verdict.ESCALATED if result is Result.ESCALATED else Verdict.RECOVERED


def _reversed(node: Node) -> Node:
    if isinstance(node, (Steps, Try, Choose)):
        children = tuple(_reversed(child) for child in node.children)
        return replace(node, children=children[::-1] if isinstance(node, Choose) else children)
    return node


def test_a_policy_that_would_do_otherwise_gets_unknown_and_never_an_invented_outcome(
    policy: Policy, lived: MemoryJournal
) -> None:
    root = _reversed(policy.root)
    assert isinstance(root, Steps)
    other = replace(policy, root=root)
    answers = []
    for stream in lived.incidents():
        entries = [record.entry for record in lived.read(stream)]
        replayed = replay(other, entries)
        if any(isinstance(entry, e.ActionIntended) for entry in entries):
            answers.append(replayed.verdict)
            assert replayed.duration_s is None
            assert not replayed.starts[-1].recorded
    assert set(answers) == {Verdict.UNKNOWN}


def test_a_policy_that_would_do_nothing_does_not_inherit_what_was_done(policy: Policy, lived: MemoryJournal) -> None:
    patient = replace(policy, trigger=replace(policy.trigger, for_s=3600.0))
    for stream in lived.incidents():
        entries = [record.entry for record in lived.read(stream)]
        if any(isinstance(entry, e.ActionIntended) for entry in entries):
            assert replay(patient, entries).verdict is Verdict.UNKNOWN


def test_an_incident_dismissed_for_want_of_data_is_unknown(policy: Policy) -> None:
    at = 1_700_000_000.0
    ill = {name: Reading(0.5 if name == "http_5xx" else 1.0, at) for name in policy.signals}
    recorded = [
        e.Suspected(at=at, incident="i", policy=policy.name, policy_hash=policy.hash, dedup_key=policy.name, seed=1),
        e.Observed(at=at, snapshot=Snapshot(at, ill)),
        *(e.Observed(at=at + n, snapshot=Snapshot(at + n, error="down")) for n in (15.0, 30.0, 60.0, 80.0)),
    ]
    replayed = replay(policy, recorded)
    assert replayed.verdict is Verdict.UNKNOWN
    assert "data were missing" in replayed.why
