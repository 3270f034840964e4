"""Whether predictions can be believed, and whether a change pays."""

from __future__ import annotations

import pandas as pd

from homeostat.plot.style import BLUE, GREEN, GREY, RED, Chart, label, new_chart, require, say_empty

_ALIKE_SHARE = 0.1
"""Groups that differ by less are held to be of one size, which is said once."""


def reliability(calibration: pd.DataFrame) -> Chart:
    """How often trials worked against how often they were foretold to; on the diagonal the forecasts are right.

    Args:
        calibration: one row a bin of forecasts: `predicted` and `observed` (shares), `observed_low` and
            `observed_high` (its interval), `trials`.

    Raises:
        UsageError: a column is missing.
    """
    require(calibration, ("predicted", "observed", "observed_low", "observed_high", "trials"), "reliability")
    chart, (axes,) = new_chart(4.2, "Foretold and seen", grid="both")
    rows = calibration[calibration["trials"] > 0]
    if rows.empty:
        say_empty(axes, "trials with a forecast")
        return chart
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    label(axes, "exactly as\nforetold", (1.0, 1.0), GREY, va="top")
    below, above = rows["observed"] - rows["observed_low"], rows["observed_high"] - rows["observed"]
    axes.errorbar(
        rows["predicted"], rows["observed"], yerr=[below.clip(lower=0), above.clip(lower=0)],
        fmt="none", ecolor=BLUE, elinewidth=1.2, alpha=0.7,
    )  # fmt: skip
    axes.scatter(rows["predicted"], rows["observed"], s=14 + 160 * rows["trials"] / rows["trials"].max(), color=BLUE)
    least, most = int(rows["trials"].min()), int(rows["trials"].max())
    if most - least > _ALIKE_SHARE * most:
        for row in rows.to_dict("records"):
            label(axes, f"{row['trials']:.0f}", (row["predicted"], row["observed"]), BLUE, xytext=(11, -6))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_box_aspect(1)
    axes.set_xlabel("foretold chance of success")
    each = "trials beside" if most - least > _ALIKE_SHARE * most else f"about {most} trials each"
    axes.set_ylabel(f"share that worked, with its 90% interval; {each}")
    return chart


def gain(estimates: pd.DataFrame, *, over: str = "what rules now", unit: str = "minutes", level: float = 0.9) -> Chart:
    """What each way would gain over another, with its interval; what crosses zero is not shown to be better.

    Args:
        estimates: `way`, `gain`, `gain_low`, `gain_high`, all in `unit`; positive is better.
        over: what it is compared with.
        unit: of the gain.
        level: how often the interval holds the gain; 0.9 is that of the gate and of `evaluate`.

    Raises:
        UsageError: a column is missing.
    """
    require(estimates, ("way", "gain", "gain_low", "gain_high"), "gain")
    chart, (axes,) = new_chart(1.1 + 0.42 * max(2, len(estimates)), f"Gain over {over}", grid="x")
    if estimates.empty:
        say_empty(axes, "estimates")
        return chart
    axes.axvline(0, color=GREY, linewidth=1)
    for place, row in enumerate(estimates.iloc[::-1].to_dict("records")):
        better, worse = row["gain_low"] > 0, row["gain_high"] < 0
        colour = GREEN if better else RED if worse else GREY
        axes.hlines(place, row["gain_low"], row["gain_high"], color=colour, linewidth=5, alpha=0.35)
        axes.plot(row["gain"], place, "o", color=colour, markersize=6)
        said = "better" if better else "worse" if worse else "not shown to differ"
        label(axes, f"{row['gain']:+.1f} {said}", (row["gain_high"], place), colour, xytext=(8, 0))
    axes.set_yticks(range(len(estimates)), list(estimates["way"].iloc[::-1]))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-0.6, len(estimates) - 0.4)
    axes.set_xlabel(f"{unit} of outage saved an incident, with its {level:.0%} interval")
    return chart
