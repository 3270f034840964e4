"""Which model of recovery planning fits: a table of rules, each with its reason, and the sum of their points.

The points are judgement, written where they can be argued with; the times are computed. What a model really brings on
your incidents is measured by simulation, not by this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from homeostat.authoring.systems import Facts, Team
from homeostat.policy.units import format_seconds

SAVING_WORTHWHILE = 0.25
"""The share of the sequential time that running at once must save to be worth its failure modes."""

SIGNALS_FEW, SIGNALS_MANY = 3, 8
SYSTEMS_FEW, SYSTEMS_MANY = 3, 5


class Model(StrEnum):
    """The models. `hybrid` nests the others: what is independent at once, what is uncertain as a choice."""

    LINEAR = "linear"
    PARALLEL = "parallel"
    ADAPTIVE = "adaptive"
    HYBRID = "hybrid"


Points = Mapping[Model, int]
L, P, A, H = Model.LINEAR, Model.PARALLEL, Model.ADAPTIVE, Model.HYBRID


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: when it applies, why, and what it gives to which model.

    Attributes:
        why: for people; `{rto}`, `{times}`, `{saving}`, `{systems}` and `{signals}` stand for what the facts say.
    """

    name: str
    applies: Callable[[Facts], bool]
    why: str
    points: Points


@dataclass(frozen=True, slots=True)
class Advice:
    """The answer.

    Attributes:
        model: the one with the most points; the simpler one of equals.
        scores: of every model.
        reasons: the rules that applied, with what they said.
        warnings: what no model mends.
    """

    model: Model
    scores: Points
    reasons: tuple[tuple[Rule, str], ...]
    warnings: tuple[str, ...]


def _in_time(seconds: float, facts: Facts) -> bool:
    return facts.rto_s is None or seconds <= facts.rto_s


def _saving(facts: Facts) -> float:
    return 1 - facts.critical_path_s / facts.sequential_s


def _tight(facts: Facts) -> bool:
    """The order costs the RTO, and running at once saves it."""
    return not _in_time(facts.sequential_s, facts) and _in_time(facts.critical_path_s, facts)


def _said(why: str, facts: Facts) -> str:
    return why.format(
        rto=format_seconds(facts.rto_s or 0),
        times=f"{format_seconds(facts.sequential_s)} in order, {format_seconds(facts.critical_path_s)} at once",
        saving=_saving(facts),
        systems=_counted(len(facts.systems), "system"),
        signals=_counted(facts.signals, "signal"),
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "order-is-in-time",
        lambda facts: facts.rto_s is not None and _in_time(facts.sequential_s, facts),
        "strict order keeps the RTO of {rto}: {times}",
        {L: 2},
    ),
    Rule(
        "only-at-once-in-time",
        _tight,
        "only running at once keeps the RTO of {rto}: {times}",
        {P: 4, H: 2},
    ),
    Rule(
        "neither-in-time",
        lambda facts: not _in_time(facts.critical_path_s, facts),
        "even at once it is longer than the RTO of {rto}: {times}",
        {P: 2, H: 2},
    ),
    Rule(
        "a-chain",
        lambda facts: facts.critical_path_s >= facts.sequential_s,
        "each system waits for the one before, or there is only one: nothing can run at once",
        {L: 2, P: -3},
    ),
    Rule(
        "worth-running-at-once",
        lambda facts: _saving(facts) >= SAVING_WORTHWHILE,
        "running at once saves {saving:.0%} of the time: {times}",
        {P: 2, H: 1},
    ),
    Rule(
        "few-systems",
        lambda facts: len(facts.systems) <= SYSTEMS_FEW,
        "{systems}: a list of steps can be read at a glance",
        {L: 1},
    ),
    Rule(
        "many-systems",
        lambda facts: len(facts.systems) >= SYSTEMS_MANY,
        "{systems}: one order for all of them is hard to keep right",
        {P: 1, H: 1},
    ),
    Rule(
        "beginners",
        lambda facts: facts.team is Team.BEGINNER,
        "a team new to automatic recovery: one step at a time can be followed, rehearsed and stopped",
        {L: 3, P: -1, A: -2, H: -3},
    ),
    Rule(
        "advanced-team",
        lambda facts: facts.team is Team.ADVANCED,
        "a team used to automatic recovery can test plans that branch",
        {A: 1, H: 1},
    ),
    Rule(
        "causes-unknown",
        lambda facts: facts.causes_known is False,
        "the symptoms do not tell the cause: which cure to try first is to be learnt",
        {A: 4, H: 2, L: -1},
    ),
    Rule(
        "causes-known",
        lambda facts: facts.causes_known is True,
        "the cause is known, and so are the steps: there is nothing to choose",
        {L: 1, P: 1, A: -3},
    ),
    Rule(
        "unknown-and-tight",
        lambda facts: facts.causes_known is False and _tight(facts),
        "the cause is open and the time is short: a choice first, and what is independent at once",
        {H: 4},
    ),
    Rule(
        "too-few-signals",
        lambda facts: facts.signals < SIGNALS_FEW,
        "{signals}: too few to tell cures apart or to see that one helped",
        {A: -3, H: -1},
    ),
    Rule(
        "many-signals",
        lambda facts: facts.signals >= SIGNALS_MANY,
        "{signals}: enough to tell cures apart",
        {A: 1, H: 1},
    ),
    Rule(
        "changes-often",
        lambda facts: facts.changes_often,
        "the systems change often: a written order grows old, a learnt one is retrained",
        {A: 1, H: 1, L: -1},
    ),
)
"""The table. Every rule that applies adds its points; `docs/choosing-a-model.md` shows it."""


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def advise(facts: Facts) -> Advice:
    """Weigh the models for these systems."""
    reasons = tuple((rule, _said(rule.why, facts)) for rule in RULES if rule.applies(facts))
    scores = {model: sum(rule.points.get(model, 0) for rule, _ in reasons) for model in Model}
    best = max(Model, key=lambda model: scores[model])
    warnings = []
    if not _in_time(facts.critical_path_s, facts):
        warnings.append(
            f"no model keeps the RTO: the critical path alone takes {format_seconds(facts.critical_path_s)};"
            " a standby, or faster steps, would"
        )
    if facts.assumed:
        warnings.append(f"the times of {', '.join(facts.assumed)} are assumed; measure them and say --takes")
    if facts.rto_s is None:
        warnings.append("no RTO was given: the times are held against nothing")
    if facts.causes_known is None:
        warnings.append("whether the causes are known was not said; --causes-known no speaks for a learnt choice")
    return Advice(best, scores, reasons, tuple(warnings))
