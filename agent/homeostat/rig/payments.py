"""`python -m homeostat.rig.payments FOLDER a|b`: takes payments; keeps its transaction open while it asks auth.

So does many a real one, and a hung auth then exhausts the pool of database connections: growing the pool does not help.
Its release and configuration are read when it starts, its route (whether to ask auth at all) with every payment.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

from homeostat.rig.layout import Layout, read_control
from homeostat.rig.web import Answer, LoopbackServer, fetch

AUTH_TIMEOUT_S = 3.0
LEAK_BYTES, LEAKED_BYTES_MAX = 1 << 20, 100 << 20
LEAKS_HELD_S = 1.2
BAD_RELEASE_FAILS_EVERY = 2


class Payments:
    """One instance.

    Attributes:
        release: `good`, `failing` (every second payment fails), `leaking_memory` (fails once the memory is full) or
            `leaking_connections` (holds each transaction open after the payment).
    """

    def __init__(self, layout: Layout, name: str) -> None:
        self.layout = layout
        self.name = name
        deployed = read_control(layout, f"payments_{name}")
        self.release = str(deployed["release"])
        self.dsn = (
            f"host=127.0.0.1 port={int(str(deployed['pool_port']))} dbname=payments user=payments connect_timeout=2"
        )
        self.lock = threading.Lock()
        self.counts = {"200": 0, "500": 0, "503": 0}
        self.leaked: list[bytes] = []

    def respond(self, method: str, path: str) -> Answer:
        """Answer a request."""
        if path == "/metrics":
            return 200, self.metrics()
        del method
        code = self.pay(parse_qs(urlsplit(path).query).get("id", [""])[0])
        with self.lock:
            self.counts[str(code)] += 1
        return code, "paid\n" if code == 200 else "not paid\n"

    def pay(self, payment_id: str) -> int:
        """Take a payment; returns the status for its user."""
        if self._release_fails():
            return 500
        route = read_control(self.layout, "route")
        try:
            with psycopg.connect(self.dsn, prepare_threshold=None) as connection:
                connection.execute("INSERT INTO payments (id) VALUES (%s) ON CONFLICT DO NOTHING", (payment_id,))
                if not route["degraded"]:
                    status = fetch(self.layout.url("auth_proxy", "/check"), timeout_s=AUTH_TIMEOUT_S)
                    if status != 200:
                        connection.rollback()
                        return 503
                if self.release == "leaking_connections":
                    time.sleep(LEAKS_HELD_S)
        except psycopg.Error:
            return 503
        return 200

    def _release_fails(self) -> bool:
        if self.release == "failing":
            return sum(self.counts.values()) % BAD_RELEASE_FAILS_EVERY == 0
        if self.release == "leaking_memory":
            if len(self.leaked) * LEAK_BYTES >= LEAKED_BYTES_MAX:
                return True
            self.leaked.append(bytes(LEAK_BYTES))
        return False

    def metrics(self) -> str:
        """Everything, in the text format of Prometheus."""
        rows = [f'payments_requests_total{{code="{code}"}} {count}' for code, count in self.counts.items()]
        rows.append(f"payments_memory_leaked_bytes {len(self.leaked) * LEAK_BYTES}")
        return "\n".join(rows) + "\n"


def main() -> None:
    """Serve until ended; ends at once with a configuration that is wrong."""
    layout = Layout.load(Path(sys.argv[1]))
    payments = Payments(layout, sys.argv[2])
    if int(str(read_control(layout, f"payments_{sys.argv[2]}")["pool_port"])) <= 0:
        sys.exit("configuration: pool_port must be a port")
    LoopbackServer(layout.ports[f"payments_{sys.argv[2]}"], payments.respond).serve_forever()


if __name__ == "__main__":
    main()
