"""Methods in one world: reads a world's file, prints a line of JSON for each method that is through.

Runs in the project's environment or in the peers'; `__main__` starts it.

    python -m benchmarks.learning.one WORLD_FILE METHOD...
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.learning.methods import METHODS
from benchmarks.learning.stream import measure
from benchmarks.learning.worlds import load


def main(file: str, *names: str) -> int:
    world, (oracle_s,) = load(Path(file), "oracle_s")
    for name in names:
        measured = measure(world, oracle_s.astype(float), METHODS[name].make())
        print(json.dumps({"method": name, "world": world.name, "seed": world.seed, **asdict(measured)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
