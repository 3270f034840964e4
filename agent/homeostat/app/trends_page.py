"""Trends in words: lines of a table, and a page with charts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

import pandas as pd

from homeostat.learn.trends import ALL, CAME_BACK, CORRECT, ESCALATED, MTTR, RAN, RATINGS, TOOK
from homeostat.policy.units import format_seconds
from homeostat.simulate.page import page, table

_PERIOD = ("policy", "drill", "period")
INCIDENT_HEADS = (*_PERIOD, "incidents", MTTR, CORRECT, CAME_BACK, ESCALATED, "answers", *RATINGS)
STEP_HEADS = (*_PERIOD, "step", "runs", RAN, TOOK, "planned_s")
_NOTHING = "-"
_WHOLE_FROM_S = 10.0
# matplotlib's drawing has a size and dark words of its own: it keeps a white ground, and scrolls on a narrow page.
_STYLE = (
    "<style>.wide td,.wide th{font-size:13px;white-space:nowrap;padding:.35rem .4rem}"
    ".drawn{background:#fff;width:fit-content;max-width:100%;box-sizing:border-box;padding:.5rem;margin-bottom:1rem;"
    "overflow-x:auto}.drawn svg{display:block}</style>"
)
_INTRO = (
    "<p>Figures stand with their 95% intervals. Time to recovery is of the incidents that recovered; the share handed"
    " to people says how many that may leave out. A step was right at once when its first attempt verified.</p>"
)

_Line = dict[str, str]
_Figures = Mapping[str, Mapping[str, Any]]
"""A group's rows by their measure."""


def incident_lines(found: pd.DataFrame) -> list[_Line]:
    """A line a period, under `INCIDENT_HEADS`; `found` is from `learn.trends.trends`."""
    return [
        line
        | {"incidents": str(of[ESCALATED]["count"]), MTTR: _told(of[MTTR], _seconds)}
        | {name: _told(of[name], "{:.0%}".format) for name in (CORRECT, CAME_BACK, ESCALATED)}
        | {"answers": str(of[RATINGS[0]]["count"])}
        | {name: _told(of[name], "{:.1f}".format) for name in RATINGS}
        for line, of in _groups(found[found["step"].isna()], _PERIOD)
    ]


def step_lines(found: pd.DataFrame) -> list[_Line]:
    """A line a period and step, under `STEP_HEADS`; `found` is from `learn.trends.trends`."""
    return [
        line
        | {"runs": str(of[TOOK]["count"]), RAN: _told(of[RAN], _seconds), TOOK: _told(of[TOOK], _seconds)}
        | {"planned_s": _seconds(of[TOOK]["planned_s"])}
        for line, of in _groups(found[found["step"].notna()], (*_PERIOD, "step"))
    ]


def _groups(found: pd.DataFrame, names: tuple[str, ...]) -> Iterator[tuple[_Line, _Figures]]:
    for key, rows in found.groupby(list(names), sort=False):
        line = {name: str(value) for name, value in zip(names, key, strict=True)}
        line["drill"] = "yes" if rows["drill"].iloc[0] else "no"
        yield line, {str(row["measure"]): {str(name): row[name] for name in row} for row in rows.to_dict("records")}


def _told(row: Mapping[str, Any], say: Callable[[float], str]) -> str:
    if math.isnan(row["value"]):
        return _NOTHING
    interval = "" if math.isnan(row["low"]) else f" ({say(row['low'])} to {say(row['high'])})"
    return f"{say(row['value'])}{interval}"


def _seconds(value_s: float) -> str:
    if math.isnan(value_s):
        return _NOTHING
    return format_seconds(round(value_s, 0 if value_s >= _WHOLE_FROM_S else 1))


def trends_html(found: pd.DataFrame, title: str) -> str:
    """The figures of `learn.trends.trends` as one page that needs nothing else, with a chart of each policy.

    Raises:
        UsageError: matplotlib is not installed.
    """
    from homeostat import plot  # matplotlib is an extra

    parts = [_STYLE, _INTRO]
    if found.empty:
        parts.append("<p>There is no confirmed and closed incident to count.</p>")
    for policy, rows in found.groupby("policy", sort=True):
        svg = plot.trends(rows[(rows["period"] != ALL) & rows["step"].isna()]).svg()
        parts.append(f"<h2>{escape(str(policy))}</h2><div class=drawn>{svg}</div>")
        parts.append(_table(INCIDENT_HEADS, incident_lines(rows)))
        parts.append(f"<h3>Time per step</h3>{_table(STEP_HEADS, step_lines(rows[rows['period'] == ALL]))}")
    return page(title, "".join(parts))


def _table(heads: tuple[str, ...], lines: list[_Line]) -> str:
    shown = heads[1:]  # the policy stands above
    words = [head.removesuffix("_s").replace("_", " ") for head in shown]
    return table(words, ([line[head] for head in shown] for line in lines))
