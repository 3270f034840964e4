"""Whether a trained ranking is what training gives: damaged numbers and memorised outcomes are found here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from msgspec import to_builtins
from msgspec.structs import replace as changed

from homeostat.learn.evaluation.logged import Logged
from homeostat.learn.features import Floats, feature_columns
from homeostat.learn.foretelling import Memory, foretell, weighted
from homeostat.learn.members.hierarchical import Hierarchical
from homeostat.learn.members.logistic import Logistic
from homeostat.learn.members.member import Member
from homeostat.learn.members.registry import MEMBERS, all_members
from homeostat.learn.ranker import versioned
from homeostat.learn.samples import Bools, Ints, Samples
from homeostat.learn.scoring import success_probabilities
from homeostat.model.ranking import LatentModel, Matrix, MemberModel, NodeRanking, Ranking

STANDARD_ERRORS = 3.0
MEMORISED_SHARE, MEMORISED_SHARE_OF_ONE = 0.02, 15.0
DAMAGED_SHARE = 0.08
DIFFERENCE_MIN, DIFFERENCE_MIN_OF_ONE = 0.005, 4.0
"""A difference of mean log loss below a share of it, or below a minimum, is nothing to refuse for.

With n incidents what is `OF_ONE` counts 1 / n: refits know a part less, and that matters most where little is known.
"""


def _members_by_name() -> dict[str, Member]:
    return {member.name: member for member in (*all_members(), Hierarchical(), Logistic())}


@dataclass(frozen=True, slots=True)
class Losses:
    """Mean log loss of each of N incidents' trials.

    Attributes:
        own: of the ranking, which may have seen them.
        seen: of refits that have seen them.
    """

    own: Floats
    seen: Floats


def damage(ranking: Ranking) -> str | None:
    """Say what is wrong with the numbers themselves, or None."""
    if any(not math.isfinite(number) for node in ranking.nodes.values() for number in _numbers(to_builtins(node))):
        return "holds a number that is not finite"
    if not _is_upcast(ranking) and versioned(ranking).version != ranking.version:
        return "is not what its version says: the hash differs"
    return None


def _is_upcast(ranking: Ranking) -> bool:
    """Whether it was journalled before members were (`record.upcasting`): its version is over what stood there then."""
    one_member = all(len(node.members) == 1 and node.uncertainty is None for node in ranking.nodes.values())
    return bool(ranking.nodes) and one_member


def misfit(model: NodeRanking, logged: Logged) -> str | None:
    """Say how a model's shape contradicts itself or today's candidates, or None."""
    return misshapen(model) if tuple(model.places) == logged.candidates else "was trained for other candidates"


def misshapen(model: NodeRanking) -> str | None:
    """Say how a model's shape contradicts itself, or None."""
    for member in model.members:
        if any(_shape(matrix) != shape for matrix, shape in _shapes(member, model)):
            return f"has a member '{member.name}' of another shape"
    return None if len(model.stack.weights) == len(model.members) else "mixes another number of members"


def _shapes(member: MemberModel, model: NodeRanking) -> list[tuple[Matrix, tuple[int, int]]]:
    """The matrices of a member, and the shapes they should have."""
    candidates, columns = len(model.candidates), sum(feature.width for feature in model.features)
    if isinstance(member, LatentModel):
        causes = len(member.gate_intercepts)
        return [(member.gate_weights, (causes, columns)), (member.success, (causes, candidates))]
    return [
        ((member.intercepts,), (1, candidates)),
        (member.weights, (candidates, columns)),
        (member.failed, (candidates, candidates)),
    ]


def _shape(matrix: Matrix) -> tuple[int, int] | None:
    """Rows and columns; None where rows differ in length."""
    widths = {len(row) for row in matrix}
    return (len(matrix), widths.pop()) if len(widths) == 1 else None


def counted_samples(model: NodeRanking, logged: Logged) -> Samples:
    """The logged trials as training counts them: in the model's columns, by age, and by what has changed since."""
    samples = replace(logged.samples, columns=feature_columns(logged.trials, model.features))
    return weighted(samples, foretell(samples, MEMBERS, Memory()).changes)


def refit_each(model: NodeRanking, counted: Samples, seen: Sequence[Bools]) -> tuple[NodeRanking, ...]:
    """For each mask of incidents (N,), the model refitted to them: same features, costs and mixture, new members."""
    return tuple(_refit(model, counted.take(one[counted.incident])) for one in seen)


def _refit(model: NodeRanking, samples: Samples) -> NodeRanking:
    known = _members_by_name()
    members = tuple(known.get(member.name, MEMBERS[0]).fit(samples) for member in model.members)
    return changed(model, members=members)


def losses_of(model: NodeRanking, refits: Sequence[NodeRanking], logged: Logged, part: Ints) -> Losses:
    """How well each foretells the logged trials. `misfit` has nothing to say of the model."""
    of_row = part[logged.samples.incident]
    each = np.stack([_losses(refit, logged) for refit in refits])
    held_out = of_row == np.arange(len(refits))[:, None]
    seen = np.where(held_out, 0.0, each).sum(axis=0) / max(len(refits) - 1, 1)
    return Losses(
        _by_incident(_losses(model, logged), logged),
        _by_incident(seen, logged),
    )


def corruption(losses: Losses) -> str | None:
    """Say how the ranking differs from what training gives, or None.

    A sound ranking and its refits fit what they have seen equally well, give or take what was left out of the refits.
    """
    own, seen = float(losses.own.mean()), float(losses.seen.mean())
    incidents = len(losses.own)
    if _clearly_above(losses.seen, losses.own, max(MEMORISED_SHARE, MEMORISED_SHARE_OF_ONE / incidents)):
        return (
            f"knows the outcomes it was trained on better than refits to the same do (log loss {own:.3f} against"
            f" {seen:.3f}): it has memorised them"
        )
    if _clearly_above(losses.own, losses.seen, DAMAGED_SHARE):
        return (
            f"knows the outcomes it was trained on worse than refits to the same do (log loss {own:.3f} against"
            f" {seen:.3f}): it is damaged"
        )
    return None


def _clearly_above(higher: Floats, lower: Floats, share: float) -> bool:
    difference = higher - lower
    incidents = len(difference)
    error = float(difference.std(ddof=1)) / math.sqrt(incidents) if incidents > 1 else math.inf
    least = max(DIFFERENCE_MIN, DIFFERENCE_MIN_OF_ONE / incidents, share * float(higher.mean()))
    return float(difference.mean()) > max(STANDARD_ERRORS * error, least)


def _losses(model: NodeRanking, logged: Logged) -> Floats:
    samples, columns = logged.samples, feature_columns(logged.trials, model.features)
    chosen = success_probabilities(model, columns, samples.failed)[np.arange(len(samples)), samples.candidate]
    right: Floats = np.where(samples.succeeded, chosen, 1.0 - chosen)
    return -np.log(np.maximum(right, 1e-12))


def _by_incident(of_trial: Floats, logged: Logged) -> Floats:
    totals: Floats = np.bincount(logged.samples.incident, of_trial) / np.bincount(logged.samples.incident)
    return totals


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, float):
        yield value
