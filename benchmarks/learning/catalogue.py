"""The worlds by name, kept in files together with what the oracle needs in them."""

from __future__ import annotations

from pathlib import Path

from benchmarks.learning import classification, synthetic
from benchmarks.learning.oracle import optimal_orders
from benchmarks.learning.stream import play_orders
from benchmarks.learning.worlds import World, digest, save

WORLDS = ("mixture", "smooth", "segments", "digits", "drift")
STATIONARY = WORLDS[:-1]
HERE = Path(__file__).parent
RULES = digest([HERE / f"{each}.py" for each in ("worlds", "synthetic", "classification", "oracle", "stream")])
"""Results under other rules do not count."""


def make(name: str, seed: int, peers: Path) -> World:
    """Make a world. `peers` is the environment that holds river's data."""
    if name in {"mixture", "drift"}:
        return synthetic.mixture(seed, name)
    if name == "smooth":
        return synthetic.smooth(seed)
    return classification.classification(name, seed, classification.rows_of(name, peers))


def world_file(name: str, seed: int, folder: Path, peers: Path) -> Path:
    """Give the file of a world, made and solved if it is not there yet."""
    file = folder / f"{name}-{seed}-{RULES}.npz"
    if not file.exists():
        world = make(name, seed, peers)
        orders, _ = optimal_orders(world.truth)
        save(world, file, oracle_s=play_orders(world, orders))
    return file
