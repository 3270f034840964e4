"""Say in words what a ranking has learnt, for `rankings show`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homeostat.decide.ranking import rank
from homeostat.decide.scoring import feature_columns, success_probabilities
from homeostat.model.entries import Option
from homeostat.model.policy import Choose, Policy
from homeostat.model.ranking import ActionChange, NodeRanking, Ranking
from homeostat.model.signals import Value
from homeostat.policy.units import format_reading

PUSHES_MAX = 3
"""How many signals are named for each candidate."""

DEFERRED = "deferred until something else has failed"

_PUSH_MIN = 0.1
"""A change of the log odds smaller than this is not worth a word."""


@dataclass(frozen=True, slots=True)
class Push:
    """How one signal moves a candidate's odds.

    Attributes:
        odds_ratio: by what the odds are multiplied when the signal goes from `usual`, its median, to `at`, or, where
            `at` is None, when it is unknown.
    """

    signal: str
    at: float | None
    usual: float
    odds_ratio: float

    def __str__(self) -> str:
        if self.at is None:
            return f"odds x{self.odds_ratio:.2g} with {self.signal} unknown"
        instead = f"{format_reading(self.at)} instead of {format_reading(self.usual)}"
        return f"odds x{self.odds_ratio:.2g} with {self.signal} at {instead}"


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One candidate at a typical context: every signal known and at its median, nothing failed yet.

    Attributes:
        place: 1 for the first to be tried, the one with the highest index.
        low, high: the probability lies between them nine times in ten; None where nothing is known of that.
        index: probability / cost_s, harm counted as time.
        harm: expected share of trials that do harm.
        attempts, successes: weighted counts it was learnt from.
        pushes: the strongest first.
        deferred: it comes after the others until something has failed.
    """

    place: int
    candidate: str
    attempts: float
    successes: float
    probability: float
    cost_s: float
    index: float
    pushes: tuple[Push, ...]
    low: float | None = None
    high: float | None = None
    harm: float = 0.0
    deferred: bool = False

    def __str__(self) -> str:
        evidence = f"worked {self.successes:g} of {self.attempts:g} times" if self.attempts else "never tried"
        between = "" if self.low is None or self.high is None else f" ({self.low:.2f}..{self.high:.2f})"
        chance = f"p {self.probability:.2f}{between} in about {self.cost_s:.0f} s"
        numbers = f"index {self.index * 1000:.3g}/1000 s = {chance}"
        pushes = "".join(f"; {push}" for push in self.pushes)
        deferred = f"; {DEFERRED}" if self.deferred else ""
        return f"{self.place}. {self.candidate}: {numbers} ({evidence}){deferred}{pushes}"


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """What is known of one `choose` node; `rows` is empty where the written order stands.

    Attributes:
        changes: in words, which actions work otherwise than they did.
        unknown: candidates of today that the ranking does not know; with any it decides nothing.
    """

    node: str
    rows: tuple[CandidateRow, ...]
    changes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.rows:
            return f"{self.node}: {why_written(self.unknown)}"
        head = f"{self.node}: order at typical signals, highest index first"
        return "\n".join([head, *(f"  {row}" for row in self.rows), *(f"  {change}" for change in self.changes)])


def describe(ranking: Ranking, policy: Policy) -> list[NodeDescription]:
    """One description per `choose` node of the policy, in written order; `str()` of each is for people."""
    descriptions = []
    for node in (found for found in policy.nodes() if isinstance(found, Choose)):
        model = ranking.nodes.get(node.id)
        written = [child.id for child in node.children]
        unknown = unknown_to(model, node)
        if model is None or unknown:
            descriptions.append(NodeDescription(node.id, (), unknown=unknown))
        else:
            changes = tuple(_change_in_words(change) for change in model.changes)
            descriptions.append(NodeDescription(node.id, _rows(model, written), changes))
    return descriptions


def unknown_to(model: NodeRanking | None, node: Choose) -> tuple[str, ...]:
    """The node's candidates of today that a model does not know; none where there is no model."""
    return () if model is None else model.unknown(child.id for child in node.children)


def why_written(unknown: Sequence[str]) -> str:
    """Say that the written order stands; `unknown`: see `unknown_to`."""
    if not unknown:
        return "written order, nothing learnt"
    names = " and ".join(f"'{name}'" for name in unknown)
    return f"written order, until it is retrained: the ranking does not know {names}"


def _change_in_words(change: ActionChange) -> str:
    how = "less often" if change.worse else "more often"
    return (
        f"{change.candidate} works {how} than it did, for {change.trials} trials now; what it did before hardly counts"
    )


def _rows(node: NodeRanking, written: list[str]) -> tuple[CandidateRow, ...]:
    ranked, _ = rank(node, [Option(id=candidate, eligible=True) for candidate in written], typical(node), ())
    return tuple(_row(place, option, node) for place, option in enumerate(ranked, start=1))


def typical(node: NodeRanking) -> dict[str, Value]:
    """Every number at its median, every text at its first category."""
    return {f.signal: f.categories[0] if f.categories else f.median for f in node.features}


def _row(place: int, option: Option, node: NodeRanking) -> CandidateRow:
    candidate = node.candidates[node.places[option.id]]
    return CandidateRow(
        place,
        option.id,
        candidate.attempts,
        candidate.successes,
        probability=option.probability or 0.0,
        cost_s=option.cost_s or 0.0,
        index=option.index or 0.0,
        pushes=_pushes(node, node.places[option.id]),
        low=option.probability_low,
        high=option.probability_high,
        harm=option.harm or 0.0,
        deferred=option.id in node.deferred,
    )


def _pushes(node: NodeRanking, place: int) -> tuple[Push, ...]:
    """What moves a candidate's odds away from those at the typical context; `at` is where a feature's column is 1."""
    at_typical = typical(node)
    usual = _odds(node, at_typical, place)
    moves: list[tuple[float, Push]] = []
    for feature in node.features:
        up = feature.median + feature.spread * math.sinh(1.0) / 1.35
        for at in (None,) if feature.categories else (up, None):
            ratio = _odds(node, {**at_typical, feature.signal: at}, place) / usual
            moves.append((abs(math.log(ratio)), Push(feature.signal, at, feature.median, ratio)))
    strongest = sorted((move for move in moves if move[0] >= _PUSH_MIN), key=lambda move: -move[0])
    return tuple(push for _, push in strongest[:PUSHES_MAX])


def _odds(node: NodeRanking, values: Mapping[str, Value], place: int) -> float:
    probability = success_probabilities(node, feature_columns(node.features, values), ())[place]
    return probability / max(1.0 - probability, 1e-12)
