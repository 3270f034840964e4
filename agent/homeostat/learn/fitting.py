"""Fit everything a node's ranking consists of to its samples: members, how they are mixed, costs and harm.

The one place where a node's ranking comes from: scheduled retraining, the gate's held-out fits and the benchmarks call
`fit_node`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from homeostat.learn.costs import Cost, shrunk_mean_s
from homeostat.learn.drift import Change
from homeostat.learn.foretelling import INCIDENTS_MAX, Foretold, Memory, foretell, stack_of, weighted
from homeostat.learn.members.hierarchical import Hierarchical
from homeostat.learn.members.member import Member
from homeostat.learn.members.pooled import PooledLogistic
from homeostat.learn.members.registry import MEMBERS
from homeostat.learn.samples import Samples
from homeostat.learn.stacking import equal_shares
from homeostat.learn.uncertainty import uncertainty_of
from homeostat.model.ranking import ActionChange, Candidate, Feature, MemberModel, NodeRanking

HARM_RATE = 0.01
HARM_WEIGHT = 2.0
"""Before anything is known an action does harm this often; that counts as much as so many trials."""


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
    memory: Memory | None = None,
    members: Sequence[Member] = MEMBERS,
) -> NodeRanking:
    """Fit a node's ranking.

    Args:
        samples: any number of labelled trials, oldest first.
        features: what their columns mean.
        declared: the M candidates, in the order of `samples.candidate`.
        harm_s: see `NodeRanking`.
        previous: the node's ranking on most of these samples: where to start from.
        memory: for whoever fits after every incident: what is kept from call to call. Members that are not quick are
            then up to a tenth of the history old; everything else is as without.
        members: what foretells.
    """
    newest = samples.newest(INCIDENTS_MAX)
    foretold = foretell(newest, members, memory or Memory())
    changes = changes_of(samples, foretold)
    counted = weighted(samples, changes)
    before = {model.name: model for model in previous.members} if previous is not None else {}
    posterior = PooledLogistic().fit_posterior(counted, before.get(PooledLogistic.name))
    ready = foretold.models if memory is not None else ()
    if foretold.models:
        fitted = tuple(
            posterior.model() if isinstance(member, PooledLogistic) else _fit(member, counted, before, ready, place)
            for place, member in enumerate(members)
        )
        recent = weighted(newest, foretold.changes)
        stack = stack_of(recent, foretold.logits)
    else:
        only = posterior.model() if samples.columns.shape[1] else Hierarchical().fit(counted)
        fitted, stack = (only,), equal_shares(1)
    candidates = tuple(_candidate(samples, place, one) for place, one in enumerate(declared))
    changed = _changed(samples, changes, candidates)
    return NodeRanking(features, candidates, fitted, stack, uncertainty_of(posterior, counted), harm_s, changed)


def as_counted(samples: Samples, members: Sequence[Member] = MEMBERS) -> Samples:
    """The samples as `fit_node` counts them: by age, and by what has changed since."""
    foretold = foretell(samples.newest(INCIDENTS_MAX), members, Memory())
    return weighted(samples, changes_of(samples, foretold))


def changes_of(samples: Samples, foretold: Foretold) -> tuple[Change, ...]:
    """The changes that were noticed among the newest samples, by rows of all samples."""
    before = len(samples) - len(foretold.logits)
    return tuple(
        Change(change.candidate, change.since + before, change.noticed + before, change.worse)
        for change in foretold.changes
    )


def _changed(samples: Samples, changes: Sequence[Change], candidates: Sequence[Candidate]) -> tuple[ActionChange, ...]:
    """The last change of each candidate, for people."""
    last = {change.candidate: change for change in changes}
    return tuple(
        ActionChange(
            candidates[change.candidate].id,
            trials=int((samples.candidate[change.since :] == change.candidate).sum()),
            worse=change.worse,
        )
        for change in last.values()
    )


def _fit(
    member: Member, counted: Samples, before: dict[str, MemberModel], ready: Sequence[MemberModel], place: int
) -> MemberModel:
    if ready and not member.quick:
        return ready[place]
    return member.fit(counted, before.get(member.name))


def _candidate(samples: Samples, place: int, declared: Declared) -> Candidate:
    own = np.flatnonzero(samples.candidate == place)
    seconds, weight, verified = samples.seconds[own], samples.weight[own], samples.verified[own]
    known = ~np.isnan(seconds)
    harms = float(weight[samples.harmful[own]].sum())
    return Candidate(
        declared.id,
        cost_success_s=shrunk_mean_s(seconds[known & verified], declared.cost.success_s, declared.limit_s),
        cost_failure_s=shrunk_mean_s(seconds[known & ~verified], declared.cost.failure_s, declared.limit_s),
        harm=(harms + HARM_WEIGHT * HARM_RATE) / (float(weight.sum()) + HARM_WEIGHT),
        certain=declared.certain,
        attempts=float(weight.sum()),
        successes=float(weight[samples.succeeded[own]].sum()),
        harms=harms,
    )
