"""Results as tables in Markdown, and as a plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.learning import calibration
from benchmarks.learning.catalogue import STATIONARY
from benchmarks.learning.methods import METHODS
from benchmarks.learning.results import Key
from benchmarks.learning.stream import BLOCK, DRIFT_WINDOWS, FROZEN_AT

Rows = Mapping[Key, Mapping[str, Any]]
Number = Callable[[Mapping[str, Any]], float]


def tables(rows: Rows, against: str) -> str:
    """The stationary worlds, the one that drifts, calibration of `against`, and what methods take."""
    calibrated = calibration.table((row for (method, _, _), row in rows.items() if method == against), STATIONARY)
    return "\n\n".join((_stationary(rows, against), _drift(rows, against), calibrated, _times(rows)))


def _stationary(rows: Rows, against: str) -> str:
    columns: dict[str, tuple[tuple[str, ...], Number]] = {}
    for world in STATIONARY:
        for at in FROZEN_AT:
            columns[f"{world} {at:,}"] = (world,), _frozen_at(at)
        columns[f"{world} all"] = (world,), _all
    columns["mean of all"] = STATIONARY, _all
    return _table(rows, against, columns)


def _drift(rows: Rows, against: str) -> str:
    columns: dict[str, tuple[tuple[str, ...], Number]] = {
        f"drift {start:,}-{end:,}": (("drift",), _window(f"{start}-{end}")) for start, end in DRIFT_WINDOWS
    }
    return _table(rows, against, columns | {"drift all": (("drift",), _all)})


def _times(rows: Rows) -> str:
    lines = ["| method | streams | decision ms | learning ms an incident | harms per 100 |", "|---|---|---|---|---|"]
    for method in _methods(rows):
        of = [row for (name, _, _), row in rows.items() if name == method]
        means = [float(np.mean([row[what] for row in of])) for what in ("decision_ms", "learn_ms", "harms_per_100")]
        lines.append(f"| {method} | {len(of)} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")
    return "\n".join(lines)


def _table(rows: Rows, against: str, columns: Mapping[str, tuple[tuple[str, ...], Number]]) -> str:
    lines = ["| method | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for method in _methods(rows):
        cells = [_cell(rows, method, against, worlds, number) for worlds, number in columns.values()]
        if any(cells):
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(rows: Rows, method: str, against: str, worlds: tuple[str, ...], number: Number) -> str:
    """The mean over seeds, and in brackets the difference to `against`, paired by seed, +- its standard error."""
    mine, theirs = (_by_seed(rows, name, worlds, number) for name in (method, against))
    if not mine:
        return ""
    mean = f"{np.mean(list(mine.values())):.3f}"
    shared = sorted(set(mine) & set(theirs))
    if method == against or len(shared) < 2:
        return mean
    difference = np.array([mine[seed] - theirs[seed] for seed in shared])
    return f"{mean} ({difference.mean():+.3f} ± {difference.std(ddof=1) / len(shared) ** 0.5:.3f})"


def _by_seed(rows: Rows, method: str, worlds: tuple[str, ...], number: Number) -> dict[int, float]:
    """The mean over `worlds`, of each seed that has all of them."""
    seeds = {seed for name, _, seed in rows if name == method}
    return {
        seed: float(np.mean([number(rows[method, world, seed]) for world in worlds]))
        for seed in seeds
        if all((method, world, seed) in rows for world in worlds)
    }


def _methods(rows: Rows) -> list[str]:
    return [name for name in METHODS if any(method == name for method, _, _ in rows)]


def _all(row: Mapping[str, Any]) -> float:
    return float(row["mttr_ratio"])


def _frozen_at(at: int) -> Number:
    return lambda row: float(row["frozen_ratios"][str(at)])


def _window(name: str) -> Number:
    return lambda row: float(row["window_ratios"][name])


def write_docs(rows: Rows, against: str, folder: Path) -> None:
    """Write `measured.md`, and `measured.svg` with each method's ratio along the stream."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (
        "# Learning, measured\n\n"
        "Mean time to recovery, the oracle's being 1, over the seeds that were run. In brackets: the difference to "
        f"{against}, paired by seed, ± its standard error.\n\n"
    )
    text += f"{tables(rows, against)}\n\n![Along the stream](measured.svg)\n"
    (folder / "measured.md").write_text(text, "utf-8")
    _plot(rows, folder / "measured.svg")


SHOWN_MAX = 3.0
SMOOTHED_BLOCKS = 4


def _plot(rows: Rows, to: Path) -> None:
    from matplotlib.figure import Figure  # only the notebooks' environment has it

    worlds = sorted({world for _, world, _ in rows}, key=(*STATIONARY, "drift").index)
    figure = Figure(figsize=(4.0 * len(worlds), 4.5), layout="constrained")
    axes = figure.subplots(1, len(worlds), sharey=True, squeeze=False)[0]
    handles: dict[str, Any] = {}
    for axis, world in zip(axes, worlds, strict=True):
        for method in _methods(rows):
            of = [row for (name, where, _), row in rows.items() if (name, where) == (method, world)]
            if of:
                seconds, oracle = (np.sum([row[key] for row in of], axis=0) for key in ("blocks_s", "oracle_blocks_s"))
                ratios = _moving(seconds) / _moving(oracle)
                at = BLOCK * (np.arange(len(ratios)) + SMOOTHED_BLOCKS)
                colour = f"C{list(METHODS).index(method) % 10}"
                style = ("-", "--", ":")[list(METHODS).index(method) // 10]
                (handles[method],) = axis.plot(at, ratios, label=method, color=colour, linestyle=style, linewidth=1.2)
        axis.set(title=world, xlabel="incidents", ylim=(0.95, SHOWN_MAX))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(f"MTTR / oracle, last {BLOCK * SMOOTHED_BLOCKS} incidents")
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5)
    figure.savefig(to, metadata={"Date": None})


def _moving(blocks: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.convolve(blocks, np.ones(SMOOTHED_BLOCKS), mode="valid")
