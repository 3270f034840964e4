"""What policies would have done in recorded incidents, as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from homeostat.policy.units import format_seconds
from homeostat.simulate.page import chart, page, rectangle, table, text, time_axis
from homeostat.simulate.recorded_course import Replayed
from homeostat.simulate.regressions import Change, Kind
from homeostat.simulate.replay import Verdict

_SHOWN_MAX = 60
"""Incidents in the chart; a table below has all of them."""

_WIDTH, _LEFT, _RIGHT = 900, 300, 90
_ROW_HEIGHT, _BAR_HEIGHT, _TOP, _AXIS_HEIGHT = 30, 10, 30, 24
_RECORDED, _UNDER_POLICY, _WITH_PEOPLE = "#8c959f", "#0969da", "#bc4c00"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a policy, in words, and where it comes from: recorded, or estimated off policy."""

    label: str
    source: str
    value: str


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """One policy over all recordings.

    Attributes:
        changes: beside the baseline, in the order of `replayed`; empty without one.
    """

    policy: str
    replayed: Sequence[Replayed]
    figures: Sequence[Figure]
    changes: Sequence[Change] = ()


def replay_html(folder: str, reports: Sequence[PolicyReport], baseline: str | None = None) -> str:
    """Render the report.

    Args:
        folder: of the recordings, as it is called.
        reports: one for each policy.
        baseline: the revision that they are held against, if any.
    """
    intro = (
        "<p>Every recorded incident was decided again by the policy, tick by tick, by the code that decides live. As"
        " long as it does what was done then, the recorded outcomes are facts. From the first action that it would do"
        f" otherwise nobody knows how it would have gone on: <b>{Verdict.UNKNOWN}</b>, never an invented outcome.</p>"
        "<p><em>recorded</em>: a fact of the recordings. <em>estimated off policy</em>: calculated from them, with an"
        " interval that holds nine times in ten, under the assumption that stands beside it.</p>"
    )
    return page(f"Replayed: {folder}", intro + "".join(_of_policy(report, baseline) for report in reports))


def _of_policy(report: PolicyReport, baseline: str | None) -> str:
    figures = table(("figure", "source", "value"), ((one.label, one.source, one.value) for one in report.figures))
    parts = [f"<h2>{escape(report.policy)}</h2>", figures]
    if baseline is not None:
        parts.append(_changes(report.changes, baseline))
    parts += [_bars(report.replayed), _incidents(report.replayed)]
    return "".join(parts)


def _changes(changes: Sequence[Change], baseline: str) -> str:
    told = [change for change in changes if change.kind is not Kind.SAME]
    heading = f"<h3>Beside {escape(baseline)}</h3>"
    if not told:
        return f"{heading}<p>Every incident goes as before.</p>"
    order = [Kind.WORSE, Kind.UNTOLD, Kind.BETTER]
    told.sort(key=lambda change: order.index(change.kind))
    rows = ((change.incident, str(change.kind), change.told) for change in told)
    return heading + table(("incident", "it goes", "what changed"), rows)


def _bars(replayed: Sequence[Replayed]) -> str:
    """Two bars an incident: what was recorded, and what the policy comes to; none where nobody knows."""
    shown = replayed[:_SHOWN_MAX]
    longest_s = max((max(one.course.duration_s, one.replay.duration_s or 0.0) for one in shown), default=0.0) or 1.0
    scale = (_WIDTH - _LEFT - _RIGHT) / longest_s
    bottom = _TOP + len(shown) * _ROW_HEIGHT
    drawn = [*_legend(), *time_axis(longest_s, scale, _LEFT, _TOP - 4, bottom)]
    for row, one in enumerate(shown):
        drawn += _row(one, _TOP + row * _ROW_HEIGHT, scale)
    more = f"<p>The first {_SHOWN_MAX} of {len(replayed)} incidents.</p>" if len(replayed) > _SHOWN_MAX else ""
    return (
        "<h3>Time to the end, or until people were called</h3>"
        + more
        + chart(_WIDTH, bottom + _AXIS_HEIGHT, "time to the end of each incident", "".join(drawn))
    )


def _row(one: Replayed, top: float, scale: float) -> Iterator[str]:
    yield text(0, top + _BAR_HEIGHT + 5, one.recording.incident, size=12)
    yield rectangle(_LEFT, top, one.course.duration_s * scale, _BAR_HEIGHT, _RECORDED)
    below, duration_s = top + _BAR_HEIGHT + 2, one.replay.duration_s
    if duration_s is None:
        yield text(_LEFT + 4, below + _BAR_HEIGHT, f"? {one.difference or one.replay.why}", size=11)
        return
    colour = _UNDER_POLICY if one.replay.verdict is Verdict.RECOVERED else _WITH_PEOPLE
    yield rectangle(_LEFT, below, duration_s * scale, _BAR_HEIGHT, colour)
    yield text(_LEFT + duration_s * scale + 6, below + _BAR_HEIGHT - 1, _seconds(duration_s), size=11)


def _legend() -> Iterator[str]:
    named = (("recorded", _RECORDED), ("under the policy", _UNDER_POLICY), ("ends with people", _WITH_PEOPLE))
    for place, (name, colour) in enumerate(named):
        x = _LEFT + place * 170
        yield rectangle(x, 2, 12, 12, colour)
        yield text(x + 18, 13, name, size=12)


def _incidents(replayed: Sequence[Replayed]) -> str:
    heads = ("incident", "then", "done then", "now", "would do", "differs", "why")
    return "<h3>Incident by incident</h3>" + table(heads, map(_cells, replayed))


def _cells(one: Replayed) -> tuple[str, ...]:
    done = " > ".join(action for _, action in one.course.starts) or "-"
    would = " > ".join(start.action for start in one.replay.starts) or "-"
    then = f"{one.course.result} after {_seconds(one.course.duration_s)}"
    now = str(one.replay.verdict)
    if one.replay.duration_s is not None:
        now += f" after {_seconds(one.replay.duration_s)}"
    why = "" if one.replay.verdict is Verdict.RECOVERED else one.replay.why
    return one.recording.incident, then, done, now, would, one.difference or "-", why


def _seconds(seconds: float) -> str:
    return format_seconds(round(seconds))
