"""`python -m homeostat.rig.blocker FOLDER pool_connections|table_lock`: a client that holds what others need."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from homeostat.rig.configurations import POOL_SIZE
from homeostat.rig.databases import active_database, connect
from homeostat.rig.layout import Layout

HOLD_S_MAX = 600.0


def main() -> None:
    """Take it, and hold it until ended."""
    layout = Layout.load(Path(sys.argv[1]))
    if sys.argv[2] == "table_lock":
        held = [connect(layout.ports[active_database(layout)], "payments", "postgres", timeout_ms=10_000)]
        held[0].execute("BEGIN")
        held[0].execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
    else:
        # As user `rig`: no options, which pgbouncer does not take.
        held = [connect(layout.ports["pgbouncer"], "payments", "rig") for _ in range(POOL_SIZE)]
        for connection in held:
            connection.execute("BEGIN")
            connection.execute("SELECT 1")
    time.sleep(HOLD_S_MAX)


if __name__ == "__main__":
    main()
