"""Say in words what a ranking has learnt, for `rankings show`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from homeostat.decide.ranking import rank
from homeostat.learn.ranker import choose_nodes
from homeostat.model.entries import Option
from homeostat.model.policy import Policy
from homeostat.model.ranking import CandidateModel, Feature, NodeRanking, Ranking
from homeostat.policy.units import format_reading

PUSHES_MAX = 3
"""How many signals are named for each candidate."""

_PUSH_MIN = 0.1
"""A change of the log odds smaller than this is not worth a word."""


@dataclass(frozen=True, slots=True)
class Push:
    """How one signal moves a candidate's odds.

    Attributes:
        odds_ratio: by what the odds are multiplied when the signal goes from its median to `at`, or, where `at` is
            None, when it is unknown.
    """

    signal: str
    at: float | None
    odds_ratio: float

    def __str__(self) -> str:
        state = "unknown" if self.at is None else f"up at {format_reading(self.at)}"
        return f"odds x{self.odds_ratio:.2g} with {self.signal} {state}"


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One candidate at a typical context: every signal known and at its median, nothing failed yet.

    Attributes:
        place: 1 for the first to be tried, the one with the highest index.
        index: probability / cost_s.
        attempts, successes: weighted counts it was learnt from.
        pushes: the strongest first.
    """

    place: int
    candidate: str
    attempts: float
    successes: float
    probability: float
    cost_s: float
    index: float
    pushes: tuple[Push, ...]

    def __str__(self) -> str:
        evidence = f"worked {self.successes:g} of {self.attempts:g} times" if self.attempts else "never tried"
        numbers = f"index {self.index * 1000:.3g}/1000 s = p {self.probability:.2f} in about {self.cost_s:.0f} s"
        pushes = "".join(f"; {push}" for push in self.pushes)
        return f"{self.place}. {self.candidate}: {numbers} ({evidence}){pushes}"


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """What is known of one `choose` node; `rows` is empty where the written order stands."""

    node: str
    rows: tuple[CandidateRow, ...]

    def __str__(self) -> str:
        if not self.rows:
            return f"{self.node}: written order, nothing learnt"
        return "\n".join(
            [f"{self.node}: order at typical signals, highest index first", *(f"  {row}" for row in self.rows)]
        )


def describe(ranking: Ranking, policy: Policy) -> list[NodeDescription]:
    """One description per `choose` node of the policy, in written order; `str()` of each is for people."""
    descriptions = []
    for node in choose_nodes(policy):
        model = ranking.nodes.get(node.id)
        written = [child.id for child in node.children]
        known = model is not None and all(candidate in model.candidates for candidate in written)
        descriptions.append(NodeDescription(node.id, _rows(model, written) if model and known else ()))
    return descriptions


def _rows(model: NodeRanking, written: list[str]) -> tuple[CandidateRow, ...]:
    typical: Mapping[str, float] = {feature.signal: feature.median for feature in model.features}
    ranked, _ = rank(model, [Option(id=candidate, eligible=True) for candidate in written], typical, ())
    return tuple(_row(place, option, model) for place, option in enumerate(ranked, start=1))


def _row(place: int, option: Option, node: NodeRanking) -> CandidateRow:
    model = node.candidates[option.id]
    return CandidateRow(
        place,
        option.id,
        model.attempts,
        model.successes,
        probability=option.probability or 0.0,
        cost_s=option.cost_s or 0.0,
        index=option.index or 0.0,
        pushes=_pushes(node.features, model),
    )


def _pushes(features: tuple[Feature, ...], model: CandidateModel) -> tuple[Push, ...]:
    """A weight is the change of log odds when its feature goes from 0 to 1, which is asinh turned round."""
    moves = [
        (weight, Push(feature.signal, feature.median + feature.spread * math.sinh(1.0) / 1.35, math.exp(weight)))
        for feature, weight in zip(features, model.weights, strict=True)
    ]
    moves += [
        (missing, Push(feature.signal, None, math.exp(missing)))
        for feature, missing in zip(features, model.missing, strict=True)
    ]
    strongest = sorted((move for move in moves if abs(move[0]) >= _PUSH_MIN), key=lambda move: -abs(move[0]))
    return tuple(push for _, push in strongest[:PUSHES_MAX])
