"""DBOS, taking timed rounds over a line protocol; runs in the peers' own environment (`peers.py`).

    python peer_dbos.py URL workflows|steps

A *workflow* of one step is what carries out one action: DBOS writes that the workflow began, the step's result, and the
workflow's result. *Steps* are those of one long workflow: DBOS writes each step's result. Neither writes, before a step
begins, that it is about to. The database's settings are those that DBOS makes itself.
"""

from __future__ import annotations

import sys
import time

from dbos import DBOS  # type: ignore[import-not-found] # lives in the peers' own environment

OUTPUT = "deployment.apps/checkout restarted\nwaiting for rollout: 3 of 3 updated\n"


def act(number: int) -> dict[str, object]:
    return {"number": number, "exit_code": 0, "output": OUTPUT}


def main() -> None:
    url, what = sys.argv[1:]
    DBOS(
        config={"name": "benchmark", "system_database_url": url, "log_level": "ERROR", "run_admin_server": False},
    )
    step = DBOS.step()(act)
    workflow = DBOS.workflow()(lambda number: step(number))
    steps = DBOS.workflow()(lambda count: [step(number) for number in range(count)])
    DBOS.launch()
    print("ready", flush=True)
    for line in sys.stdin:
        count, began = int(line), time.perf_counter()
        if what == "workflows":
            for number in range(count):
                workflow(number)
        else:
            steps(count)
        print(time.perf_counter() - began, flush=True)
    DBOS.destroy()


if __name__ == "__main__":
    main()
