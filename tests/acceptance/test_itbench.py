"""Every accepted solution of ITBench's scenarios can be written as a policy; ambiguous alerts call people."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from benchmarks.workflow_run import Seen
from benchmarks.workflows import shared_folder
from tests.acceptance.itbench import (
    FILE,
    REPORTED,
    Act,
    Known,
    Scenario,
    Solution,
    acts_of,
    by_alerts,
    policy_of_alerts,
    policy_of_scenario,
    read_scenarios,
    signal_of,
)

from homeostat.act.executor import Executor
from homeostat.loop import Loop, Outside
from homeostat.model import entries as e
from homeostat.model.commands import Done, NeverStarted, Report, StartAction
from homeostat.model.policy import Do, Policy
from homeostat.model.reasons import OutcomeStatus, Result
from homeostat.model.signals import Reading, SignalSpec, Snapshot
from homeostat.policy.lint import lint
from homeostat.policy.load import load_policy, load_policy_sources
from homeostat.record.memory import MemoryJournal

TODAY = dt.date(2026, 11, 27)
POLL_S = 15.0
PATIENCE_S = 6 * 3600.0


def data() -> Path | None:
    shared = shared_folder()
    path = None if shared is None else shared / "data" / "itbench" / "scenarios.jsonl"
    return path if path is not None and path.exists() else None


PATH = data()
SCENARIOS = [] if PATH is None else read_scenarios(PATH)
pytestmark = pytest.mark.skipif(
    PATH is None, reason="the scenarios are not here; name their folder in HOMEOSTAT_SHARED"
)


@dataclass
class World:
    """Clock, sensor and hands of one scenario, which ends as soon as one accepted way is through for every fault."""

    scenario: Scenario
    heals_by: Sequence[Solution]
    at: float = 1_700_000_000.0
    done: list[str] = field(default_factory=list)
    keys: dict[str, float] = field(default_factory=dict)

    def now(self) -> float:
        return self.at

    def wait(self, seconds: float) -> bool:
        self.at += seconds
        return False

    @property
    def well(self) -> bool:
        return bool(self.heals_by) and all(
            any(_in_order([act.words for act in sequence], self.done) for sequence in alternatives)
            for alternatives in self.heals_by
        )

    def read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        firing = set() if self.well else {REPORTED, *map(signal_of, self.scenario.alerts)}
        return Snapshot(now, {key: Reading(float(spec.name in firing), now) for key, spec in specs.items()})

    def start(self, command: StartAction) -> None:
        if command.key not in self.keys:
            self.keys[command.key] = self.at
            given = command.action.parameters
            argv = given.get("argv")
            words = given["instructions"] if argv is None else Act("", tuple(map(str, _list(argv))), "").words
            self.done.append(str(words))

    def lookup(self, key: str) -> Report:
        return Done(OutcomeStatus.OK, 1.0, exit_code=0) if key in self.keys else NeverStarted()

    def cancel(self, key: str) -> None:
        raise AssertionError(f"{key} was cancelled")


def _list(value: object) -> list[object]:
    assert isinstance(value, list | tuple)
    return list(value)


def _in_order(wanted: Sequence[str], done: Sequence[str]) -> bool:
    rest = iter(done)
    return all(word in rest for word in wanted)


def carry_out(policy: Policy, world: World) -> list[e.Entry]:
    seen = Seen()
    executor = Executor({"command": world, "manual": world}, seen.failed)
    loop = Loop(Outside(world, world, executor, MemoryJournal(), seen), {policy.name: policy}, "test", seed=1)
    loop.recover("test")
    began = world.at
    while world.at - began < PATIENCE_S and not any(
        isinstance(entry, e.Escalated | e.Closed) for entry in seen.entries
    ):
        loop.tick()
        world.wait(POLL_S)
    assert not seen.failures
    return seen.entries


def result(entries: Sequence[e.Entry]) -> str:
    if any(isinstance(entry, e.Escalated) for entry in entries):
        return "escalated"
    closed = [entry.result for entry in entries if isinstance(entry, e.Closed)]
    return str(closed[0]) if closed else "open"


@pytest.fixture(scope="module")
def for_all() -> Policy:
    return load_policy_sources({FILE: policy_of_alerts(SCENARIOS)}, FILE)


def known_of(scenario: Scenario) -> Known:
    return next(known for known in by_alerts(SCENARIOS) if known.alerts == scenario.alerts)


def test_every_accepted_sequence_can_be_written_as_a_policy(tmp_path: Path) -> None:
    assert len(SCENARIOS) == 35
    written = 0
    for scenario in SCENARIOS:
        path = tmp_path / f"s{scenario.id}.homeostat.yaml"
        path.write_text(policy_of_scenario(scenario))
        report = lint(path, today=TODAY)
        assert not report.has_errors, report.findings
        policy = load_policy(path)
        assert report.worst_case is not None
        acts = list(acts_of(scenario.solutions))
        leaves = [leaf for leaf in policy.nodes() if isinstance(leaf, Do)]
        assert [_words(leaf) for leaf in leaves] == [act.words for act in acts]
        assert report.worst_case.attempts == len(acts)
        assert report.worst_case.seconds > sum(leaf.timeout_s for leaf in leaves)
        written += sum(len(alternatives) for alternatives in scenario.solutions)
    assert written == sum(len(alternatives) for one in SCENARIOS for alternatives in one.solutions) == 58


def _words(leaf: Do) -> str:
    if leaf.is_manual:
        return str(leaf.action.parameters["instructions"])
    return Act("", tuple(map(str, _list(leaf.action.parameters["argv"]))), "").words


def test_each_accepted_way_alone_ends_its_scenario() -> None:
    for scenario in SCENARIOS:
        policy = load_policy_sources({FILE: policy_of_scenario(scenario)}, FILE)
        for way in range(max((len(alternatives) for alternatives in scenario.solutions), default=0)):
            only = [(alternatives[min(way, len(alternatives) - 1)],) for alternatives in scenario.solutions]
            if len(only) > 1 and way > 0:
                continue  # nothing tells which of two faults is over before both are
            assert result(carry_out(policy, World(scenario, only))) == Result.RECOVERED, (scenario.id, way)


def test_ambiguous_alerts_escalate_instead_of_guessing(for_all: Policy) -> None:
    counts = {"acted": 0, "escalated": 0}
    for scenario in SCENARIOS:
        world = World(scenario, scenario.solutions)
        entries = carry_out(for_all, world)
        if known_of(scenario).ambiguous:
            assert result(entries) == "escalated", scenario.id
            assert not world.done, f"scenario {scenario.id}: guessed {world.done}"
            counts["escalated"] += 1
        else:
            assert result(entries) == Result.RECOVERED, scenario.id
            assert set(world.done) <= {act.words for act in acts_of(scenario.solutions)}
            counts["acted"] += 1
    print(json.dumps(counts))
    assert counts == {"acted": 4, "escalated": 31}


def test_what_is_ambiguous_is_told_by_the_data() -> None:
    told = {
        ", ".join(sorted(known.alerts)) or "none": (len(known.scenarios), known.ambiguous)
        for known in by_alerts(SCENARIOS)
    }
    assert told == {
        "none": (21, True),
        "KubePodNotReady": (6, True),
        "KubeContainerWaiting": (2, True),
        "HighRequestErrorRate": (2, True),
        "HighRequestErrorRate, NoRequestsReceived": (1, False),
        "NoRequestsReceived": (1, False),
        "HighRequestLatency": (1, False),
        "KubePodCrashLooping": (1, False),
    }


def test_alerts_that_no_fault_explains_escalate(for_all: Policy) -> None:
    strange = Scenario(0, frozenset({"HighRequestLatency", "KubePodCrashLooping"}), (), ())
    world = World(strange, ())
    assert result(carry_out(for_all, world)) == "escalated"
    assert not world.done
