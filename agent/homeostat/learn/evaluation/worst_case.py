"""What an order comes to at worst, where it begins with something the log knows nothing of in that pattern.

Nothing says what such a first choice would do, so it is held to fail, and to do as much harm as the log still allows
of that candidate (worst-case bounds; Manski, American Economic Review 80, 1990). An order that gains even so needs no
support there. It is no remedy for a candidate that was never tried anywhere: see `support.never_tried`.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv

from homeostat.learn.evaluation.causes import Imputation
from homeostat.learn.evaluation.imputation import Costs
from homeostat.learn.evaluation.logged import Logged
from homeostat.learn.evaluation.replay import Replayed, value
from homeostat.learn.evaluation.support import unknown_firsts
from homeostat.learn.features import Floats
from homeostat.learn.samples import Ints

HARM_CONFIDENCE = 0.95


def at_worst(path: Ints, other: Ints, logged: Logged, imputed: Imputation, costs: Costs) -> tuple[Replayed, Replayed]:
    """What a path comes to, and what another does on the same terms.

    Where the first choice of `path` is unknown it fails, for the other too if that comes to it. For the difference of
    both this is the worst, as the other never tries it sooner. The harm is added to `path` alone.
    """
    unknown = unknown_firsts(path, logged)
    first = path[unknown, 0]
    success = np.array(imputed.success)
    success[np.flatnonzero(unknown), :, first] = 0.0
    held = Imputation(imputed.beliefs, success)
    own, others = (value(each, logged, held, costs) for each in (path, other))
    harms = own.harms.copy()
    harms[unknown] += np.maximum(_harm_at_most(logged)[first] - costs.harm[first], 0.0)
    return Replayed(own.seconds, own.first_success, harms), others


def _harm_at_most(logged: Logged) -> Floats:
    """(M,): the exact upper bound of each candidate's share of harmful trials (Clopper and Pearson, 1934)."""
    tried, harmful = (~np.isnan(logged.harmful)).sum(axis=0), np.nansum(logged.harmful, axis=0)
    bound = betaincinv(harmful + 1.0, np.maximum(tried - harmful, 1.0), HARM_CONFIDENCE)
    at_most: Floats = np.where(harmful < tried, bound, 1.0)
    return at_most
