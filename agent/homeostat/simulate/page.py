"""One HTML page that needs nothing else, no script, no font, no address, and the shapes its charts are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from homeostat.policy.units import format_seconds

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24;background:#fff;
color-scheme:light dark}
h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin-top:2rem}
.lead{font-size:1.1rem;border-left:4px solid #0969da;padding-left:.8rem;overflow-wrap:anywhere}
.wide{overflow-x:auto}.wide svg{width:100%;min-width:40rem;height:auto}
table{border-collapse:collapse;width:100%}table.many{min-width:52rem}
th,td{padding:.35rem .7rem;border-bottom:1px solid #d8dee4;text-align:right}
th:first-child,td:first-child{text-align:left}td.s,th.s{color:#57606a;text-align:left}
td.t{text-align:left;vertical-align:top;white-space:pre-line;min-width:3.5rem;max-width:34rem;overflow-wrap:break-word}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td{border-color:#30363d}
td.s,th.s{color:#9da7b1}}
@media print{table.many{min-width:0}body{color:#000;background:#fff;max-width:none;margin:0}tr,svg{break-inside:avoid}
h2{break-after:avoid}.wide{overflow:visible}}
"""
_SOURCES = "default-src 'none'; style-src 'unsafe-inline'"
"""A content security policy: should markup ever get in after all, it can neither run nor fetch anything."""

_COLUMNS_FEW = 4
"""A table of more scrolls where the page is narrow, since a word a line is no table."""

_TICKS_MAX = 6
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


def page(title: str, body: str) -> str:
    """A whole page; `body` is markup already."""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f'<meta http-equiv=Content-Security-Policy content="{_SOURCES}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{body}</html>\n"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Words in rows, all escaped; without `heads` there is no head."""
    head = "".join(f"<th class=s>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td class=t>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    kind = " class=many" if len(heads) > _COLUMNS_FEW else ""
    return f"<div class=wide><table{kind}>{f'<tr>{head}</tr>' if heads else ''}{body}</table></div>"


def chart(width: float, height: float, label: str, shapes: str) -> str:
    """An SVG that is as wide as the page; where that is too narrow to read it, it scrolls."""
    box = f'viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}"'
    return f"<div class=wide><svg {box}>{shapes}</svg></div>"


def time_axis(longest_s: float, scale: float, left: float, top: float, bottom: float) -> Iterator[str]:
    """Upright lines at round times, each with its time below; at most `_TICKS_MAX` after 0.

    Args:
        longest_s: the last time that is shown.
        scale: of a second, in the chart's units, and so are the others.
        left: where time is 0.
        top: where the lines begin.
        bottom: where they end.
    """
    step_s = next((step for step in _STEPS_S if longest_s / step <= _TICKS_MAX), longest_s / _TICKS_MAX)
    for number in range(int(longest_s / step_s) + 1):
        x = left + number * step_s * scale
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" stroke="currentColor" stroke-opacity="0.2"/>'
        yield text(x, bottom + 16, format_seconds(number * step_s), size=12, anchor="middle")


def rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    """A filled one."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:.1f}" height="{height:g}" fill="{colour}"/>'


def text(x: float, y: float, words: str, *, size: int = 15, anchor: str = "start") -> str:
    """Words in the page's own colour."""
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} fill="currentColor">{escape(words)}</text>'
