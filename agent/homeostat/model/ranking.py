"""A learnt order of candidates, as plain numbers. `learn/` makes them; `decide/ranking.py` uses them.

A node has M candidates, in the order of `NodeRanking.candidates`, and sees D columns of context: of each number signal
its value and a flag for unknown, of each text signal a flag for every category and one for unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

Vector = tuple[float, ...]
Matrix = tuple[Vector, ...]


class Feature(Struct, frozen=True):
    """How one signal becomes columns.

    A number becomes clip(asinh(1.35 (x - median) / spread), -5, 5) and a flag; where it is unknown, 0 and 1. A text
    becomes one flag for each of its `categories` and one for everything else: unknown, or never seen in training.

    Attributes:
        spread: interquartile range of the signal in training, never 0.
        categories: of a text signal, at least one; empty for a number.
    """

    signal: str
    median: float = 0.0
    spread: float = 1.0
    categories: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many columns it becomes."""
        return len(self.categories) + 1 if self.categories else 2


class LinearModel(Struct, frozen=True, tag="linear"):
    """logit P(a works | x, F failed) = intercepts[a] + weights[a] . x + sum of failed[a][b] over b in F.

    Attributes:
        name: of the member that was fitted.
        intercepts: (M,). weights: (M, D). failed: (M, M).
    """

    name: str
    intercepts: Vector
    weights: Matrix
    failed: Matrix


class LatentModel(Struct, frozen=True, tag="latent"):
    """P(a works | x, F failed) = sum over K hidden causes of v_k success[k][a].

    v_k is proportional to softmax(gate_intercepts + gate_weights x)_k times the product of (1 - success[k][b]) over b
    in F: what has failed is evidence about the cause.

    Attributes:
        gate_intercepts: (K,). gate_weights: (K, D). success: (K, M), each between 0 and 1.
    """

    name: str
    gate_intercepts: Vector
    gate_weights: Matrix
    success: Matrix


MemberModel = LinearModel | LatentModel


class Stack(Struct, frozen=True):
    """How members are mixed: logit p = intercept + sum of weights[m] logit p_m.

    Attributes:
        weights: one for each member, not negative.
    """

    intercept: float
    weights: Vector


class Uncertainty(Struct, frozen=True):
    """How far off the logit may be: its standard deviation is sqrt(floors[a]^2 + |factors[a] (1, x)|^2).

    Attributes:
        floors: (M,), what is left where all columns are 0.
        factors: (M, R, 1 + D) for any small R; may be empty.
    """

    floors: Vector
    factors: tuple[Matrix, ...] = ()


class Candidate(Struct, frozen=True):
    """What is known of one candidate whatever the context.

    Attributes:
        id: of the child of the `choose` node.
        cost_success_s, cost_failure_s: expected seconds from the start of a trial to its verdict.
        harm: expected share of trials that do harm.
        certain: it always ends the search, as calling people does.
        attempts, successes, harms: weighted counts behind it.
    """

    id: str
    cost_success_s: float
    cost_failure_s: float
    harm: float = 0.0
    certain: bool = False
    attempts: float = 0.0
    successes: float = 0.0
    harms: float = 0.0


class GateFigures(Struct, frozen=True):
    """What the promotion gate estimated for one `choose` node, beside what ruled it then.

    Attributes:
        incidents: how many were replayed.
        mttr_s: mean seconds from the first choice to recovery.
        gain_s: seconds sooner than what ruled.
        gain_low_s, gain_high_s: its one-sided 95% bootstrap bounds. They hold what resampling shows, not what the
            judge's model has wrong: on short histories the true gain was below gain_low_s half of the time.
        first_success: share of incidents in which the first choice works.
        harms: harmful attempts in an incident.
        check: name of the estimator that was asked for a second opinion. check_gain_s: what it says.
    """

    incidents: int
    mttr_s: float
    ruling_mttr_s: float
    gain_s: float
    gain_low_s: float
    gain_high_s: float
    first_success: float
    ruling_first_success: float
    harms: float
    ruling_harms: float
    check: str
    check_gain_s: float


class ActionChange(Struct, frozen=True):
    """A candidate works otherwise than it did.

    Attributes:
        trials: of it since then, as far as can be told; what it did before hardly counts.
        worse: whether it works less often.
    """

    candidate: str
    trials: int
    worse: bool


class NodeRanking(Struct, frozen=True):
    """The model behind one `choose` node.

    Attributes:
        members: at least one.
        harm_s: how many seconds of an outage one harm is held to be worth.
        changes: the last one of each candidate that changed, in the order in which they were noticed.
        deferred: ids of candidates that come after all others while nothing has failed in the incident: the log does
            not know them as a first choice.
    """

    features: tuple[Feature, ...]
    candidates: tuple[Candidate, ...]
    members: tuple[MemberModel, ...]
    stack: Stack
    uncertainty: Uncertainty | None = None
    harm_s: float = 0.0
    changes: tuple[ActionChange, ...] = ()
    deferred: tuple[str, ...] = ()

    @property
    def places(self) -> dict[str, int]:
        """Row of each candidate by its id."""
        return {candidate.id: place for place, candidate in enumerate(self.candidates)}

    def unknown(self, candidates: Iterable[str]) -> tuple[str, ...]:
        """Those of some ids that it does not know; of today's candidates with any it decides nothing."""
        places = self.places
        return tuple(name for name in candidates if name not in places)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Everything learnt for one policy.

    Attributes:
        version: SHA-256 of the canonical JSON of all other fields.
        nodes: by id of the `choose` node.
        incidents, attempts: what it was trained on.
    """

    version: str
    policy: str
    trained_at: float
    incidents: int
    attempts: int
    nodes: Mapping[str, NodeRanking] = field(default_factory=dict)
