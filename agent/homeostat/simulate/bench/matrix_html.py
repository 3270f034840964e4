"""The decision matrix as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from homeostat.simulate.bench.measures import LINES, SIMULATED, Measures, lines_of
from homeostat.simulate.page import chart, page, rectangle, text, time_axis

_BAR_HEIGHT = 16
_GROUP_HEIGHT = 3 * _BAR_HEIGHT + 14
_LEGEND_HEIGHT, _AXIS_HEIGHT = 30, 24
_LABEL_WIDTH, _TIME_WIDTH = 260, 90
_WIDTH = 900
_PERCENTILES = (("mttr_p50_s", "p50", "#0969da"), ("mttr_p90_s", "p90", "#54aeff"), ("mttr_p99_s", "p99", "#b6e3ff"))


def matrix_html(title: str, measures: Sequence[Measures]) -> str:
    """Render the matrix of policies that were compared."""
    heads = "".join(f"<th>{escape(of.policy)}</th>" for of in measures)
    rows = "".join(
        f"<tr><td>{escape(line.label)}</td><td class=s>{line.source}</td>"
        + "".join(f"<td>{escape(line.say(line.value(of)))}</td>" for of in measures)
        + "</tr>"
        for line in lines_of(measures)
    )
    return page(
        title,
        f"<p>Numbers marked <em>{SIMULATED}</em> say how the policies compare under the world's assumptions, not how"
        " production will go. Every policy met the same incidents and the same luck.</p>"
        f"<table><tr><th>measure</th><th class=s>source</th>{heads}</tr>{rows}</table>"
        f"<h2>Time to recovery ({SIMULATED}): p50, p90, p99</h2>{_bars(measures)}",
    )


def _bars(measures: Sequence[Measures]) -> str:
    """A bar for each percentile of each policy, with its own time at its end, over an axis of round times."""
    longest_s = max((getattr(of, key) or 0.0 for of in measures for key, _, _ in _PERCENTILES), default=0.0) or 1.0
    scale = (_WIDTH - _LABEL_WIDTH - _TIME_WIDTH) / longest_s
    bottom = _LEGEND_HEIGHT + len(measures) * _GROUP_HEIGHT
    drawn = [*_legend(), *time_axis(longest_s, scale, _LABEL_WIDTH, _LEGEND_HEIGHT - 4, bottom)]
    for row, of in enumerate(measures):
        top = _LEGEND_HEIGHT + row * _GROUP_HEIGHT
        drawn.append(text(0, top + 1.5 * _BAR_HEIGHT + 5, of.policy))
        for place, (key, _, colour) in enumerate(_PERCENTILES):
            line = next(line for line in LINES if line.key == key)
            width, y = (getattr(of, key) or 0.0) * scale, top + place * _BAR_HEIGHT
            drawn.append(rectangle(_LABEL_WIDTH, y, width, _BAR_HEIGHT - 2, colour))
            drawn.append(text(_LABEL_WIDTH + width + 6, y + _BAR_HEIGHT - 5, line.say(line.value(of)), size=12))
    return chart(_WIDTH, bottom + _AXIS_HEIGHT, "time to recovery", "".join(drawn))


def _legend() -> Iterator[str]:
    for place, (_, name, colour) in enumerate(_PERCENTILES):
        x = _LABEL_WIDTH + place * 70
        yield rectangle(x, 2, 12, 12, colour)
        yield text(x + 18, 13, name, size=12)
