"""Times to recovery: over a season, and of several ways beside each other."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from homeostat.plot.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    Chart,
    dates,
    label,
    new_chart,
    on_dates,
    require,
    say_empty,
)

_MINUTE_S = 60.0
_TITLE = "Time to recovery"
_WINDOW_MIN = 5
_NAMED_AT = 0.75
_WAY_COLOURS = (GREY, BLUE, RED, GREEN, PURPLE, ORANGE, SKY)


def recovery_times(incidents: pd.DataFrame, history: pd.DataFrame | None = None, *, window: int = 25) -> Chart:
    """Time to recovery of each incident, the running median with its middle half, and when the order changed.

    Args:
        incidents: `opened_at`, `mttr_s` (NaN where it did not recover) and `result`.
        history: of rankings: `at` and `event` (`promoted` and `rolled_back` are marked).
        window: how many recovered incidents a median is of.

    Raises:
        UsageError: a column is missing.
    """
    require(incidents, ("opened_at", "mttr_s", "result"), "recovery_times")
    chart, (axes,) = new_chart(3.7, _TITLE, title_pad=30.0)
    recovered = incidents[incidents["mttr_s"].notna()].sort_values("opened_at")
    if recovered.empty:
        say_empty(axes, "incident that recovered")
        return chart
    at, minutes = dates(recovered["opened_at"]), recovered["mttr_s"] / _MINUTE_S
    axes.scatter(at, minutes, s=9, color=GREY, alpha=0.55, linewidths=0)
    running = minutes.rolling(window, min_periods=min(_WINDOW_MIN, window))
    middle, low, high = running.median(), running.quantile(0.25), running.quantile(0.75)
    axes.fill_between(at, low, high, color=BLUE, alpha=0.15, linewidth=0)
    axes.plot(at, middle, color=BLUE, linewidth=2)
    top = float(minutes.max()) * 1.12
    axes.set_ylim(0, top)
    on_dates(axes)
    axes.set_ylabel("minutes to recovery")
    if middle.notna().any():
        label(axes, f"median of {window},\nmiddle half shaded", (at[-1], float(middle.iloc[-1])), BLUE)
    _mark_escalated(axes, incidents, top)
    if history is not None:
        _mark_history(axes, history, top)
    return chart


def _mark_escalated(axes: Axes, incidents: pd.DataFrame, top: float) -> None:
    escalated = incidents[incidents["result"] == "escalated"]
    if not escalated.empty:
        at = dates(escalated["opened_at"])
        axes.scatter(at, [top * 0.965] * len(at), marker="x", s=22, color=RED, linewidths=1.3)
        label(axes, "handed to people", (float(at[-1]), top * 0.965), RED)


def _mark_history(axes: Axes, history: pd.DataFrame, top: float) -> None:
    require(history, ("at", "event"), "recovery_times")
    for event, colour, said in (("promoted", GREEN, "promoted"), ("rolled_back", ORANGE, "rolled back")):
        rows = history[history["event"] == event]
        if rows.empty:
            continue
        at = dates(rows["at"])
        for each in at:
            axes.axvline(each, color=colour, linewidth=1, alpha=0.8, linestyle="-" if event == "promoted" else "--")
        label(axes, f"{said}\n" if len(at) == 1 else f"first\n{said}", (float(at[0]), top), colour, xytext=(0, 10))


def recovery_times_compared(times: pd.DataFrame) -> Chart:
    """Share of incidents that have recovered by each minute, one line a way of doing it; bands hold 95%.

    Beside each way stands of how many incidents it is. A line that ends below 1 has incidents that did not recover.
    The band is the Dvoretzky-Kiefer-Wolfowitz one (Massart 1990): sqrt(ln(2/0.05) / 2n) each way.

    Args:
        times: `way` and `mttr_s`, one row an incident and way; NaN: it did not recover.

    Raises:
        UsageError: a column is missing.
    """
    require(times, ("way", "mttr_s"), "recovery_times_compared")
    chart, (axes,) = new_chart(3.4, "Share of incidents that have recovered", grid="both")
    if times.empty:
        say_empty(axes, "incidents")
        return chart
    longest_s = float(times["mttr_s"].max())  # NaN where none has recovered
    end = longest_s / _MINUTE_S * 1.02 if longest_s > 0.0 else 1.0
    for place, (way, rows) in enumerate(times.groupby("way", sort=False, observed=True)):
        colour = _WAY_COLOURS[place % len(_WAY_COLOURS)]
        _draw_share(axes, str(way), rows["mttr_s"] / _MINUTE_S, end, colour)
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0, end)
    axes.set_xlabel("minutes since the first sign")
    axes.set_ylabel("share recovered, with its 95% band")
    return chart


def _draw_share(axes: Axes, way: str, minutes: pd.Series[Any], end: float, colour: str) -> None:
    count = len(minutes)
    at = [0.0, *sorted(minutes.dropna()), end]
    share = [place / count for place in range(len(at) - 1)]
    share.append(share[-1])
    half = float((3.688879454113936 / (2 * count)) ** 0.5)  # ln(2 / 0.05)
    low, high = [max(0.0, each - half) for each in share], [min(1.0, each + half) for each in share]
    axes.fill_between(at, low, high, step="post", color=colour, alpha=0.12, linewidth=0)
    axes.step(at, share, where="post", color=colour, linewidth=1.8)
    half_way = next((place for place, each in enumerate(share) if each >= _NAMED_AT), len(share) - 1)
    label(axes, f"{way} ({count})", (at[half_way], share[half_way]), colour, xytext=(8, -8))
