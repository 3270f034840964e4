"""Whether recovery gets better: the figures of one policy, period by period."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from homeostat.plot.style import BLUE, ORANGE, Chart, new_chart, require, say_empty

_MINUTE_S = 60.0
_PANELS = (
    ("mttr_s", "minutes to recovery"),
    ("steps_correct", "steps right at once"),
    ("came_back", "incidents that came back"),
    ("escalated", "incidents handed to people"),
)
_PERIODS_NAMED_MAX = 6
_NEEDED = ("drill", "period", "began_at", "measure", "value", "low", "high")


def trends(table: pd.DataFrame) -> Chart:
    """Time to recovery and three shares, each period's with its interval; drills beside incidents.

    Args:
        table: of one policy, as `learn.trends.trends` gives it, without its rows over all periods.

    Raises:
        UsageError: a column is missing.
    """
    require(table, _NEEDED, "trends")
    chart, panels = new_chart(4.4, "", columns=2, rows=2)
    periods = list(table.sort_values("began_at")["period"].unique())
    for axes, (measure, title) in zip(panels, _PANELS, strict=True):
        axes.set_title(title, loc="left", fontsize=9.5)
        rows = table[(table["measure"] == measure) & table["value"].notna()]
        if rows.empty:
            say_empty(axes, "such incidents")
            continue
        _draw(axes, rows.assign(place=rows["period"].map(periods.index)), is_share=measure != "mttr_s")
        step = -(-len(periods) // _PERIODS_NAMED_MAX)
        axes.set_xlabel("period")
        axes.set_xticks(range(0, len(periods), step), periods[::step])
        axes.set_xlim(-0.6, len(periods) - 0.4)
    _name_drills(panels[0], table)
    return chart


def _draw(axes: Axes, rows: pd.DataFrame, *, is_share: bool) -> None:
    scale = 1.0 if is_share else _MINUTE_S
    for drill, series in rows.groupby("drill"):
        colour, shift = (ORANGE, 0.12) if drill else (BLUE, 0.0)
        at, value = series["place"] + shift, series["value"] / scale
        axes.errorbar(at, value, yerr=_arms(series, scale), fmt="none", ecolor=colour, elinewidth=1.2, alpha=0.6)
        axes.plot(at, value, color=colour, linewidth=1.4, marker="o", markersize=4)
    if is_share:
        axes.set_ylim(-0.02, 1.02)
    else:
        axes.set_ylim(bottom=0)


def _name_drills(axes: Axes, table: pd.DataFrame) -> None:
    """Say which colour is which, where there are both."""
    if table["drill"].nunique() > 1:
        for height, words, colour in ((0.12, "incidents", BLUE), (0.04, "drills", ORANGE)):
            axes.text(0.02, height, words, transform=axes.transAxes, color=colour, fontsize=8.5)


def _arms(series: pd.DataFrame, scale: float) -> list[pd.Series[Any]]:
    """How far the interval reaches below and above; nowhere where there is none."""
    below, above = series["value"] - series["low"], series["high"] - series["value"]
    return [below.fillna(0.0).clip(lower=0.0) / scale, above.fillna(0.0).clip(lower=0.0) / scale]
