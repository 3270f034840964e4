"""How recovery changes over time: figures of each policy by month or by so many incidents, each with its interval.

Shares have Wilson's interval (JASA 22, 1927), means that of a percentile bootstrap (Efron and Tibshirani, "An
Introduction to the Bootstrap", 1993). Both hold 95%, and take incidents, and steps, as independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from homeostat.learn.features import Floats
from homeostat.model.reasons import AttemptVerdict, Result

LEVEL = 0.95
RESAMPLES = 2_000
_NUMBERS_MAX = 1_000_000
"""Drawn at once."""

ALL = "all"
"""The period that holds every incident."""

MTTR, CORRECT, CAME_BACK, ESCALATED = "mttr_s", "steps_correct", "came_back", "escalated"
RAN, TOOK = "step_ran_s", "step_took_s"
RATINGS = ("clarity", "usability", "confidence")

TREND_DTYPES = {
    "policy": "str",
    "drill": "bool",
    "period": "str",
    "began_at": "datetime64[us, UTC]",
    "measure": "str",
    "step": "str",
    "count": "int64",
    "value": "float64",
    "low": "float64",
    "high": "float64",
    "planned_s": "float64",
}
"""Columns of `trends`."""

_NOT_CARRIED_OUT = (AttemptVerdict.CANCELLED.value, AttemptVerdict.PRE_SATISFIED.value)
"""It was stopped before its time, or there was nothing to put right: neither says whether the step was right."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A share or a mean of `count` cases; NaN where nothing is known, no interval of a mean of fewer than two."""

    count: int
    value: float
    low: float
    high: float


def share(found: int, count: int) -> Figure:
    """`found` of `count`."""
    from scipy.stats import binomtest  # a second of imports

    if not count:
        return Figure(0, np.nan, np.nan, np.nan)
    interval = binomtest(found, count).proportion_ci(LEVEL, method="wilson")
    return Figure(count, found / count, float(interval.low), float(interval.high))


def mean(values: Floats) -> Figure:
    """The mean of what is known of `values`: (n,). The same values give the same interval."""
    from scipy.stats import bootstrap  # see above

    known = values[~np.isnan(values)]
    if len(known) < 2:
        return Figure(len(known), float(known[0]) if len(known) else np.nan, np.nan, np.nan)
    batch = max(1, _NUMBERS_MAX // len(known))
    low, high = bootstrap(
        (known,), np.mean, n_resamples=RESAMPLES, batch=batch, confidence_level=LEVEL, method="percentile", rng=0
    ).confidence_interval
    return Figure(len(known), float(known.mean()), float(low), float(high))


def trends(
    incidents: pd.DataFrame, attempts: pd.DataFrame, feedback: pd.DataFrame, *, window: int | None = None
) -> pd.DataFrame:
    """The figures in a tidy frame, a row each; columns: `TREND_DTYPES`. Drills are kept apart.

    Of each policy first by period, oldest first, then over `ALL`. Incidents count that were confirmed and are closed.
    `mttr_s` is of those that recovered. `steps_correct` is the share of steps carried out whose first attempt verified,
    before people were called; a verdict that the data could not give is none that verified. `came_back` is the share
    of recovered incidents that relapsed, of those of which that is certain. `step_ran_s` (the action alone) and
    `step_took_s` (until the verdict) are of one step, beside what was planned for the action when it last ran.

    Args:
        incidents: see `dataset.incidents_frame`.
        attempts: see `dataset.attempts_frame`, with `planned_s` besides (NaN where it is not known).
        feedback: `incident` and `RATINGS`, one row a person and incident.
        window: so many incidents of a policy are a period; None: a calendar month (UTC) is.
    """
    over = incidents[incidents["confirmed_at"].notna() & incidents["closed_at"].notna()].copy()
    over["period"] = _periods(over, window)
    rows: list[dict[str, Any]] = []
    for (policy, drill), of_policy in over.groupby(["policy", "drill"], sort=True):
        for period, chosen in [*of_policy.groupby("period", sort=False), (ALL, of_policy)]:
            which = {"policy": policy, "drill": drill, "period": period, "began_at": chosen["opened_at"].min()}
            inside = attempts[attempts["incident"].isin(chosen["incident"])]
            given = feedback[feedback["incident"].isin(chosen["incident"])]
            rows += [which | figures for figures in _figures(chosen, inside, given)]
    empty = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in TREND_DTYPES.items()})
    return pd.DataFrame(rows, columns=list(TREND_DTYPES)).astype(TREND_DTYPES) if rows else empty


def _periods(incidents: pd.DataFrame, window: int | None) -> pd.Series[Any]:
    """The name of each incident's period; incidents come oldest first."""
    if window is None:
        months: pd.Series[Any] = incidents["opened_at"].dt.strftime("%Y-%m").astype("str")
        return months
    groups = incidents.groupby(["policy", "drill"])["incident"]
    first = groups.cumcount() // window * window
    last = np.minimum(first + window, groups.transform("size"))
    windows: pd.Series[Any] = (first + 1).astype("str") + "-" + last.astype("str")
    return windows


def _figures(incidents: pd.DataFrame, attempts: pd.DataFrame, feedback: pd.DataFrame) -> Iterator[dict[str, Any]]:
    yield _row(MTTR, mean(incidents["mttr_s"].to_numpy(dtype="float64")))
    first = attempts[(attempts["number"] == 1) & attempts["verdict"].notna()]
    first = first[~first["verdict"].isin(_NOT_CARRIED_OUT)]
    correct = (first["verdict"] == AttemptVerdict.EFFECTIVE.value) & ~first["after_escalation"]
    yield _row(CORRECT, share(int(correct.sum()), len(first)))
    recovered = incidents[(incidents["result"] == Result.RECOVERED.value) & incidents["mature"]]
    yield _row(CAME_BACK, share(int(recovered["relapsed"].sum()), len(recovered)))
    yield _row(ESCALATED, share(int(incidents["escalated_at"].notna().sum()), len(incidents)))
    for rating in RATINGS:
        yield _row(rating, mean(feedback[rating].to_numpy(dtype="float64")))
    ended = attempts[attempts["verdict"].notna()]
    for step, runs in ended.groupby("node", sort=True):
        planned_s = float(runs["planned_s"].iloc[-1])
        for measure, column in ((RAN, "execution_s"), (TOOK, "total_s")):
            yield _row(measure, mean(runs[column].to_numpy(dtype="float64")), str(step), planned_s)


def _row(measure: str, figure: Figure, step: str | None = None, planned_s: float = np.nan) -> dict[str, Any]:
    return {
        "measure": measure,
        "step": step,
        "count": figure.count,
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "planned_s": planned_s,
    }
