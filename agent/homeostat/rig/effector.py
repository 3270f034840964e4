"""`python -m homeostat.rig.effector FOLDER ACTION`: what an operator, or the agent, can do to the rig.

Every run is a line in the folder's `effects.jsonl` when it begins and one when it ends: what really happened, whatever
the agent believes. A started process is not a recovered one: whether an action helped, the users' view tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from homeostat.rig import balancer, configurations, databases, pool, processes, rig, services
from homeostat.rig.effects import run
from homeostat.rig.layout import Layout, change_control


def grow_pool(layout: Layout) -> None:
    """More connections to the database."""
    pool.change(layout, size=configurations.POOL_SIZE_GROWN)


def restart_auth(layout: Layout) -> None:
    """End auth and start it, until it answers."""
    processes.stop(layout, "auth")
    services.start_module(layout, "auth", "auth", path="/check")


def use_cached_tokens(layout: Layout) -> None:
    """Degraded mode: payments no longer asks auth."""
    change_control(layout, "route", degraded=True)


def restart_payments(layout: Layout) -> None:
    """End payments `a` and start it, whatever its release and configuration."""
    processes.stop(layout, "payments_a")
    rig.start_payments(layout, "payments_a", wait=False)


def roll_back_release(layout: Layout) -> None:
    """The release before, and a restart."""
    change_control(layout, "payments_a", release="good", deployed_at=0.0)
    restart_payments(layout)


def roll_back_configuration(layout: Layout) -> None:
    """The configuration before, and a restart."""
    change_control(layout, "payments_a", pool_port=layout.ports["pgbouncer"], configured_at=0.0)
    restart_payments(layout)


def shift_traffic(layout: Layout) -> None:
    """All users to the standby with the release before."""
    balancer.weights(layout, 0, 100)


def terminate_blocker(layout: Layout) -> None:
    """End the sessions that others wait for."""
    databases.terminate_blockers(layout)


def restart_database(layout: Layout) -> None:
    """End the primary and start it on its data."""
    databases.stop(layout, "primary")
    databases.start(layout, "primary")


def promote_replica(layout: Layout) -> None:
    """The replica becomes the database in use."""
    databases.promote_replica(layout)
    pool.change(layout, drop=True, database="replica")


def fence_and_fail_over(layout: Layout) -> None:
    """First make sure that the old primary takes no more writes, then promote."""
    databases.stop(layout, "primary")
    promote_replica(layout)


def restore_backup(layout: Layout) -> None:
    """The base backup; what was paid since is lost."""
    databases.restore(layout, with_wal=False)
    pool.change(layout, drop=True)


def restore_backup_and_wal(layout: Layout) -> None:
    """The base backup and the archived WAL."""
    databases.restore(layout, with_wal=True)
    pool.change(layout, drop=True)


ACTIONS: Mapping[str, Callable[[Layout], None]] = {
    "pool.grow": grow_pool,
    "auth.restart": restart_auth,
    "route.cached_tokens": use_cached_tokens,
    "payments.restart": restart_payments,
    "release.roll_back": roll_back_release,
    "configuration.roll_back": roll_back_configuration,
    "traffic.shift": shift_traffic,
    "database.terminate_blocker": terminate_blocker,
    "database.restart": restart_database,
    "database.promote_replica": promote_replica,
    "database.fail_over": fence_and_fail_over,
    "database.restore_backup": restore_backup,
    "database.restore_backup_and_wal": restore_backup_and_wal,
}


if __name__ == "__main__":
    run(ACTIONS)
