"""Microseconds a decision on a 30-node tree, beside py_trees in the same run.

Both live through the same incident, tick by tick: three ticks in which the trigger is confirmed, then a tree of eight
guarded candidates that do not apply and one that always does, eight guarded steps to pass over, and eight candidates
of which two fail and the third works; each runs for four ticks and is verified for two. Both get ten fresh signals
each tick. py_trees reads them from its blackboard with its own `CheckBlackboardVariableValue`, as its users do, and
only walks. Homeostat also judges freshness, windows, guards, locks and recovery, and gives the journal entries of
everything it decided.

    python benchmarks/decide.py [--rounds N]
"""

from __future__ import annotations

import argparse
import operator
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Protocol

import py_trees
from py_trees.behaviours import CheckBlackboardVariableValue
from py_trees.blackboard import Client
from py_trees.common import Access, ComparisonExpression, Status

from homeostat.decide.identity import dormant_incident
from homeostat.decide.step import step
from homeostat.decide.turn import Moment
from homeostat.model.commands import Done, Report, Running, StartAction, Step
from homeostat.model.incident import Ledger
from homeostat.model.policy import ActionSpec, Choose, Do, Effect, Escalate, Policy, Steps, Try, Verify, Window
from homeostat.model.reasons import OutcomeStatus, Phase
from homeostat.model.signals import Condition, Reading, SignalSpec, Snapshot
from homeostat.policy.conditions import compile_condition

SIGNALS = {f"signal_{number}": SignalSpec(f"signal_{number}", "up", max_age_s=60.0) for number in range(10)}
TICK_S = 5.0
CONFIRM_TICKS = 3
RUN_TICKS = 4
VERIFY_TICKS = 2
FAILURES = 2
ILL, WELL = 10.0, 0.0


def condition(text: str) -> Condition:
    return compile_condition(text, SIGNALS)


def leaf(name: str, guard: Condition | None = None) -> Do:
    action = ActionSpec(name, "none", {}, Effect.SAFE)
    verify = Verify(condition("signal_0 < 1"), for_s=TICK_S, within_s=VERIFY_TICKS * TICK_S)
    return Do(name, action, f"service/{name}", {}, Effect.SAFE, 60.0, verify, condition=guard)


def homeostat_policy() -> Policy:
    never, false = condition("signal_1 > 100"), condition("signal_2 > 100")
    plan = Steps(
        "plan",
        (
            Try("first", (*(leaf(f"never-{n}", never) for n in range(8)), Steps("always", ()))),
            Steps("second", tuple(leaf(f"skipped-{n}", false) for n in range(8))),
            Choose("third", tuple(leaf(f"candidate-{n}") for n in range(8))),
            Escalate("give-up", "people", condition=false),
        ),
    )
    return Policy(
        name="benchmark",
        owner="benchmark",
        hash="benchmark",
        signals=SIGNALS,
        trigger=Window(condition("signal_0 > 5"), for_s=(CONFIRM_TICKS - 1) * TICK_S),
        resolved=Window(condition("signal_0 < 1"), for_s=TICK_S, within_s=600.0),
        escalate=Escalate("policy-escalate", "people"),
        root=plan,
        timeout_s=1e9,
        attempts_max=100,
    )


class Peer(Protocol):
    """One contender. `tick` is what is timed."""

    nodes: int

    def fresh(self) -> None: ...
    def feed(self, health: float, ended: bool | None) -> None: ...  # noqa: FBT001 - ended: None while nothing runs
    def tick(self) -> None: ...
    def at_work_on(self) -> str | None: ...


class Homeostat:
    """Incidents through `step`."""

    def __init__(self) -> None:
        self.policy = homeostat_policy()
        self.nodes = sum(1 for _ in self.policy.nodes())
        self.now = 1.7e9

    def fresh(self) -> None:
        self.now += 1000.0
        self.step = Step(dormant_incident(self.policy, self.now, seed=1), Ledger())
        self.key: str | None = None

    def feed(self, health: float, ended: bool | None) -> None:  # noqa: FBT001 - see Peer
        self.now += TICK_S
        readings = {name: Reading(health if name == "signal_0" else 1.0, self.now) for name in SIGNALS}
        report: Report = Done(OutcomeStatus.OK, 1.0) if ended else Running("1")
        reports = {self.key: report} if self.key else {}
        self.moment = Moment(self.now, Snapshot(self.now, readings), self.step.ledger, None, reports)

    def tick(self) -> None:
        self.step = step(self.policy, self.step.incident, self.moment)

    def at_work_on(self) -> str | None:
        for command in self.step.commands:
            if isinstance(command, StartAction):
                self.key = command.key
        if self.step.incident.phase is Phase.CLOSED:
            return None
        return self.key.split("/")[1] if self.key else None


class Candidate(py_trees.behaviour.Behaviour):
    """Runs, then succeeds if the signals are well."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.board = self.attach_blackboard_client()
        for key in ("ended", "verified", "signal_0"):
            self.board.register_key(key, access=Access.READ)

    def initialise(self) -> None:
        self.has_begun = False

    def update(self) -> Status:
        if not self.has_begun:
            self.has_begun = True
            return Status.RUNNING
        if not (self.board.ended and self.board.verified):
            return Status.RUNNING
        return Status.SUCCESS if self.board.signal_0 < 1 else Status.FAILURE


class PyTrees:
    """The same tree, as a behaviour tree."""

    def __init__(self) -> None:
        self.board = Client(name="benchmark")
        for name in (*SIGNALS, "ended", "verified"):
            self.board.register_key(name, access=Access.WRITE)
        first = py_trees.composites.Selector("first", memory=True)
        first.add_children([_check(f"never-{n}", "signal_1", operator.gt, 100.0) for n in range(8)])
        first.add_child(py_trees.behaviours.Success("always"))
        second = py_trees.composites.Sequence("second", memory=True)
        second.add_children([_check(f"skipped-{n}", "signal_2", operator.le, 100.0) for n in range(8)])
        third = py_trees.composites.Selector("third", memory=True)
        third.add_children([Candidate(f"candidate-{n}") for n in range(8)])
        root = py_trees.composites.Sequence("plan", memory=True)
        root.add_children([_check("trigger", "signal_3", operator.gt, 0.0), first, second, third])
        self.tree = py_trees.trees.BehaviourTree(root)
        self.nodes = sum(1 for _ in root.iterate())

    def fresh(self) -> None:
        self.tree.interrupt()
        self.waited = 0
        self.confirming = CONFIRM_TICKS

    def feed(self, health: float, ended: bool | None) -> None:  # noqa: FBT001 - see Peer
        self.waited = self.waited + 1 if ended else 0
        self.confirming -= 1
        self.values: dict[str, Any] = {name: health if name == "signal_0" else 1.0 for name in SIGNALS}
        self.values["signal_3"] = 0.0 if self.confirming > 0 else 1.0
        self.values |= {"ended": bool(ended), "verified": self.waited > VERIFY_TICKS}

    def tick(self) -> None:
        for name, value in self.values.items():
            self.board.set(name, value)
        self.tree.tick()

    def at_work_on(self) -> str | None:
        tip = self.tree.tip()
        if tip is None or self.tree.root.status is not Status.RUNNING:
            return None
        return str(tip.name)


def _check(name: str, signal: str, compare: Callable[[Any, Any], bool], bound: float) -> CheckBlackboardVariableValue:
    return CheckBlackboardVariableValue(name, ComparisonExpression(signal, bound, compare))


def live_through(peer: Peer, times: dict[str, list[float]]) -> None:
    """One incident, each tick timed under what happens in it; the path taken is checked."""
    peer.fresh()

    def tick(what: str, health: float, ended: bool | None = None) -> None:  # noqa: FBT001 - see Peer
        peer.feed(health, ended)
        started = time.perf_counter()
        peer.tick()
        times[what].append((time.perf_counter() - started) * 1e6)

    for _ in range(CONFIRM_TICKS - 1):
        tick("confirming", ILL)
    tick("first decision", ILL)
    for number in range(FAILURES + 1):
        working = peer.at_work_on()
        assert working == f"candidate-{number}", working
        for _ in range(RUN_TICKS):
            tick("action runs", ILL, ended=False)
        if number < FAILURES:
            for _ in range(VERIFY_TICKS):
                tick("verifying", ILL, ended=True)
            tick("next decision", ILL, ended=True)
    for _ in range(VERIFY_TICKS):
        tick("verifying", WELL, ended=True)
    tick("closing", WELL, ended=True)
    assert peer.at_work_on() is None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    peers: list[Peer] = [Homeostat(), PyTrees()]
    times: list[dict[str, list[float]]] = [defaultdict(list), defaultdict(list)]
    for peer in peers:
        for _ in range(100):
            live_through(peer, defaultdict(list))
    for _ in range(rounds):
        for peer, measured in zip(peers, times, strict=True):
            live_through(peer, measured)
    ours, theirs = times
    print(f"{rounds} incidents each; nodes: homeostat {peers[0].nodes}, py_trees {peers[1].nodes}\n")
    print("| median us a tick | ticks | homeostat | py_trees | ratio |")
    print("|---|---|---|---|---|")
    for what in ours:
        mine, peers_ = statistics.median(ours[what]), statistics.median(theirs[what])
        print(f"| {what} | {len(ours[what]) // rounds} | {mine:.1f} | {peers_:.1f} | {mine / peers_:.2f} |")
    mine, peers_ = _mean_tick(ours), _mean_tick(theirs)
    print(f"| **a decision, over the incident** | | {mine:.1f} | {peers_:.1f} | **{mine / peers_:.2f}** |")


def _mean_tick(times: dict[str, list[float]]) -> float:
    """Mean over the incident's ticks of their medians, so that a noisy moment does not count."""
    ticks = sum(len(values) for values in times.values())
    return sum(statistics.median(values) * len(values) for values in times.values()) / ticks


if __name__ == "__main__":
    main()
