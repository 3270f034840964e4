"""The decision matrix as one HTML page that needs nothing else: no script, no font, no address."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from homeostat.simulate.bench.measures import LINES, SIMULATED, Measures

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24;background:#fff}
table{border-collapse:collapse;width:100%}th,td{padding:.35rem .7rem;border-bottom:1px solid #d8dee4;text-align:right}
th:first-child,td:first-child{text-align:left}td.s{color:#57606a;text-align:left}svg{width:100%;height:auto}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td{border-color:#30363d}}
"""
_BAR_HEIGHT = 22
_LABEL_WIDTH = 260
_WIDTH = 900
_COLOURS = (("mttr_p50_s", "#0969da"), ("mttr_p90_s", "#54aeff"), ("mttr_p99_s", "#b6e3ff"))


def matrix_html(title: str, measures: Sequence[Measures]) -> str:
    """Render the matrix of policies that were compared."""
    heads = "".join(f"<th>{escape(of.policy)}</th>" for of in measures)
    rows = "".join(
        f"<tr><td>{escape(line.label)}</td><td class=s>{line.source}</td>"
        + "".join(f"<td>{escape(line.say(line.value(of)))}</td>" for of in measures)
        + "</tr>"
        for line in LINES
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(title)}</h1>"
        f"<p>Numbers marked <em>{SIMULATED}</em> say how the policies compare under the world's assumptions, not how"
        " production will go. Every policy met the same incidents and the same luck.</p>"
        f"<table><tr><th>measure</th><th></th>{heads}</tr>{rows}</table>"
        f"<h2>Time to recovery ({SIMULATED}): p50, p90, p99</h2>{_bars(measures)}</html>\n"
    )


def _bars(measures: Sequence[Measures]) -> str:
    longest_s = max((of.mttr_p99_s or 0.0 for of in measures), default=0.0) or 1.0
    scale = (_WIDTH - _LABEL_WIDTH - 90) / longest_s
    drawn = []
    for row, of in enumerate(measures):
        top = row * (_BAR_HEIGHT + 10)
        drawn.append(f'<text x="0" y="{top + 16}" fill="currentColor">{escape(of.policy)}</text>')
        for key, colour in reversed(_COLOURS):
            width = (getattr(of, key) or 0.0) * scale
            drawn.append(
                f'<rect x="{_LABEL_WIDTH}" y="{top}" width="{width:.1f}" height="{_BAR_HEIGHT}" fill="{colour}"/>'
            )
        end = _LABEL_WIDTH + (of.mttr_p99_s or 0.0) * scale + 8
        p50 = next(line for line in LINES if line.key == "mttr_p50_s")
        drawn.append(f'<text x="{end:.1f}" y="{top + 16}" fill="currentColor">{p50.say(of.mttr_p50_s)}</text>')
    height = len(measures) * (_BAR_HEIGHT + 10)
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="time to recovery">{"".join(drawn)}</svg>'
