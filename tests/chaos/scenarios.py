"""The scenarios, each one function over a stage. What must hold is the same for all of them: `promises.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.agents import AgentProcess
from tests.chaos.hosts import Cut, Link
from tests.chaos.plans import SIGNAL_AGE_MAX_S, Plan
from tests.chaos.stage import TTL_S, Stage
from tests.chaos.storm import storm
from tests.chaos.takeovers import Fault

TAKEN_OVER_S = TTL_S + 2.5
"""By then everything an agent had is in other hands."""

KILLS = 6


@dataclass(frozen=True, slots=True)
class Scenario:
    """One entry of the report. `isolated`: it needs network namespaces. `policies`: one breakdown at most each."""

    name: str
    play: Callable[[Stage], None]
    agents: int
    policies: int
    isolated: bool = False


def kill_in_mid_action(stage: Stage) -> None:
    """`kill -9` while an action runs: the agent never comes back, comes back before its lease is over, and after."""
    never = stage.fresh(unsafe=True)
    stage.await_shared()
    stage.break_down(never)
    stage.kill(stage.await_begin(never))
    for number in range(KILLS):
        plan = stage.fresh()
        stage.break_down(plan)
        agent = stage.await_begin(plan)
        time.sleep(stage.random.uniform(0.0, plan.takes_s))
        fault = stage.kill(agent)
        time.sleep(TAKEN_OVER_S * (number % 2))
        stage.restart(agent, fault)
        agent.await_ready()
    stage.settle()


def suspend_beyond_the_lease(stage: Stage) -> None:
    """SIGSTOP, longer than the lease, at many moments of an incident; then SIGCONT."""
    for delay_s in (0.0, 0.001, 0.003, 0.01):
        _suspend_at_an_intent(stage, delay_s)
    for delay_s in (0.01, 0.03):
        _suspend_at_an_intent(stage, delay_s, with_all=True)
    for _ in range(2):
        _suspend_with_an_intent_in_flight(stage)
    _suspend_in_mid_action(stage)
    for _ in range(2):
        _suspend_at_any_moment(stage)
    stage.settle()


def _suspend_at_an_intent(stage: Stage, delay_s: float, *, with_all: bool = False) -> None:
    """Between the durable intent and the start, or so close to it that it may have started."""
    plan, agent = _next_with_agent(stage)
    with stage.intents_told() as told:
        stage.break_down(plan)
        told()
        time.sleep(delay_s)
        fault = stage.suspend(agent, f"{delay_s * 1e3:g} ms after an intent", with_all=with_all)
    _wake_late(stage, agent, fault)


def _suspend_with_an_intent_in_flight(stage: Stage) -> None:
    """The append is with the server and will be committed; the agent reads the answer when its lease is long over."""
    plan, agent = _next_with_agent(stage)
    with stage.intents_told(hold_s=0.5) as told:
        stage.break_down(plan)
        told()
        fault = stage.suspend(agent, "with an intent in flight")
        time.sleep(1.0)
    _wake_late(stage, agent, fault)


def _suspend_in_mid_action(stage: Stage) -> None:
    plan, _ = _next_with_agent(stage)
    stage.break_down(plan)
    agent = stage.await_begin(plan)
    _wake_late(stage, agent, stage.suspend(agent, "in mid action"))


def _suspend_at_any_moment(stage: Stage) -> None:
    plan, agent = _next_with_agent(stage)
    stage.break_down(plan)
    time.sleep(stage.random.uniform(0.0, 3.0))
    _wake_late(stage, agent, stage.suspend(agent, "at any moment"))


def _next_with_agent(stage: Stage) -> tuple[Plan, AgentProcess]:
    """A policy that nothing happened to yet, and who watches it."""
    stage.await_shared()
    agent = max(stage.agents, key=lambda agent: len(stage.watched_by(agent)))
    return stage.watched_by(agent)[0], agent


def _wake_late(stage: Stage, agent: AgentProcess, fault: Fault) -> None:
    time.sleep(max(0.0, fault.at + TAKEN_OVER_S - time.time()))
    stage.resume(agent, fault)


def restart_the_server(stage: Stage) -> None:
    """The server restarts in order, is killed and comes back at once, and stays away beyond every lease."""
    ways = (
        ("restart, fast", stage.store.stop, 0.0),
        ("kill -9 of every process", stage.store.kill, 0.0),
        ("kill -9 of every process", stage.store.kill, TTL_S + 2.0),
    )
    for kind, stop, away_s in ways:
        stage.await_shared()
        plans = [stage.fresh() for _ in range(4)]
        stage.break_down(*plans[:2])
        stage.await_begin(plans[0])
        stage.break_down(*plans[2:])
        fault = stage.stop_server(kind, stop)
        time.sleep(away_s)
        stage.start_server(fault)
        stage.settle()


def cut_the_network(stage: Stage) -> None:
    """An agent loses the store, in every way a link can be cut, while it acts; then another loses its telemetry."""
    for how in Cut:
        plan, agent = _next_with_agent(stage)
        second = stage.watched_by(agent)[1]
        stage.break_down(plan)
        stage.await_begin(plan)
        fault = stage.cut(agent, Link.STORE, how)
        stage.break_down(second)
        time.sleep(TAKEN_OVER_S + 1.0)
        stage.heal(agent, Link.STORE, fault)
        stage.settle()
    plan, agent = _next_with_agent(stage)
    fault = stage.cut(agent, Link.TELEMETRY, Cut.SILENT)
    time.sleep(SIGNAL_AGE_MAX_S)
    stage.break_down(plan)
    stage.settle()  # by somebody who sees: a blind agent leaves its policies to others
    stage.heal(agent, Link.TELEMETRY, fault)


def two_partitions(stage: Stage) -> None:
    """Two of three agents are cut off at once, in different ways, each in mid action and with work to come."""
    for first_way, second_way in ((Cut.SILENT, Cut.NO_ANSWERS), (Cut.NO_WAY, Cut.SILENT)):
        stage.await_shared()
        first, second = stage.random.sample(stage.agents, 2)
        plans = {agent.name: stage.watched_by(agent)[:2] for agent in (first, second)}
        stage.break_down(*(plan for pair in plans.values() for plan in pair[:1]))
        for pair in plans.values():
            stage.await_begin(pair[0])
        faults = [
            (first, Link.STORE, stage.cut(first, Link.STORE, first_way)),
            (second, Link.STORE, stage.cut(second, Link.STORE, second_way)),
            (second, Link.TELEMETRY, stage.cut(second, Link.TELEMETRY, Cut.SILENT)),
        ]
        stage.break_down(*(plan for pair in plans.values() for plan in pair[1:]))
        time.sleep(TAKEN_OVER_S + 2.0)
        for agent, link, fault in faults:
            stage.heal(agent, link, fault)
        stage.settle()


SCENARIOS = (
    Scenario("kill -9 of an agent in mid action", kill_in_mid_action, agents=3, policies=9),
    Scenario("SIGSTOP of an agent beyond its lease", suspend_beyond_the_lease, agents=2, policies=30),
    Scenario("restart and loss of the server", restart_the_server, agents=2, policies=12),
    Scenario("cut network", cut_the_network, agents=2, policies=16, isolated=True),
    Scenario("two partitions at once", two_partitions, agents=3, policies=18, isolated=True),
    Scenario("four agents, 100 incidents, random faults", storm, agents=4, policies=100),
)
