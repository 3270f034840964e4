"""What the plant's operators can do: the remedies, their arguments and their effects.

A remedy changes circumstances (`state.py`) and knows nothing of faults.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from homeostat.model.policy import Scalar
from homeostat.simulate.sandbox.state import PlantState

POOL_SIZE_MAX = 1_000


class RemedyFailedError(Exception):
    """The remedy ended without its effect. `exit_code` as its command would give it; 2: wrong arguments."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Remedy:
    """One thing operators can do.

    Attributes:
        target: the only one it works on.
        takes_s: median of its duration.
        fails_share: how often it fails to apply, and `failure`: what it prints then.
        arguments: names it understands.
        apply: (state, arguments, at in Unix seconds) -> what it prints. Raises RemedyFailedError.
    """

    name: str
    target: str
    takes_s: float
    fails_share: float
    failure: str
    apply: Callable[[PlantState, Mapping[str, Scalar], float], str]
    arguments: tuple[str, ...] = ()

    def check(self, arguments: Mapping[str, Scalar]) -> None:
        """Refuse arguments it does not know. Raises RemedyFailedError."""
        for name in arguments:
            if name not in self.arguments:
                nearest = difflib.get_close_matches(name, self.arguments, n=1, cutoff=0.0)
                hint = f"; did you mean {nearest[0]!r}?" if nearest else "; it takes none"
                raise RemedyFailedError(f"{self.name}: unknown argument {name!r}{hint}", exit_code=2)


def number_of(arguments: Mapping[str, Scalar], name: str, default: float, low: float, high: float) -> float:
    """Read a number or a percentage such as `50%`.

    Raises:
        RemedyFailedError: it is neither, or lies outside `low`..`high`.
    """
    value = arguments.get(name, default)
    is_percentage = isinstance(value, str) and value.endswith("%")
    try:
        number = float(str(value).removesuffix("%"))
    except ValueError:
        number = math.nan
    number = number / 100.0 if is_percentage else number
    if isinstance(value, bool) or not low <= number <= high:
        raise RemedyFailedError(f"{name}: {value!r} is not a number or percentage in {low:g}..{high:g}", exit_code=2)
    return number


def _scale_pool(state: PlantState, arguments: Mapping[str, Scalar], _at: float) -> str:
    by = number_of(arguments, "by", 0.5, 0.0, 10.0)
    size_max = int(number_of(arguments, "max", POOL_SIZE_MAX, 1.0, POOL_SIZE_MAX))
    before = state.pool_size
    state.pool_size = max(before, min(size_max, math.ceil(before * (1.0 + by))))
    return f"pay-pool: size {before} -> {state.pool_size}"


def _degrade_route(state: PlantState, arguments: Mapping[str, Scalar], _at: float) -> str:
    source = arguments.get("auth", "cached_tokens")
    if source != "cached_tokens":
        raise RemedyFailedError(f"auth: {source!r} is not a way to do without auth; use 'cached_tokens'", exit_code=2)
    state.degraded = True
    return "route pay: auth served from cached tokens"


def _restart_auth(state: PlantState, _arguments: Mapping[str, Scalar], _at: float) -> str:
    state.restart_auth()
    return "deployment auth restarted"


def _restart_payments(state: PlantState, _arguments: Mapping[str, Scalar], at: float) -> str:
    state.restart_payments(at)
    return "deployment pay restarted"


def _roll_back_release(state: PlantState, _arguments: Mapping[str, Scalar], at: float) -> str:
    before = state.release.version
    release = state.roll_back_release(at)
    if release is None:
        raise RemedyFailedError(f"deployment pay: release {before} has no earlier revision")
    return f"deployment pay: release {before} -> {release.version}"


def _roll_back_configuration(state: PlantState, _arguments: Mapping[str, Scalar], at: float) -> str:
    before = state.configuration.version
    configuration = state.roll_back_configuration(at)
    if configuration is None:
        raise RemedyFailedError(f"config pay: version {before} has no earlier version")
    return f"config pay: version {before} -> {configuration.version}"


def _shift_traffic(state: PlantState, arguments: Mapping[str, Scalar], _at: float) -> str:
    state.shifted_share = number_of(arguments, "share", 1.0, 0.0, 1.0)
    return f"route pay: {state.shifted_share:.0%} of the traffic goes to the standby site"


REMEDIES: dict[str, Remedy] = {
    remedy.name: remedy
    for remedy in (
        Remedy(
            name="pool.scale_up",
            target="db/pay-pool",
            takes_s=20.0,
            fails_share=0.02,
            failure="pooler: admin console did not answer",
            apply=_scale_pool,
            arguments=("by", "max"),
        ),
        Remedy(
            name="route.degraded_mode",
            target="route/pay",
            takes_s=30.0,
            fails_share=0.02,
            failure="router: flag was not accepted by a quorum",
            apply=_degrade_route,
            arguments=("auth",),
        ),
        Remedy(
            name="auth.restart",
            target="deploy/auth",
            takes_s=40.0,
            fails_share=0.04,
            failure="deployment auth: exceeded its progress deadline",
            apply=_restart_auth,
        ),
        Remedy(
            name="k8s.restart",
            target="deploy/pay",
            takes_s=60.0,
            fails_share=0.02,
            failure="deployment pay: exceeded its progress deadline",
            apply=_restart_payments,
        ),
        Remedy(
            name="deploy.rollback",
            target="deploy/pay",
            takes_s=90.0,
            fails_share=0.05,
            failure="deployment pay: image of the earlier revision cannot be pulled",
            apply=_roll_back_release,
        ),
        Remedy(
            name="config.rollback",
            target="config/pay",
            takes_s=50.0,
            fails_share=0.05,
            failure="config pay: a newer change is being reviewed, refused",
            apply=_roll_back_configuration,
        ),
        Remedy(
            name="traffic.shift",
            target="route/pay",
            takes_s=120.0,
            fails_share=0.04,
            failure="router: the standby site's health check failed",
            apply=_shift_traffic,
            arguments=("share",),
        ),
    )
}
"""By name."""
