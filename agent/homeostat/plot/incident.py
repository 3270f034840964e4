"""One incident from its first sign to its end."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from homeostat.plot.style import BLUE, GREEN, GREY, INK, RED, Chart, label, new_chart, require, say_empty

_MINUTE_S = 60.0
_VERDICT_COLOURS = {"effective": GREEN, "ineffective": RED, "harmful": RED}


def incident_timeline(
    readings: pd.DataFrame,
    attempts: pd.DataFrame,
    marks: pd.DataFrame | None = None,
    *,
    limit: float | None = None,
    unit: str = "",
) -> Chart:
    """One signal over an incident, with what was tried and what happened; gaps are readings that were missing.

    Args:
        readings: of the signal: `at` (UTC) and `value`, NaN where it was unknown; `signal`, its name, is optional.
        attempts: `node`, `intended_at`, `verdict_at` and `verdict`, as `attempts` frames have them.
        marks: `at` and `what` of moments to name, such as the confirmation and the recovery.
        limit: of the signal, drawn as a line.
        unit: of the signal, for its axis.

    Raises:
        UsageError: a column is missing.
    """
    require(readings, ("at", "value"), "incident_timeline")
    require(attempts, ("node", "intended_at", "verdict_at", "verdict"), "incident_timeline")
    chart, (axes,) = new_chart(3.4 + 0.28 * len(attempts), "One incident, from its first sign")
    if readings.empty:
        say_empty(axes, "readings")
        return chart
    start = readings["at"].min()
    minutes = (readings["at"] - start).dt.total_seconds() / _MINUTE_S
    axes.plot(minutes, readings["value"], color=BLUE, linewidth=1.8)
    highest = float(readings["value"].max())  # NaN where the signal was never known
    top = highest * 1.08 if highest > 0.0 else 1.0
    name = str(readings["signal"].iloc[0]) if "signal" in readings else "signal"
    axes.set_ylabel(f"{name}{f' ({unit})' if unit else ''}")
    axes.set_xlabel(f"minutes since {start:%Y-%m-%d %H:%M} UTC")
    if limit is not None:
        axes.axhline(limit, color=GREY, linewidth=1, linestyle="--")
        label(axes, f"limit {limit:g}", (0.0, limit), GREY, xytext=(0, 6))
    depth = _draw_attempts(axes, attempts, start, float(minutes.max()), top)
    axes.set_ylim(-depth, top)
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= top])
    if marks is not None:
        _draw_marks(axes, marks, start, top)
    return chart


def _draw_attempts(axes: Axes, attempts: pd.DataFrame, start: pd.Timestamp, end: float, top: float) -> float:
    """Bars below the signal, one line each; give how far down they go."""
    step = top * 0.11
    for place, row in enumerate(attempts.to_dict("records"), start=1):
        begun, ended = _minutes(row["intended_at"], start), _minutes(row["verdict_at"], start)
        verdict = "no verdict" if pd.isna(row["verdict"]) else str(row["verdict"])
        colour = _VERDICT_COLOURS.get(verdict, GREY)
        last = end if math.isnan(ended) else ended
        axes.hlines(-step * place, begun, last, color=colour, linewidth=7, alpha=0.6)
        label(axes, f"{row['node']}: {verdict}", (last, -step * place), colour)
    return step * (len(attempts) + 0.8)


def _draw_marks(axes: Axes, marks: pd.DataFrame, start: pd.Timestamp, top: float) -> None:
    require(marks, ("at", "what"), "incident_timeline")
    for row in marks.to_dict("records"):
        at = _minutes(row["at"], start)
        axes.axvline(at, color=INK, linewidth=0.8, alpha=0.5)
        label(axes, str(row["what"]), (at, top), INK, xytext=(3, -2), rotation=0, va="top")


def _minutes(at: Any, start: pd.Timestamp) -> float:
    return math.nan if pd.isna(at) else float((at - start).total_seconds() / _MINUTE_S)
