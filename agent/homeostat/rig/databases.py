"""The rig's PostgreSQL: a primary whose WAL is received into an archive, a replica, a base backup, and ways back."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from homeostat.model.errors import ActuatorError
from homeostat.rig import configurations, processes
from homeostat.rig.layout import SERVER_USER, Layout, as_server_user, postgres_programs, read_control, write_whole

READY_S_MAX = 20.0
STARTS_MAX = 5
SERVERS = ("primary", "replica", "wal_receiver")
PROGRAM_S_MAX = 60.0
SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
"""What a client may ask first (PostgreSQL, "Message Formats", SSLRequest); the server answers one byte."""


def connect(port: int, database: str, user: str, *, timeout_ms: int = 2000) -> psycopg.Connection[tuple[object, ...]]:
    """Connect, if the server answers within `timeout_ms`, which then also bounds each statement.

    Raises:
        psycopg.OperationalError: no answer in time, or refused.
    """
    if not answers(port, timeout_ms / 1000):
        raise psycopg.OperationalError(f"no answer on port {port} within {timeout_ms} ms")
    options = "" if user == "rig" else f"-c statement_timeout={timeout_ms}"
    return psycopg.connect(
        host="127.0.0.1", port=port, dbname=database, user=user, autocommit=True, connect_timeout=2, options=options
    )


def answers(port: int, within_s: float) -> bool:
    """Whether a PostgreSQL server answers; libpq's own time-out is two seconds at least."""
    try:
        with socket.create_connection(("127.0.0.1", port), within_s) as probe:
            probe.settimeout(within_s)
            probe.sendall(SSL_REQUEST)
            return probe.recv(1) in {b"N", b"S"}
    except OSError:
        return False


def active_database(layout: Layout) -> str:
    """The server that payments uses: `primary` or `replica`."""
    return str(read_control(layout, "pool")["database"])


def run(layout: Layout, name: str, *arguments: str | Path) -> None:
    """Run one of PostgreSQL's programs to its end.

    Raises:
        ActuatorError: it failed.
    """
    run_as_server(layout, [_programs() / name, *arguments])


def _programs() -> Path:
    found = postgres_programs()
    if found is None:
        raise ActuatorError("no PostgreSQL server on this machine; on Debian: apt-get install postgresql")
    return found


def give_to_server(*paths: Path) -> None:
    """As root, PostgreSQL's files belong to the user that it runs as."""
    if os.geteuid() == 0:
        for path in paths:
            shutil.chown(path, SERVER_USER, SERVER_USER)


def create(layout: Layout) -> None:
    """Make the primary with its table, its base backup, its archive and its replica, all running."""
    data = layout.database("primary")
    run(layout, "initdb", "--pgdata", data, "--username", "postgres", "--encoding", "UTF8", "--locale", "C.UTF-8",
        "--auth", "trust", "--no-sync", "--wal-segsize", "1")  # fmt: skip
    start(layout, "primary")
    port = layout.ports["primary"]
    with connect(port, "postgres", "postgres") as connection:
        connection.execute("CREATE ROLE payments LOGIN")
        connection.execute("CREATE DATABASE payments OWNER payments")
    with connect(port, "payments", "payments") as connection:
        connection.execute("CREATE TABLE payments (id text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())")
    follow(layout)


def start(layout: Layout, name: str) -> None:
    """Start a server on its data directory, and wait until it answers queries."""
    with (layout.database(name) / "postgresql.conf").open("w") as file:
        file.write(configurations.postgres(layout, name))
    arguments = as_server_user([_programs() / "postgres", "-D", layout.database(name)])
    for again in range(STARTS_MAX - 1, -1, -1):
        processes.start(layout, name, arguments)
        try:
            processes.wait_until(layout, name, lambda: is_ready(layout, name), READY_S_MAX)
        except ActuatorError:
            # The children of a postmaster that was killed hold its memory until they notice.
            if again == 0 or processes.is_running(layout, name):
                raise
            time.sleep(0.5)
        else:
            return


def is_ready(layout: Layout, name: str) -> bool:
    """Whether a server answers queries."""
    try:
        connect(layout.ports[name], "postgres", "postgres", timeout_ms=500).close()
    except psycopg.OperationalError:
        return False
    return True


def stop(layout: Layout, *names: str) -> None:
    """End servers at once, without a checkpoint."""
    for name in names:
        # Without its server the receiver sleeps through a SIGTERM. What it received it has written.
        processes.stop(layout, name, signal.SIGKILL if name == "wal_receiver" else signal.SIGQUIT)


def remove(*folders: Path) -> None:
    """Remove folders that may not be there."""
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)


def follow(layout: Layout) -> None:
    """A new base backup, archive and replica of the primary, for whatever its history is now."""
    stop(layout, "replica", "wal_receiver")
    remove(layout.database("replica"), layout.backup, layout.archive)
    layout.archive.mkdir()
    give_to_server(layout.archive)
    port = str(layout.ports["primary"])
    where = ("--host", "127.0.0.1", "--port", port, "--username", "postgres")
    run(layout, "pg_basebackup", *where, "--pgdata", layout.backup, "--checkpoint", "fast", "--no-sync")
    run(layout, "pg_basebackup", *where, "--pgdata", layout.database("replica"), "--checkpoint", "fast", "--no-sync",
        "--write-recovery-conf")  # fmt: skip
    start(layout, "replica")
    receive: Sequence[str | Path] = [_programs() / "pg_receivewal", *where, "--directory", layout.archive]
    processes.start(layout, "wal_receiver", as_server_user([*receive, "--no-sync", "--status-interval", "1"]))


def promote_replica(layout: Layout) -> None:
    """Make the replica a primary, and wait until it takes writes."""
    with connect(layout.ports["replica"], "postgres", "postgres", timeout_ms=10_000) as connection:
        connection.execute("SELECT pg_promote(true, 10) WHERE pg_is_in_recovery()")


def restore(layout: Layout, *, with_wal: bool) -> None:
    """Put the base backup in the primary's place; with the archived WAL nothing that was received is lost."""
    stop(layout, "primary", "wal_receiver")
    data = layout.database("primary")
    remove(data)
    run_as_server(layout, ["cp", "-a", layout.backup, data])
    if with_wal:
        for partial in layout.archive.glob("*.partial"):
            partial.rename(partial.with_suffix(""))
        settings = f"restore_command = 'cp {layout.archive}/%f %p'\nrecovery_target_timeline = 'latest'\n"
        write_whole(data / "postgresql.auto.conf", settings)
        (data / "recovery.signal").touch()
        give_to_server(data / "postgresql.auto.conf", data / "recovery.signal")
    start(layout, "primary")
    _wait_for_writes(layout, "primary")


def _wait_for_writes(layout: Layout, name: str) -> None:
    deadline = time.monotonic() + READY_S_MAX
    while True:
        with connect(layout.ports[name], "postgres", "postgres") as connection:
            row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
        if row == (False,):
            return
        if time.monotonic() > deadline:
            raise ActuatorError(f"{name}: still recovering after {READY_S_MAX:g} s")
        time.sleep(0.05)


def run_as_server(layout: Layout, arguments: Sequence[str | Path]) -> None:
    """Run a command to its end as the user that PostgreSQL's files belong to.

    Raises:
        ActuatorError: it failed.
    """
    done = subprocess.run(
        as_server_user(arguments), capture_output=True, text=True, check=False, timeout=PROGRAM_S_MAX,
        cwd=layout.folder / "work",
    )  # fmt: skip
    if done.returncode != 0:
        raise ActuatorError(f"{Path(arguments[0]).name}: {done.stderr[-500:]}")


def terminate_blockers(layout: Layout) -> None:
    """End the sessions that others wait for, and those idle in a transaction that hold them up."""
    port = layout.ports[active_database(layout)]
    with connect(port, "payments", "postgres") as connection:
        connection.execute(
            "SELECT pg_terminate_backend(blocker) FROM (SELECT DISTINCT unnest(pg_blocking_pids(pid)) AS blocker"
            " FROM pg_stat_activity) AS found JOIN pg_stat_activity ON pid = blocker"
            " WHERE cardinality(pg_blocking_pids(blocker)) = 0"
        )


def count_payments(layout: Layout, identities: Sequence[str]) -> int:
    """How many of these payments the database in use has; 0 if it does not answer: what cannot be read is lost."""
    query = "SELECT count(*) FROM payments WHERE id = ANY(%s)"
    try:
        with connect(layout.ports[active_database(layout)], "payments", "postgres", timeout_ms=5_000) as connection:
            row = connection.execute(query, (list(identities),)).fetchone()
    except psycopg.Error:
        return 0
    return 0 if row is None else int(str(row[0]))
