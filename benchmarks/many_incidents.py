"""A journal of many incidents of a shipped policy, written through the real store.

The entries are made here, as the loop would have journalled them without its snapshots in between: suspicion,
confirmation, decisions with all options, intents, outcomes, verdicts, recovery. A hidden cause draws the signals and
which actions help; the order tried is the written one, from a random start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from benchmarks.peers import ROOT
from numpy.random import Generator, default_rng

from homeostat.model import entries as e
from homeostat.model.policy import Choose, Do, Policy
from homeostat.model.ports import Batch, Journal
from homeostat.model.reasons import AttemptVerdict, EscalationReason, OutcomeStatus, Result
from homeostat.model.signals import Value
from homeostat.policy.load import load_policy

POLICY = ROOT / "policies/payments-5xx.homeostat.yaml"
NODE = "remedy"
CAUSES = 6
BEGIN = 1_700_000_000.0
BETWEEN_S = 7_200.0
BATCH_INCIDENTS = 500
VERIFIES_S, GIVES_UP_S = 120.0, 300.0


@dataclass(frozen=True)
class World:
    """What is hidden: each cause's signals, and how often each action cures it.

    Attributes:
        centres: (causes, signals). cures: (causes, candidates). takes_s: (candidates,).
    """

    centres: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    cures: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    takes_s: np.ndarray[tuple[int], np.dtype[np.float64]]


def the_policy() -> Policy:
    """The shipped policy whose `remedy` is learnt."""
    return load_policy(POLICY)


def remedy_of(policy: Policy) -> Choose:
    """Its `choose` node."""
    return next(node for node in policy.nodes() if isinstance(node, Choose) and node.id == NODE)


def write(journal: Journal, policy: Policy, attempts: int, seed: int) -> int:
    """Append incidents until there are that many attempts; give the number of incidents."""
    random = default_rng(seed)
    world = _world(random, len(policy.signals), len(remedy_of(policy).children))
    written, incidents = 0, 0
    while written < attempts:
        batches = []
        for _ in range(BATCH_INCIDENTS):
            if written >= attempts:
                break
            entries, tried = _incident(policy, world, random, incidents)
            batches.append(Batch(_name(incidents), 0, entries))
            written, incidents = written + tried, incidents + 1
        journal.append(batches)
    return incidents


def _name(number: int) -> str:
    return f"{number:08x}-bench-0000-0000-000000000000"


def _world(random: Generator, signals: int, candidates: int) -> World:
    cures = random.uniform(0.02, 0.15, (CAUSES, candidates))
    cures[np.arange(CAUSES), np.arange(CAUSES) % candidates] = 0.85
    cures[np.arange(CAUSES), (np.arange(CAUSES) + 2) % candidates] = 0.5
    return World(random.normal(0.0, 1.5, (CAUSES, signals)), cures, random.uniform(20.0, 120.0, candidates))


def _incident(policy: Policy, world: World, random: Generator, number: int) -> tuple[list[e.Entry], int]:
    cause = int(random.integers(CAUSES))
    values = np.exp(random.normal(world.centres[cause], 1.0))
    known = random.random(len(values)) > 0.1
    context: dict[str, Value] = {
        name: float(value) if is_known else None
        for name, value, is_known in zip(policy.signals, values.tolist(), known.tolist(), strict=True)
    }
    at = BEGIN + number * BETWEEN_S
    name = _name(number)
    opened = e.Suspected(at=at, incident=name, policy=policy.name, policy_hash=policy.hash, dedup_key=name, seed=number)
    entries: list[e.Entry] = [opened, e.Confirmed(at=at)]
    tried = 0
    for attempt in _attempts(policy, world, random, cause, context, name, at):
        entries += attempt
        tried += 1
    last = entries[-1]
    assert isinstance(last, e.AttemptEnded)
    if last.succeeded:
        return [*entries, e.Recovered(at=last.at), e.Closed(at=last.at, result=Result.RECOVERED)], tried
    called = e.Escalated(at=last.at, reason=EscalationReason.PLAN_FAILED, to="people", severity="critical", node=NODE)
    return [*entries, called, e.Closed(at=last.at + 600.0, result=Result.ESCALATED)], tried


def _attempts(
    policy: Policy,
    world: World,
    random: Generator,
    cause: int,
    context: dict[str, Value],
    incident: str,
    at: float,
) -> Iterator[list[e.Entry]]:
    """Try candidates in turn until one works; the first is drawn."""
    children = [child for child in remedy_of(policy).children if isinstance(child, Do)]
    places = np.roll(np.arange(len(children)), -int(random.integers(len(children)))).tolist()
    works = random.random(len(children)) < world.cures[cause]
    runs_s = world.takes_s * random.lognormal(0.0, 0.5, len(children))
    failed: list[str] = []
    for place in places:
        leaf = children[place]
        key = f"{incident}/{leaf.id}/1"
        options = tuple(e.Option(id=c.id, eligible=c.id not in failed, propensity=float(c is leaf)) for c in children)
        yield [
            e.Decided(
                at=at, node=NODE, kind="choose", chosen=leaf.id, options=options, context=context, failed=tuple(failed)
            ),
            e.ActionIntended(
                at=at, incident=incident, key=key, node=leaf.id, action=leaf.action.name, target=leaf.target,
                arguments={}, effect=leaf.effect, number=1, deadline_at=at + leaf.timeout_s, held_before=False,
            ),
            e.ActionEnded(
                at=float(at + runs_s[place]), key=key, status=OutcomeStatus.OK, duration_s=float(runs_s[place])
            ),
            _verdict(key, at + runs_s[place], works=bool(works[place])),
        ]  # fmt: skip
        if works[place]:
            return
        failed.append(leaf.id)
        at += float(runs_s[place]) + GIVES_UP_S


def _verdict(key: str, ran_at: float, *, works: bool) -> e.AttemptEnded:
    verdict = AttemptVerdict.EFFECTIVE if works else AttemptVerdict.INEFFECTIVE
    return e.AttemptEnded(
        at=float(ran_at + (VERIFIES_S if works else GIVES_UP_S)), key=key, verdict=verdict, succeeded=works
    )
