"""`python -m homeostat.rig.load FOLDER`: pays at a steady rate, and writes down what users saw of every payment.

Bounded: so many payments in flight, so many in all. A payment that finds no free slot counts as failed: users wait.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from homeostat.rig.layout import Layout
from homeostat.rig.web import fetch

IN_FLIGHT_MAX = 60
PAYMENTS_MAX = 500_000
TIMEOUT_S = 1.5


def main() -> None:
    """Pay until ended, or until `PAYMENTS_MAX`."""
    layout = Layout.load(Path(sys.argv[1]))
    slots = threading.BoundedSemaphore(IN_FLIGHT_MAX)
    lock = threading.Lock()
    run = f"{time.time_ns():x}"
    with layout.users.open("a", buffering=1) as users:

        def record(payment: str, sent_at: float, code: int) -> None:
            took_s = round(time.time() - sent_at, 4)
            with lock:
                users.write(json.dumps({"id": payment, "at": round(sent_at, 3), "took_s": took_s, "code": code}) + "\n")

        def pay(payment: str, sent_at: float) -> None:
            try:
                record(payment, sent_at, fetch(layout.url(layout.entrance, f"/pay?id={payment}"), timeout_s=TIMEOUT_S))
            finally:
                slots.release()

        due = time.monotonic()
        for number in range(PAYMENTS_MAX):
            due = max(due + 1.0 / layout.requests_per_s, time.monotonic() - 1.0)
            time.sleep(max(0.0, due - time.monotonic()))
            payment, sent_at = f"{run}-{number}", time.time()
            if slots.acquire(blocking=False):
                threading.Thread(target=pay, args=(payment, sent_at), daemon=True).start()
            else:
                record(payment, sent_at, 0)


if __name__ == "__main__":
    main()
