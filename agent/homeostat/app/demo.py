"""The demo: the embedded payments plant breaks, the agent heals it, learns, and heals it faster.

Everything but the clock is the production code: the loop, the journal on disk, the sensor over HTTP, the gate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from random import Random
from statistics import mean

from homeostat.app.settings import Settings
from homeostat.app.story import Storyteller
from homeostat.decide.projection import fold
from homeostat.learn.explain import describe
from homeostat.learn.retrain import Retrained, apply_retrained, retrain
from homeostat.model.incident import Incident
from homeostat.model.policy import Choose, Policy
from homeostat.model.ports import Journal
from homeostat.model.reasons import Result
from homeostat.policy.load import load_policy
from homeostat.record.sqlite import SqliteJournal
from homeostat.simulate.sandbox.faults import Fault, draw_named
from homeostat.simulate.world import World, sandbox
from homeostat.version import __version__

POLICY = "payments-5xx.homeostat.yaml"
STORY = ("auth_down", "blip", "bad_deploy")
"""The faults that are told step by step."""
ROUND = ("pool_leak", "auth_down", "bad_deploy", "crash_loop", "stuck_threads")
"""Every round meets each of these equally often, with fresh parameters."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scope:
    """How much of the demo to run."""

    rounds: int = 3
    each: int = 4
    seed: int = 7


@dataclass(frozen=True, slots=True)
class RoundResult:
    """One round's incidents, summed up. Times are minutes from the first sign to recovery or to the call for people."""

    recovered: int
    escalated: int
    minutes: float
    actions: float


def run_demo(settings: Settings, say: Say, scope: Scope) -> list[RoundResult]:
    """Run the demo in a workspace; its journal stays there to be looked at.

    Returns:
        One result per round: the first in written order, each later one after a retraining.
    """
    policy = load_policy(settings.policies / POLICY)
    settings.state.mkdir(mode=0o700)
    storyteller = Storyteller(say)
    faults = Random(scope.seed)  # noqa: S311 - drawing faults is no secret
    with (
        closing(SqliteJournal(settings.journal)) as journal,
        sandbox({policy.name: policy}, journal, storyteller, scope.seed) as world,
    ):
        world.start(__version__)
        _tell_story(world, storyteller, faults, say)
        results: list[RoundResult] = []
        for number in range(1, scope.rounds + 1):
            order = "in written order" if number == 1 else "in the order learnt so far"
            say(f"\n== Round {number}: {scope.each * len(ROUND)} incidents, {order}")
            results.append(_round(world, journal, faults, scope.each, say))
            if number < scope.rounds:
                _learn(world, journal, policy, say)
        _sum_up(results, say)
    return results


def _tell_story(world: World, storyteller: Storyteller, faults: Random, say: Say) -> None:
    say("== A payments service, its Prometheus, and an agent with one policy. Time is virtual; all else is real.")
    storyteller.telling = True
    for name in STORY:
        fault = draw_named(name, faults)
        say(f"\n-- Behind the scenes something breaks ({name}); the agent sees only metrics")
        storyteller.begin(world.clock.now())
        if world.strike(fault) is None:
            say("   the agent saw nothing that its trigger calls an incident, and did nothing")
    storyteller.telling = False


def _round(world: World, journal: Journal, faults: Random, each: int, say: Say) -> RoundResult:
    drawn: list[Fault] = [draw_named(name, faults) for name in ROUND for _ in range(each)]
    faults.shuffle(drawn)
    known = set(journal.incidents())
    for number, fault in enumerate(drawn, 1):
        world.strike(fault)
        if number % 5 == 0 and number < len(drawn):
            say(f"   {number} of {len(drawn)}")
    incidents = [fold(r.entry for r in journal.read(s)) for s in journal.incidents() if s not in known]
    result = _result([incident for incident in incidents if incident.result is not Result.DISMISSED])
    say(
        f"   {result.recovered} recovered, {result.escalated} handed to people;"
        f" {result.minutes:.1f} min and {result.actions:.2f} actions an incident"
    )
    return result


def _result(incidents: Sequence[Incident]) -> RoundResult:
    escalated = sum(incident.result is Result.ESCALATED for incident in incidents)
    return RoundResult(
        recovered=len(incidents) - escalated,
        escalated=escalated,
        minutes=mean(((i.closed_at or i.opened_at) - i.opened_at) / 60 for i in incidents),
        actions=mean(sum(1 for _ in i.every_attempt()) for i in incidents),
    )


def _learn(world: World, journal: Journal, policy: Policy, say: Say) -> None:
    retrained = retrain(journal, policy, world.clock.now(), "demo")
    apply_retrained(journal, retrained)
    world.loop.use_policies({policy.name: policy})
    _tell_ranking(retrained, policy, say)


def _tell_ranking(retrained: Retrained, policy: Policy, say: Say) -> None:
    say(f"\n== Retrained on {retrained.ranking.attempts} attempts")
    say(f"   gate: {retrained.verdict.text}")
    for node in policy.nodes():
        if isinstance(node, Choose):
            say(f"   written order of '{node.id}': {', '.join(child.id for child in node.children)}")
    for description in describe(retrained.ranking, policy):
        for line in str(description).splitlines():
            say(f"   {line}")


def _sum_up(results: Sequence[RoundResult], say: Say) -> None:
    say("\n== What learning did")
    say("   round  order    recovered  to people  min/incident  actions/incident")
    for number, result in enumerate(results, start=1):
        order = "written" if number == 1 else "learnt"
        say(
            f"   {number:<6} {order:<8} {result.recovered:<10} {result.escalated:<10}"
            f" {result.minutes:<13.1f} {result.actions:.2f}"
        )
    first, last = results[0].minutes, results[-1].minutes
    say(f"   mean time to recovery: {first:.1f} -> {last:.1f} min ({(last - first) / first:+.0%})")
