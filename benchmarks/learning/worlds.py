"""A world: incidents with a context, and for each what every candidate would do, drawn before anybody chooses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.int64]

STREAM = 2000
"""Incidents that are learnt from, one after the other."""
HELD_OUT = 500
"""Incidents for frozen methods; they follow the stream's in every array."""
INCIDENTS = STREAM + HELD_OUT
DRIFT_AT = 1000
VERIFY_OK_S, VERIFY_FAILED_S, ESCALATION_S = 30.0, 90.0, 3600.0
TRIES_MAX = 10
RUN_SIGMA = 0.5
"""Of the logarithm of a candidate's run time."""


@dataclass(frozen=True)
class Facts:
    """What any operator knows before the first incident."""

    candidates: tuple[str, ...]
    """In the order in which they were written down."""
    declared_s: tuple[float, ...]
    """How long each is said to run."""
    numbers: tuple[str, ...]
    """Names of the numeric signals."""
    quartiles: Floats
    """(3, numbers): each signal's 25th, 50th and 75th percentile in the monitoring's history."""
    categories: tuple[tuple[str, ...], ...]
    """The values of each categorical signal."""
    patterns: tuple[str, ...]
    """The kinds of failure that detection tells apart."""


@dataclass(frozen=True)
class Context:
    """What is seen when an incident begins."""

    numbers: Floats
    """NaN where the signal is missing."""
    categories: tuple[str, ...]
    pattern: str


@dataclass(frozen=True)
class Draws:
    """Incidents as nature made them. N incidents, D signals, C categorical ones, M candidates."""

    numbers: Floats
    """(N, D), NaN where missing."""
    categories: Codes
    """(N, C), indices into `Facts.categories`."""
    patterns: Codes
    """(N,), indices into `Facts.patterns`."""
    works: Bools
    """(N, M)"""
    runs_s: Floats
    """(N, M)"""
    harms: Bools
    """(N, M)"""


@dataclass(frozen=True)
class Truth:
    """What the oracle knows and no method does: all but the cause. K causes."""

    posterior: Floats
    """(N, K): the probability of each cause given the context."""
    success: Floats
    """(N, K, M): of each candidate, given the cause."""
    run_s: Floats
    """(M,): the expected run time."""


@dataclass(frozen=True)
class World:
    """The incidents of one world, and how they came about."""

    name: str
    seed: int
    facts: Facts
    draws: Draws
    truth: Truth

    def context(self, incident: int) -> Context:
        draws, facts = self.draws, self.facts
        codes = draws.categories[incident]
        return Context(
            draws.numbers[incident],
            tuple(levels[code] for levels, code in zip(facts.categories, codes, strict=True)),
            facts.patterns[draws.patterns[incident]],
        )


def outcomes(
    random: np.random.Generator, success: Floats, median_s: Floats, harm: Floats, cause: Codes
) -> tuple[Bools, Floats, Bools]:
    """Draw what each candidate would do in each incident: whether it works, for how long it runs, whether it harms.

    Args:
        random: where the luck comes from.
        success: (N, K, M).
        median_s: (M,) run times.
        harm: (M,) probabilities.
        cause: (N,), below K.
    """
    rates = success[np.arange(len(cause)), cause]
    works = random.random(rates.shape) < rates
    runs_s = median_s * random.lognormal(0.0, RUN_SIGMA, rates.shape)
    harms = random.random(rates.shape) < harm
    return works, runs_s, harms


def mean_run_s(median_s: Floats) -> Floats:
    return np.asarray(median_s * np.exp(RUN_SIGMA**2 / 2))


def save(world: World, to: Path, **more: NDArray[Any]) -> None:
    """Write a world to a file that holds plain arrays; `more` are put beside it under their names."""
    facts = world.facts
    words = {
        "name": world.name,
        "seed": world.seed,
        "candidates": facts.candidates,
        "declared_s": facts.declared_s,
        "numbers": facts.numbers,
        "categories": facts.categories,
        "patterns": facts.patterns,
    }
    partial = to.with_name(f"partial-{to.name}")
    arrays: dict[str, NDArray[Any]] = {"words": np.array(json.dumps(words)), "quartiles": facts.quartiles}
    arrays |= {f"draws_{name}": array for name, array in vars(world.draws).items()}
    arrays |= {f"truth_{name}": array for name, array in vars(world.truth).items()}
    with partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays, **more)
    partial.replace(to)


def load(path: Path, *more: str) -> tuple[World, list[NDArray[Any]]]:
    """Read what `save` wrote: the world, and the arrays named in `more`."""
    with np.load(path) as file:
        words = json.loads(str(file["words"]))
        facts = Facts(
            tuple(words["candidates"]),
            tuple(words["declared_s"]),
            tuple(words["numbers"]),
            file["quartiles"],
            tuple(tuple(levels) for levels in words["categories"]),
            tuple(words["patterns"]),
        )
        draws = Draws(**{name: file[f"draws_{name}"] for name in Draws.__dataclass_fields__})
        truth = Truth(**{name: file[f"truth_{name}"] for name in Truth.__dataclass_fields__})
        return World(words["name"], words["seed"], facts, draws, truth), [file[name] for name in more]


def digest(files: Sequence[Path]) -> str:
    """Of the files' contents; results of other worlds or other rules are not mixed with these."""
    hashed = hashlib.sha256()
    for file in files:
        hashed.update(file.read_bytes())
    return hashed.hexdigest()[:12]
