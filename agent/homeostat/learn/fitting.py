"""Fit everything a node's ranking consists of to its samples: members, how they are mixed, costs and harm.

The one place where a node's ranking comes from: scheduled retraining, the gate's held-out fits and the benchmarks call
`fit_node`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from homeostat.learn.costs import Cost, shrunk_mean_s
from homeostat.learn.members.member import Member
from homeostat.learn.members.pooled import PooledLogistic
from homeostat.learn.samples import Samples
from homeostat.model.ranking import Candidate, Feature, NodeRanking, Stack

MEMBERS: tuple[Member, ...] = (PooledLogistic(),)


@dataclass(frozen=True, slots=True)
class Declared:
    """What the policy's author lets one expect of a candidate.

    Attributes:
        limit_s: no trial takes longer by itself.
        certain: it always ends the search, as calling people does.
    """

    id: str
    cost: Cost
    limit_s: float
    certain: bool = False


def fit_node(
    samples: Samples,
    features: tuple[Feature, ...],
    declared: Sequence[Declared],
    *,
    harm_s: float = 0.0,
    previous: NodeRanking | None = None,
) -> NodeRanking:
    """Fit a node's ranking.

    Args:
        samples: any number of labelled trials, oldest first.
        features: what their columns mean.
        declared: the M candidates, in the order of `samples.candidate`.
        harm_s: see `NodeRanking`.
        previous: the node's ranking on most of these samples: where to start from.
    """
    before = {model.name: model for model in previous.members} if previous is not None else {}
    members = tuple(member.fit(samples, before.get(member.name)) for member in MEMBERS)
    candidates = tuple(_candidate(samples, place, one) for place, one in enumerate(declared))
    return NodeRanking(features, candidates, members, Stack(0.0, (1.0,)), harm_s=harm_s)


def _candidate(samples: Samples, place: int, declared: Declared) -> Candidate:
    own = samples.take(samples.candidate == place)
    known = ~np.isnan(own.seconds)
    return Candidate(
        declared.id,
        cost_success_s=shrunk_mean_s(own.seconds[known & own.verified], declared.cost.success_s, declared.limit_s),
        cost_failure_s=shrunk_mean_s(own.seconds[known & ~own.verified], declared.cost.failure_s, declared.limit_s),
        certain=declared.certain,
        attempts=float(own.weight.sum()),
        successes=float(own.weight[own.succeeded].sum()),
        harms=float(own.weight[own.harmful].sum()),
    )
