"""`python -m homeostat.rig.local.payments FOLDER`: takes payments; keeps one of few workers while it asks auth.

So a hung auth exhausts the workers, as it exhausts a pool of database connections. Its release and configuration are
read when it starts, its route (whether to ask auth at all) with every payment. A payment is in the file of
payments before its user is told that it is paid.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from homeostat.rig.layout import Layout, read_control
from homeostat.rig.local.paid import paid_file
from homeostat.rig.web import Answer, LoopbackServer, fetch

AUTH_TIMEOUT_S = 3.0
WORKER_WAIT_S_MAX = 1.0
BAD_RELEASE_FAILS_EVERY = 2


class Payments:
    """The service.

    Args:
        layout: of the system.
        workers: how many payments can be under way.
        release: `good`, or `failing`: every second payment fails.
        file: that of payments, opened for appending.
    """

    def __init__(self, layout: Layout, workers: int, release: str, file: int) -> None:
        self._layout = layout
        self._release = release
        self._workers = threading.BoundedSemaphore(workers)
        self._paid = file
        self._lock = threading.Lock()
        self._counts = {"200": 0, "500": 0, "503": 0}
        self._taken = 0

    def respond(self, method: str, path: str) -> Answer:
        """Answer a request."""
        del method
        if path == "/metrics":
            return 200, self._metrics()
        code = self._pay(parse_qs(urlsplit(path).query).get("id", [""])[0])
        with self._lock:
            self._counts[str(code)] += 1
        return code, "paid\n" if code == 200 else "not paid\n"

    def _pay(self, payment_id: str) -> int:
        with self._lock:
            self._taken += 1
            number = self._taken
        if self._release == "failing" and number % BAD_RELEASE_FAILS_EVERY == 0:
            return 500
        if not self._workers.acquire(timeout=WORKER_WAIT_S_MAX):
            return 503
        try:
            if not read_control(self._layout, "route")["degraded"]:
                asked = fetch(self._layout.url("auth_proxy", "/check"), timeout_s=AUTH_TIMEOUT_S)
                if asked != 200:
                    return 503
            os.write(self._paid, f"{payment_id}\n".encode())
        finally:
            self._workers.release()
        return 200

    def _metrics(self) -> str:
        """Everything, in the text format of Prometheus."""
        rows = [f'payments_requests_total{{code="{code}"}} {count}' for code, count in self._counts.items()]
        return "# TYPE payments_requests_total counter\n" + "\n".join(rows) + "\n"


def main() -> None:
    """Serve until ended; ends at once with a configuration that is wrong."""
    layout = Layout.load(Path(sys.argv[1]))
    deployed = read_control(layout, "payments")
    workers = int(str(deployed["workers"]))
    if workers <= 0:
        sys.exit("configuration: workers must be positive")
    # One write of a line at the end of a file is whole, also beside another process (open(2), O_APPEND).
    file = os.open(paid_file(layout), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    payments = Payments(layout, workers, str(deployed["release"]), file)
    LoopbackServer(layout.ports["payments"], payments.respond).serve_forever()


if __name__ == "__main__":
    main()
