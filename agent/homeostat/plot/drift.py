"""Whether the data are still there, and whether the world still is what was learnt."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap

from homeostat.plot.style import COLOURS, GREY, INK, RED, Chart, dates, label, new_chart, on_dates, require, say_empty

_PERIODS_NAMED_MAX = 12
_MISSING = LinearSegmentedColormap.from_list("missing", ["#f7f7f7", "#f3c9ad", RED])


def missing_signals(shares: pd.DataFrame) -> Chart:
    """Share of readings that were missing, a row a signal and a column a period.

    Args:
        shares: index: signals; columns: the periods, in order; values 0..1, NaN where nothing was read.
    """
    chart, (axes,) = new_chart(1.2 + 0.34 * max(2, len(shares)), "Share of readings that were missing", grid="")
    if shares.empty:
        say_empty(axes, "readings")
        return chart
    values = shares.to_numpy(dtype="float64")
    axes.imshow(np.ma.masked_invalid(values), aspect="auto", cmap=_MISSING, vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(values >= 0.005), strict=True):
        share = values[row, column]
        colour = "white" if share > 0.75 else INK
        axes.text(column, row, f"{share:.0%}", ha="center", va="center", fontsize=7, color=colour)
    axes.set_yticks(range(len(shares)), [str(name) for name in shares.index])
    step = -(-len(shares.columns) // _PERIODS_NAMED_MAX)
    named = range(0, len(shares.columns), step)
    axes.set_xticks(named, [_period(shares.columns[place]) for place in named])
    axes.set_xticks(np.arange(-0.5, len(shares.columns)), minor=True)
    axes.set_yticks(np.arange(-0.5, len(shares)), minor=True)
    axes.grid(visible=True, which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return chart


def _period(period: object) -> str:
    return f"{period:%d %b}" if isinstance(period, pd.Timestamp | pd.Period) else str(period)


def changes(sums: pd.DataFrame, *, limit: float) -> Chart:
    """A cumulative sum (CUSUM, Page 1954) for each candidate; above the limit it no longer works as it did.

    Args:
        sums: one row a trial: `at` (UTC), `candidate` and `cusum`.
        limit: above which a change is taken as found.

    Raises:
        UsageError: a column is missing.
    """
    require(sums, ("at", "candidate", "cusum"), "changes")
    chart, (axes,) = new_chart(3.4, "Evidence that a candidate works less often than was learnt")
    if sums.empty:
        say_empty(axes, "trials")
        return chart
    crossed = 0
    for candidate, rows in sums.sort_values("at").groupby("candidate", observed=True):
        found = bool((rows["cusum"] > limit).any())
        colour = COLOURS[(1 + crossed) % len(COLOURS)] if found else GREY
        crossed += found
        at, cusum = dates(rows["at"]), rows["cusum"].to_numpy()
        axes.step(at, cusum, where="post", color=colour, linewidth=2 if found else 1, alpha=1 if found else 0.7)
        if found:
            label(axes, str(candidate), (float(at[-1]), float(cusum[-1])), colour)
    axes.axhline(limit, color=INK, linewidth=1, linestyle="--")
    label(axes, f"limit {limit:g}", (float(dates(sums["at"]).min()), limit), INK, xytext=(0, 8))
    axes.set_ylim(bottom=0)
    on_dates(axes)
    axes.set_ylabel("cumulative log likelihood ratio")
    return chart
