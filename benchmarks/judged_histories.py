"""Histories to judge rankings by: worlds of `benchmarks.learning`, played under an order whose true worth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.learning.worlds import ESCALATION_S, TRIES_MAX, VERIFY_FAILED_S, VERIFY_OK_S, World

from homeostat.learn.buffers import Table
from homeostat.learn.columns import DECISION_DTYPES, SIGNAL, TEXT
from homeostat.learn.dataset import TRAINING_COLUMNS
from homeostat.learn.evaluation.causes import Imputation
from homeostat.learn.evaluation.imputation import Costs
from homeostat.learn.evaluation.logged import Logged, logged_incidents
from homeostat.learn.evaluation.orders import Order, next_choice
from homeostat.learn.evaluation.replay import follow, value
from homeostat.learn.features import Floats
from homeostat.learn.ranker import choose_nodes, labelled_trials
from homeostat.learn.samples import Ints
from homeostat.model.policy import ActionSpec, Choose, Do, Effect, Escalate, Policy, Retry, Steps, Verify, Window
from homeostat.model.reasons import AttemptVerdict
from homeostat.model.signals import Condition, SignalSpec, SignalType

NODE = "remedy"
DAY_S = 86_400.0
NEVER = Condition("signal0 > 1e9", ("signal0",), lambda values: None)  # noqa: ARG005 - nothing is verified here


def policy_of(world: World) -> Policy:
    """The world's candidates in written order; people take as long as they do there."""
    facts = world.facts
    children = tuple(
        _candidate(name, takes_s) for name, takes_s in zip(facts.candidates, facts.declared_s, strict=True)
    )
    texts = _texts(world)
    signals = {name: SignalSpec(name, name, max_age_s=30.0) for name in facts.numbers}
    signals |= {name: SignalSpec(name, name, 30.0, SignalType.TEXT, "label") for name in texts}
    return Policy(
        name="world",
        owner="bench",
        hash="hash",
        signals=signals,
        harm=NEVER,
        trigger=Window(NEVER, for_s=1.0),
        resolved=Window(NEVER, for_s=1.0),
        escalate=Escalate("people", "oncall"),
        root=Steps("plan", (Choose(NODE, children),)),
        timeout_s=1e6,
        attempts_max=TRIES_MAX,
        rto_s=ESCALATION_S,
    )


def _candidate(name: str, takes_s: float) -> Do:
    action = ActionSpec(name, "fake", {}, takes_s=takes_s)
    verify = Verify(NEVER, for_s=VERIFY_OK_S, within_s=VERIFY_FAILED_S)
    return Do(name, action, f"svc/{name}", {}, Effect.SAFE, 50_000.0, verify, Retry())


def _texts(world: World) -> tuple[str, ...]:
    return (*(f"category{i}" for i in range(len(world.facts.categories))), "pattern")


def contexts(world: World, incidents: Ints) -> pd.DataFrame:
    """One row per incident: its signals."""
    facts, draws = world.facts, world.draws
    columns: dict[str, Any] = {SIGNAL + name: draws.numbers[incidents, i] for i, name in enumerate(facts.numbers)}
    levels = (*facts.categories, facts.patterns)
    codes = np.column_stack([draws.categories, draws.patterns])[incidents]
    for place, name in enumerate(_texts(world)):
        columns[TEXT + name] = pd.Series([levels[place][code] for code in codes[:, place]], dtype="str")
    return pd.DataFrame(columns)


@dataclass(frozen=True)
class Stage:
    """Some incidents of a world without anything tried: where orders can be followed."""

    world: World
    incidents: Ints
    bare: Logged

    @property
    def policy(self) -> Policy:
        return policy_of(self.world)


def stage(world: World, incidents: Sequence[int] | Ints) -> Stage:
    """Set the stage for some incidents."""
    numbers = np.asarray(incidents, dtype=np.intp)
    names = world.facts.candidates
    rows = [_row(int(number), place, names[0], 1.0, names, (), works=False) for place, number in enumerate(numbers)]
    decisions = _frame(rows, contexts(world, numbers))
    policy = policy_of(world)
    logged = logged_incidents(labelled_trials(decisions, _node(policy)), _node(policy), policy)
    return Stage(world, numbers, logged.without_facts())


@dataclass(frozen=True)
class TrueValue:
    """What an order comes to, exactly: seconds to recovery and harmful attempts in an incident."""

    seconds: float
    harms: float


def true_value(on: Stage, order: Order) -> TrueValue:
    """The order's expectation on these contexts: the world knows all but the cause.

    Harm is by each candidate's rate among all draws.
    """
    truth = on.world.truth
    imputed = Imputation(truth.posterior[on.incidents], truth.success[on.incidents])
    run_s = np.asarray(truth.run_s)
    harm = on.world.draws.harms.mean(axis=0)
    costs = Costs(run_s + VERIFY_OK_S, run_s + VERIFY_FAILED_S, harm)
    replayed = value(follow(order, on.bare), on.bare, imputed, costs)
    return TrueValue(float(replayed.seconds.mean()), float(replayed.harms.mean()))


def played(on: Stage, order: Order, share: float, seed: int) -> pd.DataFrame:
    """The decisions frame of these incidents under an order.

    Args:
        on: the incidents.
        order: what rules.
        share: of choices that are drawn evenly from all that are left, as propensities say.
        seed: of those draws.
    """
    random = np.random.default_rng([seed, 77])
    draws, names = on.world.draws, on.world.facts.candidates
    count = len(on.incidents)
    numbers, failed = np.arange(count), np.zeros((count, len(names)), dtype=bool)
    before: list[tuple[str, ...]] = [() for _ in numbers]
    going = np.ones(count, dtype=bool)
    rows: list[tuple[int, int, dict[str, Any]]] = []
    for step in range(min(TRIES_MAX, len(names))):
        best = next_choice(order, on.bare.rows[:, 0], failed, ~failed)
        chances = share * ~failed / (~failed).sum(axis=1, keepdims=True)
        chances[numbers, best] += 1.0 - share
        choice = _draw(random, chances)
        for place in np.flatnonzero(going).tolist():
            number, pick = int(on.incidents[place]), int(choice[place])
            works = bool(draws.works[number, pick])
            chance, left = float(chances[place, pick]), tuple(np.array(names)[~failed[place]].tolist())
            row = _row(number, place, names[pick], chance, left, before[place], works=works)
            row["propensities"] = tuple(chances[place, ~failed[place]].tolist())
            row["total_s"] = draws.runs_s[number, pick] + (VERIFY_OK_S if works else VERIFY_FAILED_S)
            if draws.harms[number, pick] and not works:  # a verdict is one thing: what worked is effective
                row |= {"verdict": AttemptVerdict.HARMFUL, "harmful": True}
            rows.append((place, step, row))
            before[place] = (*before[place], names[pick])
            going[place] = not works
        failed[numbers, choice] = True
        if not going.any():
            break
    rows.sort(key=lambda row: row[:2])
    seen = contexts(on.world, on.incidents[[place for place, _, _ in rows]])
    return _frame([row for _, _, row in rows], seen)


def _frame(rows: Sequence[dict[str, Any]], signals: pd.DataFrame) -> pd.DataFrame:
    table = Table({name: dtype for name, dtype in DECISION_DTYPES.items() if name in TRAINING_COLUMNS})
    for row in rows:
        table.append(row)
    frame: pd.DataFrame = pd.concat([table.frame(), signals], axis="columns")
    return frame


def _draw(random: np.random.Generator, chances: Floats) -> Ints:
    at_most = np.cumsum(chances, axis=1)
    return np.asarray(np.minimum((random.random((len(chances), 1)) > at_most).sum(axis=1), chances.shape[1] - 1))


def _row(
    number: int,
    place: int,
    chosen: str,
    propensity: float,
    left: tuple[str, ...],
    failed: tuple[str, ...],
    *,
    works: bool,
) -> dict[str, Any]:
    return {
        "incident": f"i{number:05d}",
        "opened_at": place * DAY_S,
        "node": NODE,
        "kind": "choose",
        "chosen": chosen,
        "failed": failed,
        "eligible": left,
        "propensities": tuple(float(name == chosen) for name in left),
        "propensity": propensity,
        "runs": ((chosen, chosen, f"svc/{chosen}"),),
        "total_s": 60.0,
        "verdict": AttemptVerdict.EFFECTIVE if works else AttemptVerdict.INEFFECTIVE,
        "harmful": False,
        "succeeded": works,
        "relapsed": False,
        "mature": True,
        "weight": 1.0,
    }


def _node(policy: Policy) -> Choose:
    return next(choose_nodes(policy))
