"""What a ranking holds: its order with intervals, how it changed, and where success and time put each candidate."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from homeostat.plot.style import BLUE, GREY, INK, RED, Chart, label, new_chart, require, say_empty

_COLUMNS = ("candidate", "probability", "probability_low", "probability_high", "cost_s")
_INDEX_UNIT_S = 1000.0
_NAMES_APART = 0.05


def ranking(candidates: pd.DataFrame) -> Chart:
    """The order of one ranking, first on top: chance of success with its interval, and chance of success per time.

    Args:
        candidates: in order: `candidate`, `probability`, `probability_low`, `probability_high`, `cost_s`, and,
            where known, `attempts` and `successes` behind it.

    Raises:
        UsageError: a column is missing.
    """
    require(candidates, _COLUMNS, "ranking")
    chart, (left, right) = new_chart(0.9 + 0.42 * max(2, len(candidates)), "Chance of success", grid="x", columns=2)
    right.set_title("What the order goes by", fontsize=11, loc="left", pad=10.0)
    if candidates.empty:
        say_empty(left, "candidates")
        say_empty(right, "candidates")
        return chart
    places = np.arange(len(candidates))[::-1]
    low, high = candidates["probability_low"], candidates["probability_high"]
    left.hlines(places, low, high, color=BLUE, linewidth=5, alpha=0.25)
    left.plot(candidates["probability"], places, "o", color=BLUE, markersize=6)
    left.set_yticks(places, list(candidates["candidate"]))
    left.set_xlim(0, 1)
    left.set_xlabel("chance of success, with its 90% interval")
    index = _INDEX_UNIT_S * candidates["probability"] / candidates["cost_s"]
    right.hlines(
        places, _INDEX_UNIT_S * low / candidates["cost_s"], _INDEX_UNIT_S * high / candidates["cost_s"],
        color=BLUE, linewidth=5, alpha=0.25,
    )  # fmt: skip
    right.plot(index, places, "o", color=BLUE, markersize=6)
    right.set_yticks(places, [])
    right.set_xlim(left=0)
    right.set_xlabel("expected successes per 1,000 s")
    _say_evidence(right, candidates, places)
    for axes in (left, right):
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_ylim(-0.6, len(candidates) - 0.4)
    return chart


def _say_evidence(axes: Axes, candidates: pd.DataFrame, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    if not {"attempts", "successes"} <= set(candidates.columns):
        return
    end = axes.get_xlim()[1]
    for place, attempts, successes in zip(places, candidates["attempts"], candidates["successes"], strict=True):
        said = f"{successes:.0f} of {attempts:.0f} worked" if attempts else "never tried"
        label(axes, said, (end, float(place)), GREY)


def order_change(before: pd.DataFrame, after: pd.DataFrame, *, names: tuple[str, str] = ("before", "after")) -> Chart:
    """Two orders side by side, a line for each candidate; those that rise are drawn strongly.

    Args:
        before: in order, with `candidate`; other columns are passed over.
        after: the same.
        names: what the two are called.

    Raises:
        UsageError: a column is missing.
    """
    for frame in (before, after):
        require(frame, ("candidate",), "order_change")
    old, new = list(before["candidate"]), list(after["candidate"])
    chart, (axes,) = new_chart(0.9 + 0.4 * max(2, len(old), len(new)), "The order, first on top", grid="")
    for candidate in dict.fromkeys([*old, *new]):
        at = [order.index(candidate) if candidate in order else None for order in (old, new)]
        rises = at[0] is not None and at[1] is not None and at[1] < at[0]
        falls = at[0] is not None and at[1] is not None and at[1] > at[0]
        colour = BLUE if rises else RED if falls else GREY
        here = [(x, place) for x, place in enumerate(at) if place is not None]
        axes.plot(*zip(*here, strict=True), "o-", color=colour, linewidth=2.4 if rises else 1.2, markersize=5)
        for x, place in here:
            label(
                axes, candidate, (x, place), colour, xytext=(-9 if x == 0 else 9, 0), ha="right" if x == 0 else "left"
            )
    axes.set_xlim(-0.8, 1.8)
    axes.set_xticks([0, 1], list(names))
    axes.xaxis.tick_top()
    axes.set_yticks([])
    axes.set_ylim(max(len(old), len(new)) - 0.5, -0.6)
    axes.tick_params(axis="x", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return chart


def success_and_seconds(candidates: pd.DataFrame) -> Chart:
    """Chance of success against seconds, with lines of equal index p/c; the further to the upper left, the earlier.

    Args:
        candidates: as for `ranking`.

    Raises:
        UsageError: a column is missing.
    """
    require(candidates, _COLUMNS, "success_and_seconds")
    candidates = candidates.dropna(subset=["probability", "cost_s"])  # the written order foretells nothing
    chart, (axes,) = new_chart(4.0, "Success against time: equal index along each line", grid="")
    if candidates.empty:
        say_empty(axes, "candidates")
        return chart
    end = float(candidates["cost_s"].max()) * 1.15
    seconds = np.array([0.0, end])
    for index in _round_steps(_INDEX_UNIT_S * float((candidates["probability"] / candidates["cost_s"]).max())):
        chance = index / _INDEX_UNIT_S * seconds
        axes.plot(seconds, chance, color="#dddddd", linewidth=1, zorder=0)
        at = (end, float(chance[1])) if chance[1] <= 1 else (_INDEX_UNIT_S / index, 1.0)
        label(axes, f"{index:g}", at, GREY, xytext=(4, 0) if chance[1] <= 1 else (0, 6), ha="left")
    low = candidates["probability"] - candidates["probability_low"]
    high = candidates["probability_high"] - candidates["probability"]
    axes.errorbar(
        candidates["cost_s"], candidates["probability"], yerr=[low.clip(lower=0), high.clip(lower=0)],
        fmt="o", color=BLUE, ecolor=BLUE, elinewidth=1, alpha=0.9,
    )  # fmt: skip
    _name_points(axes, candidates)
    axes.set_xlim(0, end)
    axes.set_ylim(0, 1)
    axes.set_xlabel("expected seconds of a trial, its check included")
    axes.set_ylabel("chance of success, with its 90% interval")
    label(axes, "per\n1,000 s", (end, 1.0), GREY, xytext=(4, 22))
    return chart


def _name_points(axes: Axes, candidates: pd.DataFrame) -> None:
    """Write each name beside its point, and apart from the others."""
    last = -1.0
    for row in candidates.sort_values("probability").to_dict("records"):
        last = max(float(row["probability"]), last + _NAMES_APART)
        label(axes, str(row["candidate"]), (float(row["cost_s"]), last), INK, xytext=(7, 5))


def _round_steps(highest: float) -> list[float]:
    """A few round indices up to about the highest."""
    if not np.isfinite(highest) or highest <= 0:
        return []
    size = 10.0 ** np.floor(np.log10(highest))
    step = size if highest / size >= 3 else size / 2
    return [step * count for count in range(1, int(highest / step) + 2)]
