"""Several orders on the same incidents: what each comes to, and how sure the differences are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from homeostat.learn.evaluation.imputation import costs_of, impute, parts_of
from homeostat.learn.evaluation.logged import Logged
from homeostat.learn.evaluation.orders import Order
from homeostat.learn.evaluation.replay import Replayed, follow, value
from homeostat.learn.evaluation.resampling import REPLICATES, resampled
from homeostat.learn.evaluation.worst_case import at_worst
from homeostat.learn.features import Floats
from homeostat.learn.members.latent import LatentCauses
from homeostat.learn.samples import Ints

CONFIDENCE = 0.95
"""Of each bound by itself; between both lies nine tenths."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its one-sided bounds, each of which holds with `CONFIDENCE`.

    Attributes:
        error: standard error.
    """

    value: float
    error: float

    def low(self, confidence: float = CONFIDENCE) -> float:
        """At least this, with so much confidence."""
        return self.value - NormalDist().inv_cdf(confidence) * self.error

    def high(self, confidence: float = CONFIDENCE) -> float:
        """At most this, with so much confidence."""
        return self.value + NormalDist().inv_cdf(confidence) * self.error


@dataclass(frozen=True, slots=True)
class Comparison:
    """Orders by name, replayed on N incidents.

    Attributes:
        paths: (N, M) each, see `replay.follow`.
        worst: of each order, and of the one it is compared with on the same terms; see `worst_case.at_worst`.
        deviations: (replicates, orders, 3), see `resampling.resampled`.
    """

    incidents: int
    paths: Mapping[str, Ints]
    replayed: Mapping[str, Replayed]
    deviations: Floats
    worst: Mapping[str, tuple[Replayed, Replayed]] = field(default_factory=dict)

    def seconds(self, name: str) -> Estimate:
        """Mean time from the first choice to recovery."""
        return Estimate(float(self.replayed[name].seconds.mean()), self._error(self._spread(name, 0)))

    def first_success(self, name: str) -> Estimate:
        """Share of incidents in which the first choice works."""
        return Estimate(float(self.replayed[name].first_success.mean()), self._error(self._spread(name, 1)))

    def harms(self, name: str) -> Estimate:
        """Harmful attempts in an incident."""
        return Estimate(float(self.replayed[name].harms.mean()), self._error(self._spread(name, 2)))

    def gain_s(self, of: str, over: str) -> Estimate:
        """Seconds that `of` recovers sooner than `over`."""
        gain = float((self.replayed[over].seconds - self.replayed[of].seconds).mean())
        return Estimate(gain, self._error(self._spread(over, 0) - self._spread(of, 0)))

    def more_harms(self, of: str, over: str) -> Estimate:
        """Harmful attempts in an incident that `of` does more than `over`."""
        more = float((self.replayed[of].harms - self.replayed[over].harms).mean())
        return Estimate(more, self._error(self._spread(of, 2) - self._spread(over, 2)))

    def less_at_worst_s(self, of: str, over: str) -> float:
        """Seconds by which `gain_s` is less if all fails that the order begins with and the log does not know."""
        own, other = self.worst[of]
        worst_s = float((other.seconds - own.seconds).mean())
        return self.gain_s(of, over).value - worst_s

    def more_harms_at_worst(self, name: str) -> float:
        """Harmful attempts in an incident that this may come to on top."""
        return float((self.worst[name][0].harms - self.replayed[name].harms).mean())

    def _spread(self, name: str, column: int) -> Floats:
        return self.deviations[:, list(self.paths).index(name), column]

    @staticmethod
    def _error(deviations: Floats) -> float:
        return float(np.sqrt(np.mean(np.square(deviations)))) if deviations.size else float("nan")


def compare(
    orders: Mapping[str, Order],
    logged: Logged,
    *,
    over: str | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
    time_is_up: Callable[[], bool] = lambda: False,
) -> Comparison:
    """Replay orders on at least one incident.

    Args:
        orders: by name.
        logged: the incidents.
        over: name of the order that the others are compared with at worst, where that is asked for.
        replicates: resamples behind the errors.
        seed: of the resamples.
        time_is_up: see `resampling.resampled`.

    Raises:
        TimeIsUp: see `resampling.resampled`.
    """
    paths = {name: follow(order, logged) for name, order in orders.items()}
    imputed, costs = impute(logged, parts_of(len(logged))), costs_of(logged)
    replayed = {name: value(path, logged, imputed, costs) for name, path in paths.items()}
    other = None if over is None else paths[over]
    worst = {} if other is None else {n: at_worst(path, other, logged, imputed, costs) for n, path in paths.items()}
    every = LatentCauses().fit(logged.samples)
    deviations = resampled(list(paths.values()), logged, every, replicates=replicates, seed=seed, time_is_up=time_is_up)
    return Comparison(len(logged), paths, replayed, deviations, worst)
