"""The one look of all charts: quiet axes, colours that the colour blind can tell apart, labels beside their lines."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean

# Okabe and Ito, "Color universal design" (2008).
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, GREY, INK = "#56B4E9", "#CC79A7", "#8a8a8a", "#333333"
COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)

WIDTH_IN = 8.0


def _style() -> AbstractContextManager[None]:
    return mpl.rc_context(
        {
            "axes.edgecolor": GREY,
            "axes.grid": True,
            "axes.labelcolor": INK,
            "axes.labelsize": 9,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "font.size": 9,
            "grid.color": "#ececec",
            "grid.linewidth": 0.8,
            "text.color": INK,
            "xtick.color": INK,
            "xtick.labelsize": 8.5,
            "ytick.color": INK,
            "ytick.labelsize": 8.5,
            "svg.hashsalt": "homeostat",
        }
    )


class Chart(Figure):
    """A figure that shows itself as SVG, in a notebook too; the same data give the same bytes."""

    def svg(self) -> str:
        """The chart as an element that stands in a page: words are drawn, and nothing tells where it was made."""
        text = io.StringIO()
        with _style():
            self.savefig(text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        return text.getvalue()[text.getvalue().index("<svg") :]

    def _repr_svg_(self) -> str:
        text = io.StringIO()
        with _style():
            self.savefig(text, format="svg", metadata={"Date": None})
        return text.getvalue()


def new_chart(
    height_in: float, title: str, *, grid: str = "y", columns: int = 1, rows: int = 1, title_pad: float = 10.0
) -> tuple[Chart, list[Axes]]:
    """Give an empty chart with `rows` of `columns` axes; `grid` names the axis that has grid lines, or is empty."""
    with _style():
        chart = Chart(figsize=(WIDTH_IN, height_in), layout="constrained")
        axes = [chart.add_subplot(rows, columns, place) for place in range(1, rows * columns + 1)]
        for each in axes:
            each.grid(visible=False)
            if grid:
                each.grid(visible=True, axis=grid)  # type: ignore[arg-type]  # "x", "y" or "both"
            each.set_axisbelow(True)
        axes[0].set_title(title, pad=title_pad)
    return chart, axes


def on_dates(axes: Axes) -> None:
    """Label the x axis with dates, in UTC."""
    locator = AutoDateLocator(tz="UTC", minticks=3, maxticks=8)  # type: ignore[no-untyped-call]  # matplotlib's own
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz="UTC"))  # type: ignore[no-untyped-call]  # as above
    axes.set_xlabel("UTC")


def dates(times: pd.Series[Any] | pd.DatetimeIndex) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Times as matplotlib counts them."""
    naive = np.asarray(pd.DatetimeIndex(times).tz_convert(None))
    numbers: np.ndarray[Any, np.dtype[np.float64]] = date2num(naive)  # type: ignore[no-untyped-call]  # matplotlib's own
    return numbers


def label(axes: Axes, text: str, at: tuple[float, float], colour: str = INK, **how: Any) -> None:
    """Write a small text beside a point of the data."""
    options: dict[str, Any] = {"xytext": (5, 0), "va": "center", "fontsize": 8.5, **how}
    axes.annotate(text, at, textcoords="offset points", color=colour, annotation_clip=False, **options)


def require(frame: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Refuse a frame that lacks a column.

    Raises:
        UsageError: names the column, and the nearest one there is.
    """
    for column in columns:
        if column not in frame.columns:
            there = [str(name) for name in frame.columns]
            raise UsageError(f"{what} needs a column '{column}'{did_you_mean(column, there)}")


def say_empty(axes: Axes, what: str) -> None:
    """Say in the middle of a chart that there is nothing to draw."""
    axes.text(0.5, 0.5, f"no {what}", transform=axes.transAxes, ha="center", va="center", color=GREY)
    axes.set_xticks([])
    axes.set_yticks([])
