"""pgbouncer: what it is told, and when."""

from __future__ import annotations

import contextlib

import psycopg

from homeostat.rig import configurations, databases, processes
from homeostat.rig.layout import Layout, as_server_user, change_control, program, read_control, write_whole

READY_S_MAX = 10.0


def write(layout: Layout) -> None:
    """Write its configuration by its control file."""
    wanted = read_control(layout, "pool")
    port = layout.ports["primary_proxy" if wanted["database"] == "primary" else "replica"]
    text = configurations.pgbouncer(layout, database_port=port, pool_size=int(str(wanted["size"])))
    write_whole(layout.folder / "pgbouncer.ini", text)


def start(layout: Layout) -> None:
    """Start it, until it answers."""
    write(layout)
    processes.start(
        layout, "pgbouncer", as_server_user([program("pgbouncer") or "pgbouncer", layout.folder / "pgbouncer.ini"])
    )
    processes.wait_until(layout, "pgbouncer", lambda: databases.answers(layout.ports["pgbouncer"], 0.5), READY_S_MAX)


def change(layout: Layout, *, drop: bool = False, **changes: object) -> None:
    """Change its size or the database it leads to. By its file: a RELOAD reverts what SET changed.

    Args:
        layout: the rig.
        changes: new values of the control file.
        drop: close the connections there are, which may hang on a server that is gone.
    """
    change_control(layout, "pool", **changes)
    write(layout)
    with databases.connect(layout.ports["pgbouncer"], "pgbouncer", "rig") as console:
        console.execute("RELOAD")
        if drop:
            # A pool nobody uses yet cannot be killed; then there is nothing to drop.
            with contextlib.suppress(psycopg.Error):
                console.execute("KILL payments")
            with contextlib.suppress(psycopg.Error):
                console.execute("RESUME payments")
