"""A report as one HTML page that needs nothing else. All text is escaped: none of it becomes markup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from homeostat.app.review.report import Bar, Course, Report, Section, duration, visible
from homeostat.simulate.page import chart, page, rectangle, table, text, time_axis

_BARS_MAX = 40
_WIDTH, _LEFT, _RIGHT = 900, 230, 110
_ROW_HEIGHT, _BAR_HEIGHT, _AXIS_HEIGHT = 24, 14, 24
_MOMENT_HEIGHT, _LEGEND_HEIGHT = 16, 26
_RUNS, _VERIFIES, _UNDOES = "#0969da", "#54aeff", "#bc4c00"
_LABEL_MAX = 32


def as_html(report: Report) -> str:
    """Render it."""
    lead = f"<p class=lead>{escape(visible(report.summary))}</p>"
    sections = "".join(_section(section) for section in report.sections)
    return page(visible(report.title), lead + chart_of(report.course) + sections)


def _section(section: Section) -> str:
    note = f"<p>{escape(visible(section.note))}</p>" if section.note else ""
    rows = ([visible(cell) for cell in row] for row in section.rows)
    return f"<h2>{escape(section.title)}</h2>{note}{table(section.columns, rows) if section.rows else ''}"


def chart_of(course: Course) -> str:
    """As markup: a bar for each run over an axis of time, upright lines where the incident turned; "" without a run."""
    shown = course.bars[:_BARS_MAX]
    if not shown:
        return ""
    longest_s = course.end_s or 1.0
    scale = (_WIDTH - _LEFT - _RIGHT) / longest_s
    top = _LEGEND_HEIGHT + len(course.moments) * _MOMENT_HEIGHT
    bottom = top + len(shown) * _ROW_HEIGHT
    drawn = [*_legend(shown), *time_axis(longest_s, scale, _LEFT, top, bottom)]
    for row, (at_s, what) in enumerate(course.moments):
        drawn += _moment(at_s, what, _LEGEND_HEIGHT + row * _MOMENT_HEIGHT, bottom, scale)
    for row, bar in enumerate(shown):
        drawn += _bar(bar, top + row * _ROW_HEIGHT, scale)
    more = f"<p>The first {_BARS_MAX} of {len(course.bars)} runs.</p>" if len(course.bars) > _BARS_MAX else ""
    return more + chart(_WIDTH, bottom + _AXIS_HEIGHT, "when each step ran", "".join(drawn))


def _bar(bar: Bar, top: float, scale: float) -> Iterator[str]:
    label = visible(bar.label)
    yield text(0, top + _BAR_HEIGHT, label if len(label) <= _LABEL_MAX else f"{label[:_LABEL_MAX]}…", size=13)
    begin, end, verdict = (_LEFT + at_s * scale for at_s in (bar.began_s, bar.ended_s, bar.verdict_s))
    yield rectangle(begin, top + 3, max(end - begin, 2.0), _BAR_HEIGHT, _UNDOES if bar.is_undo else _RUNS)
    yield rectangle(end, top + 3, max(verdict - end, 0.0), _BAR_HEIGHT, _VERIFIES)
    yield text(max(verdict, begin + 2.0) + 5, top + _BAR_HEIGHT, duration(bar.verdict_s - bar.began_s), size=12)


def _moment(at_s: float, what: str, top: float, bottom: float, scale: float) -> Iterator[str]:
    x = _LEFT + at_s * scale
    yield (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + 4:g}" y2="{bottom:g}" stroke="currentColor"'
        ' stroke-opacity="0.6" stroke-dasharray="3 3"/>'
    )
    is_right = x > _WIDTH / 2
    told = f"{what} +{duration(at_s)}"
    yield text(x - 5 if is_right else x + 5, top + 13, told, size=12, anchor="end" if is_right else "start")


def _legend(bars: Sequence[Bar]) -> Iterator[str]:
    named = [("action runs", _RUNS), ("until its verdict", _VERIFIES)]
    if any(bar.is_undo for bar in bars):
        named.append(("undo", _UNDOES))
    for place, (name, colour) in enumerate(named):
        x = _LEFT + place * 150
        yield rectangle(x, 2, 12, 12, colour)
        yield text(x + 18, 13, name, size=12)
