"""Grids for what is called tuned in `methods.py`: mean ratio of each setting over worlds that no table contains.

Make the worlds with `python -m benchmarks.learning --seeds 100 101 --methods random`; then, in the peers' environment:

    .venv-peers/bin/python -m benchmarks.learning.peers.tune benchmarks/results/*-10[01]-*.npz
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from benchmarks.learning.peers.linucb import LinUCB
from benchmarks.learning.peers.vowpal import OnlineLogistic, SquareCB
from benchmarks.learning.stream import Method, measure
from benchmarks.learning.worlds import load


def settings() -> Iterator[tuple[str, Callable[[], Method]]]:
    """Every setting of every grid, by a name."""
    for alpha, l2_lambda in itertools.product((0.05, 0.1, 0.2, 0.3), (1.0, 3.0, 10.0)):
        yield f"linucb alpha {alpha} lambda {l2_lambda}", partial(LinUCB, alpha, l2_lambda)
    for options in ("", "-l 0.1", "-l 0.25", "-l 1", "--coin"):
        yield f"logistic {options}", partial(OnlineLogistic, options)
    for gamma_scale, rate, failure_s in itertools.product((10, 100, 300, 1000), (0.25, 0.5, 1.0), (None, 300, 500)):
        options = f"--gamma_scale {gamma_scale} -l {rate}"
        yield f"squarecb {options}, a failure costs {failure_s}", partial(SquareCB, options, failure_s=failure_s)


def main(*files: str) -> int:
    worlds = [load(Path(file), "oracle_s") for file in files]
    for name, make in settings():
        ratios = [measure(world, oracle_s, make()).mttr_ratio for world, (oracle_s,) in worlds if world.name != "drift"]
        print(f"{np.mean(ratios):.4f} {name}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
