"""`python -m homeostat.rig.exporter FOLDER`: what pgbouncer, PostgreSQL and the rig's processes say, for Prometheus.

A part that cannot be read gives no series, or an explicit 0 where not answering is the finding itself.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import psycopg
from psycopg.rows import dict_row

from homeostat.rig import processes
from homeostat.rig.databases import active_database, connect
from homeostat.rig.layout import Layout
from homeostat.rig.metrics_page import release_ages, serve_metrics
from homeostat.rig.web import fetch

PROBE_S = 0.4
WATCHED = ("auth", "primary", "replica", "pgbouncer", "payments_a")
DATABASE = """
SELECT count(*) FILTER (WHERE state = 'idle in transaction'
                        AND state_change < clock_timestamp() - interval '0.5 s') AS idle_in_transaction,
       count(*) FILTER (WHERE cardinality(pg_blocking_pids(pid)) > 0) AS blocked
FROM pg_stat_activity WHERE datname = 'payments' AND pid <> pg_backend_pid()
"""


def metrics(layout: Layout) -> str:
    """Everything, in the text format of Prometheus."""
    rows = [f'rig_process_running{{name="{name}"}} {int(processes.is_running(layout, name))}' for name in WATCHED]
    with ThreadPoolExecutor(len(PARTS)) as threads:  # each has its deadline; in turn they would outlast a scrape
        for part in threads.map(lambda read: read(layout), PARTS):
            rows += part
    return "\n".join(rows) + "\n"


def _pool(layout: Layout) -> list[str]:
    with contextlib.suppress(psycopg.Error, StopIteration):
        with (
            connect(layout.ports["pgbouncer"], "pgbouncer", "rig") as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            pool = next(row for row in cursor.execute("SHOW POOLS").fetchall() if row["database"] == "payments")
            databases = cursor.execute("SHOW DATABASES").fetchall()
            size = next(row for row in databases if row["name"] == "payments")["pool_size"]
        used = pool["sv_active"]
        return [f"pool_waiting {pool['cl_waiting']}", f"pool_used {used}", f"pool_size {size}"]
    return []


def _database(layout: Layout) -> list[str]:
    """What the database that payments uses says, and whether it says anything by the way payments takes."""
    primary = active_database(layout)
    present = int((layout.database(primary) / "PG_VERSION").exists())
    rows = [f"database_data_present {present}", f"database_is_replica {int(primary == 'replica')}"]
    port = layout.ports["primary_proxy" if primary == "primary" else "replica"]
    try:
        with connect(port, "payments", "postgres", timeout_ms=int(PROBE_S * 1000)) as connection:
            found = connection.execute(DATABASE).fetchone()
    except psycopg.Error:
        return [*rows, "database_answers 0"]
    if found is None:
        return rows
    return [*rows, "database_answers 1", f"database_idle_in_transaction {found[0]}", f"database_blocked {found[1]}"]


def _services(layout: Layout) -> list[str]:
    status = fetch(layout.url("auth_proxy", "/check"), timeout_s=PROBE_S)
    rows = [f"auth_answers {int(status == 200)}"]
    with contextlib.suppress(OSError, ValueError):
        restarts = int((layout.folder / "run" / "payments_a.restarts").read_text())
        rows.append(f"payments_restarts {restarts}")
    rows += release_ages(layout, "payments_a")
    return rows


PARTS = (_pool, _database, _services)


if __name__ == "__main__":
    serve_metrics(metrics)
