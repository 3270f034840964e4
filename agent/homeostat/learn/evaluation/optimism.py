"""How much too good a ranking looks to a judge who learnt from the same incidents.

Holding an incident out keeps its own outcome from vouching for itself. Yet what the other incidents made the ranking
believe by chance they make the judge believe too. The excess is measured: refits on two fifths of the incidents are
judged by causes from the same two fifths, and by causes from two others, both on the fifth that is left. What is judged
learns from four fifths, and with twice as much to learn from the excess is half (`SHARE`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homeostat.learn.evaluation.comparison import Estimate
from homeostat.learn.evaluation.imputation import PARTS, costs_of, impute_by
from homeostat.learn.evaluation.integrity import refit_each
from homeostat.learn.evaluation.logged import Logged
from homeostat.learn.evaluation.orders import HeldOutOrder, Order, RankedOrder
from homeostat.learn.evaluation.replay import follow, value
from homeostat.learn.samples import Bools, Ints, Samples
from homeostat.model.ranking import NodeRanking

SHARE = 0.5
"""Of the excess at two fifths that is left at four fifths.

What a fit owes to chance falls as one over what it learnt from (Efron, Journal of the American Statistical Association
99, 2004). So it does here: see docs/decisions/0020.
"""


def optimism_s(model: NodeRanking, counted: Samples, ruling: Order, logged: Logged, part: Ints) -> Estimate:
    """Seconds by which the gain of a model's refits over the ruling order is overrated; 0 where too few to tell.

    Args:
        model: whose features and mixture the refits have.
        counted: see `integrity.counted_samples`.
        ruling: what is compared with.
        logged: the incidents.
        part: (N,), see `parts_of`.
    """
    if int(part.max()) + 1 < PARTS:
        return Estimate(0.0, 0.0)
    same, other = _parts(part, (1, 2)), _parts(part, (3, 4))
    refits = tuple(RankedOrder(refit, logged) for refit in refit_each(model, counted, same))
    paths = follow(HeldOutOrder(refits, part[logged.samples.incident]), logged), follow(ruling, logged)
    costs = costs_of(logged)
    gains = []
    for seen in (same, other):
        imputed = impute_by(logged, part, seen)
        judged, ruled = (value(path, logged, imputed, costs).seconds for path in paths)
        gains.append(ruled - judged)
    excess = SHARE * (gains[0] - gains[1])
    return Estimate(float(excess.mean()), float(excess.std(ddof=1)) / float(np.sqrt(len(logged))))


def _parts(part: Ints, ahead: Sequence[int]) -> list[Bools]:
    """For each part, which incidents lie so many parts ahead of it, going round."""
    return [np.isin((part - number) % PARTS, ahead) for number in range(PARTS)]
