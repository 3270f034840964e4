"""Whether a trained ranking is what training gives: damaged numbers and memorised outcomes are found here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from msgspec import to_builtins
from msgspec.structs import replace as changed

from homeostat.learn.evaluation.logged import Logged
from homeostat.learn.features import feature_columns
from homeostat.learn.fitting import as_counted
from homeostat.learn.members.hierarchical import Hierarchical
from homeostat.learn.members.logistic import Logistic
from homeostat.learn.members.member import Member
from homeostat.learn.members.registry import MEMBERS, all_members
from homeostat.learn.ranker import versioned
from homeostat.learn.samples import Bools, Samples
from homeostat.learn.scoring import success_probabilities
from homeostat.model.ranking import LatentModel, Matrix, MemberModel, NodeRanking, Ranking

REPRODUCED_SHARE, REPRODUCED_NATS = 0.001, 1e-4
"""Of the mean log loss of refits to the same trials, and of it in nats: nearer than one of these is the same. Training
gives the same numbers again but for rounding, so no error of sampling has a part in this."""


def _members_by_name() -> dict[str, Member]:
    return {member.name: member for member in (*all_members(), Hierarchical(), Logistic())}


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


def counted_samples(model: NodeRanking, trials: pd.DataFrame, samples: Samples) -> Samples:
    """The trials as training counts them: in the model's columns, by age, and by what has changed since."""
    return as_counted(replace(samples, columns=feature_columns(trials, model.features)), all_members())


def refit_each(model: NodeRanking, counted: Samples, seen: Sequence[Bools]) -> tuple[NodeRanking, ...]:
    """For each mask of incidents (N,), the model refitted to them: same features, costs and mixture, new members."""
    return tuple(_refit(model, counted.take(one[counted.incident])) for one in seen)


def _refit(model: NodeRanking, samples: Samples) -> NodeRanking:
    known = _members_by_name()
    members = tuple(known.get(member.name, MEMBERS[0]).fit(samples) for member in model.members)
    return changed(model, members=members)


def corruption(model: NodeRanking, counted: Samples) -> str | None:
    """Say how a ranking's numbers differ from what training gives, or None.

    A sound ranking and a refit to all it was trained on foretell these outcomes equally well. Held-out refits do not
    show it: they are sound whatever was trained, and what was memorised gains on the very incidents it is replayed on.

    Args:
        model: `misfit` has nothing to say of it.
        counted: all it was trained on, see `counted_samples`.
    """
    own, again = _log_loss(model, counted), _log_loss(_refit(model, counted), counted)
    if abs(own - again) <= max(REPRODUCED_NATS, REPRODUCED_SHARE * again):
        return None
    how, what = ("better", "it has memorised them") if own < again else ("worse", "it is damaged")
    return (
        f"knows the outcomes it was trained on {how} than refits to the same do (log loss {own:.3f} against"
        f" {again:.3f}): {what}"
    )


def _log_loss(model: NodeRanking, counted: Samples) -> float:
    chances = success_probabilities(model, counted.columns, counted.failed)[np.arange(len(counted)), counted.candidate]
    right = np.where(counted.succeeded, chances, 1.0 - chances)
    return -float(np.average(np.log(np.maximum(right, 1e-12)), weights=counted.weight))


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, float):
        yield value
