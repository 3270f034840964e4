"""`python -m homeostat.rig.local.effector FOLDER ACTION`: what an operator, or the agent, can do to the local tier.

Every run is written down as the rig's effector does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from homeostat.rig import processes
from homeostat.rig.effects import run
from homeostat.rig.layout import Layout, change_control
from homeostat.rig.local.services import WORKERS, start_auth, start_payments

WORKERS_GROWN = 12


def restart_auth(layout: Layout) -> None:
    """End auth and start it, until it answers."""
    processes.stop(layout, "auth")
    start_auth(layout)


def use_cached_tokens(layout: Layout) -> None:
    """Degraded mode: payments no longer asks auth."""
    change_control(layout, "route", degraded=True)


def restart_payments(layout: Layout) -> None:
    """End payments and start it, whatever its release and configuration."""
    processes.stop(layout, "payments")
    start_payments(layout, wait=False)


def add_workers(layout: Layout) -> None:
    """More payments at once, and a restart."""
    change_control(layout, "payments", workers=WORKERS_GROWN)
    restart_payments(layout)


def roll_back_release(layout: Layout) -> None:
    """The release before, and a restart."""
    change_control(layout, "payments", release="good", deployed_at=0.0)
    restart_payments(layout)


def roll_back_configuration(layout: Layout) -> None:
    """The configuration before, and a restart."""
    change_control(layout, "payments", workers=WORKERS, configured_at=0.0)
    restart_payments(layout)


ACTIONS: Mapping[str, Callable[[Layout], None]] = {
    "auth.restart": restart_auth,
    "route.cached_tokens": use_cached_tokens,
    "payments.restart": restart_payments,
    "payments.add_workers": add_workers,
    "release.roll_back": roll_back_release,
    "configuration.roll_back": roll_back_configuration,
}


if __name__ == "__main__":
    run(ACTIONS)
