"""Prefect, taking timed rounds over a line protocol; runs in the peers' own environment (`peers.py`).

    python peer_prefect.py

A flow of one task whose result is persisted. Prefect's server keeps the states (pending, running, completed of flow and
task) in SQLite; it is the one that Prefect starts itself on loopback where none is configured.
"""

from __future__ import annotations

import sys
import time

from prefect import flow, task  # type: ignore[import-not-found] # lives in the peers' own environment

OUTPUT = "deployment.apps/checkout restarted\nwaiting for rollout: 3 of 3 updated\n"


def act(number: int) -> dict[str, object]:
    return {"number": number, "exit_code": 0, "output": OUTPUT}


def main() -> None:
    step = task(persist_result=True)(act)

    def one(number: int) -> dict[str, object]:
        return dict(step(number))

    workflow = flow(persist_result=True)(one)
    workflow(0)
    print("ready", flush=True)
    for line in sys.stdin:
        count, began = int(line), time.perf_counter()
        for number in range(count):
            workflow(number)
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
