"""Methods in one world: reads a world's file, adds a line to the results for each method that is through.

Runs in the project's environment or in the peers'; `__main__` starts it.

    python -m benchmarks.learning.one WORLD_FILE RESULTS_FILE RULES METHOD...
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.learning.calibration import calibration_of
from benchmarks.learning.catalogue import STATIONARY
from benchmarks.learning.methods import METHODS
from benchmarks.learning.results import Results
from benchmarks.learning.stream import measure
from benchmarks.learning.worlds import load


def main(file: str, results: str, rules: str, *names: str) -> int:
    world, (oracle_s,) = load(Path(file), "oracle_s")
    for name in names:
        method = METHODS[name].make()
        measured = measure(world, oracle_s.astype(float), method)
        row = {"method": name, "world": world.name, "seed": world.seed, **asdict(measured)}
        if hasattr(method, "frozen_for_calibration") and world.name in STATIONARY:
            row["calibration"] = calibration_of(method.frozen_for_calibration(), world)
        Results(Path(results), rules).add([json.dumps(row)])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
