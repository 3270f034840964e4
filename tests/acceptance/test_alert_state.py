"""Prometheus' own vectors of pending, firing and resolved alerts, through the real loop on a virtual clock.

An alert rule is a policy whose trigger is the rule's expression with its `for`, and whose `resolved` is the opposite:
pending = suspected, firing = confirmed, inactive = dismissed before that, closed after it. One evaluation interval is
the tolerance of the vectors themselves (prometheus/compliance, alert_generator).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from benchmarks.workflow_run import Seen
from benchmarks.workflows import shared_folder

from homeostat.act.executor import Executor
from homeostat.loop import Loop, Outside
from homeostat.model import entries as e
from homeostat.model.policy import Policy
from homeostat.model.reasons import Result
from homeostat.model.signals import Reading, SignalSpec, Snapshot
from homeostat.policy.load import load_policy_sources
from homeostat.record.memory import MemoryJournal

START = 1_700_000_000.0
FILE = "alert.homeostat.yaml"

PLANS = {
    "people are called": "[{escalate: on-call}]",
    "the plan only watches": "[{wait: 7d}]",
    "an action is held back": "[{do: nothing, target: svc/x, mode: observe, verify: none}]",
}
"""What is done about it must not change when it is noticed, nor when it is over."""

STATES = {e.Suspected: "pending", e.Confirmed: "firing", e.Dismissed: "inactive", e.Closed: "inactive"}


@dataclass(frozen=True)
class Case:
    name: str
    sample_interval_s: float
    eval_interval_s: float
    threshold: float
    for_s: float
    samples: Sequence[float]
    expected: Sequence[tuple[str, float]]


def cases() -> list[Case]:
    shared = shared_folder()
    path = None if shared is None else shared / "data" / "alert_state" / "vectors.json"
    if path is None or not path.exists():
        return []
    return [
        Case(
            name=case["name"],
            sample_interval_s=case["sample_interval_s"],
            eval_interval_s=case["eval_interval_s"],
            threshold=case["threshold_gt"],
            for_s=case["for_s"],
            samples=case["samples"],
            expected=[(state["state"], state["at"]) for state in case["expected"]],
        )
        for case in json.loads(path.read_text())["cases"]
    ]


CASES = cases()


def policy_of(case: Case, plan: str) -> Policy:
    """The alert rule as a policy; nothing in it is tuned to the case."""
    text = f"""\
policy: alert
owner: team
signals: {{value: value}}
actions: {{nothing: {{actuator: command, argv: ["true"]}}}}
trigger: {{if: value > {case.threshold}, for: {case.for_s}s}}
resolved: {{if: value <= {case.threshold}}}
escalate: {{to: on-call}}
timeout: 8d
steps: {plan}
"""
    return load_policy_sources({FILE: text}, FILE)


class Replay:
    """The vector as a sensor and its own clock: each sample is there from its time until the next."""

    def __init__(self, case: Case, first_poll_s: float) -> None:
        self.case = case
        self.at = START + first_poll_s

    def now(self) -> float:
        return self.at

    def wait(self, seconds: float) -> bool:
        self.at += seconds
        return False

    @property
    def over(self) -> bool:
        return self.at >= START + len(self.case.samples) * self.case.sample_interval_s

    def read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        number = int((now - START) // self.case.sample_interval_s)
        reading = Reading(self.case.samples[number], START + number * self.case.sample_interval_s)
        return Snapshot(now, dict.fromkeys(specs, reading))


def transitions(case: Case, plan: str, first_poll_s: float = 0.0) -> tuple[list[tuple[str, float]], list[e.Entry]]:
    replay, seen = Replay(case, first_poll_s), Seen()
    policy = policy_of(case, plan)
    loop = Loop(Outside(replay, replay, Executor({}), MemoryJournal(), seen), {policy.name: policy}, "test", seed=1)
    loop.recover("test")
    while not replay.over:
        loop.tick()
        replay.wait(case.eval_interval_s)
    assert not seen.failures
    states: list[tuple[str, float]] = []
    for entry in seen.entries:
        state = STATES.get(type(entry))
        if state is not None and (state, entry.at - START) not in states:
            states.append((state, entry.at - START))
    return states, seen.entries


def check(found: Sequence[tuple[str, float]], case: Case) -> None:
    assert [state for state, _ in found] == [state for state, _ in case.expected]
    for (state, at), (_, expected_at) in zip(found, case.expected, strict=True):
        assert abs(at - expected_at) <= case.eval_interval_s, f"{state} at {at}, expected at {expected_at}"


@pytest.mark.skipif(not CASES, reason="the vectors are not here; name their folder in HOMEOSTAT_SHARED")
@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
@pytest.mark.parametrize("first_poll_s", [0.0, 7.0, 29.0])
def test_every_transition_comes_within_one_poll(plan: str, first_poll_s: float) -> None:
    for case in CASES:
        found, _ = transitions(case, plan, first_poll_s)
        check(found, case)


@pytest.mark.skipif(not CASES, reason="the vectors are not here; name their folder in HOMEOSTAT_SHARED")
def test_the_vectors_are_those_that_are_meant() -> None:
    assert {case.name for case in CASES} == {"NewAlerts_variant_one", "PendingAndFiringAndResolved", "AlwaysInactive"}
    assert [len(case.expected) for case in CASES] == [3, 6, 0]


def test_a_pending_alert_that_goes_away_is_dismissed() -> None:
    """None of the vectors shows it, so here is one that always runs: 90 s above, with a `for` of 180 s."""
    samples = [1.0] * 8 + [11.0] * 6 + [1.0] * 30
    case = Case("blip", 15.0, 30.0, 10.0, 180.0, samples, [("pending", 120.0), ("inactive", 210.0)])
    for plan in PLANS.values():
        found, entries = transitions(case, plan)
        check(found, case)
        assert [entry.result for entry in entries if isinstance(entry, e.Closed)] == [Result.DISMISSED]


def test_how_a_firing_alert_ends_is_told() -> None:
    samples = [1.0] * 4 + [11.0] * 30 + [1.0] * 30
    case = Case("one", 15.0, 30.0, 10.0, 60.0, samples, [("pending", 60.0), ("firing", 120.0), ("inactive", 510.0)])
    results = {}
    for name, plan in PLANS.items():
        found, entries = transitions(case, plan)
        check(found, case)
        results[name] = [entry.result for entry in entries if isinstance(entry, e.Closed)]
    assert results == {
        "people are called": [Result.ESCALATED],
        "the plan only watches": [Result.SELF_HEALED],
        "an action is held back": [Result.SELF_HEALED],
    }
