"""Sensitivities as one HTML page: a table, and a tornado plot with the longest bar on top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from homeostat.policy.units import format_seconds
from homeostat.simulate.bench.sensitivity import STEP, Effect, Factor
from homeostat.simulate.page import chart, page, rectangle, text

_WIDTH, _LABEL_WIDTH, _ROW_HEIGHT, _EDGE_WIDTH = 900, 300, 26, 80
_LESS, _MORE = "#54aeff", "#bc4c00"


def tornado_html(
    title: str, factors: Sequence[Factor], rows: Sequence[Mapping[str, str]], what_if: Sequence[str]
) -> str:
    """Render factors, the widest swing first, their table as `rows` of cells by column, and sentences on what-ifs."""
    columns = list(rows[0]) if rows else []
    heads = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = "".join("<tr>" + "".join(f"<td>{escape(row[column])}</td>" for column in columns) + "</tr>" for row in rows)
    told = "".join(f"<p>{escape(sentence)}</p>" for sentence in what_if)
    return page(
        title,
        f"<p>Numbers are <em>simulated</em>: the same incidents with the same luck, one thing"
        f" changed by {STEP:.0%} at a time. Intervals: 95%, paired bootstrap.</p>{told}"
        f"<div class=wide><table class=many><tr>{heads}</tr>{lines}</table></div>"
        f"<h2>Change of the time to recovery</h2>{_bars(factors)}",
    )


def _bars(factors: Sequence[Factor]) -> str:
    shown = [factor for factor in factors if factor.swing_s > 0.0]
    ends = [abs(end) for factor in shown for end in _ends(factor)]
    scale = (_WIDTH - _LABEL_WIDTH - 2 * _EDGE_WIDTH) / 2.0 / max(ends, default=1.0)
    middle = _LABEL_WIDTH + (_WIDTH - _LABEL_WIDTH) / 2.0
    height = (len(shown) + 1) * _ROW_HEIGHT
    drawn = [
        rectangle(_LABEL_WIDTH, 4, 12, 12, _LESS),
        text(_LABEL_WIDTH + 18, 15, f"{STEP:.0%} less", size=12),
        rectangle(_LABEL_WIDTH + 110, 4, 12, 12, _MORE),
        text(_LABEL_WIDTH + 128, 15, f"{STEP:.0%} more", size=12),
        f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="22" y2="{height}" stroke="currentColor"/>',
    ]
    for row, factor in enumerate(shown, start=1):
        top = row * _ROW_HEIGHT
        drawn.append(text(0, top + 17, f"{factor.name} ({factor.kind})"))
        drawn += [part for bar in _row(factor, top, middle, scale) for part in bar]
    return chart(_WIDTH, height + 6, "tornado of the time to recovery", "".join(drawn))


def _row(factor: Factor, top: float, middle: float, scale: float) -> Iterator[tuple[str, ...]]:
    for effect, colour in ((factor.less, _LESS), (factor.more, _MORE)):
        yield tuple(_bar(effect, colour, top, middle, scale))


def _bar(effect: Effect, colour: str, top: float, middle: float, scale: float) -> Iterator[str]:
    """A bar from the middle, its interval as a whisker, and its seconds at its end."""
    by_s = effect.difference_s or 0.0
    if not by_s:
        return
    low, high = (middle + (end or 0.0) * scale for end in (effect.low_s, effect.high_s))
    low, high = max(low, _LABEL_WIDTH), min(high, _WIDTH)
    yield rectangle(min(middle, middle + by_s * scale), top + 3, abs(by_s) * scale, _ROW_HEIGHT - 8, colour)
    yield f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{top + 12}" y2="{top + 12}" stroke="currentColor"/>'
    said = f"{'+' if by_s > 0 else '-'}{format_seconds(round(abs(by_s)))}"
    end = max(high, middle) + 4 if by_s > 0 else min(low, middle) - 4
    yield text(end, top + 16, said, size=12, anchor="start" if by_s > 0 else "end")


def _ends(factor: Factor) -> tuple[float, ...]:
    return tuple(end or 0.0 for effect in (factor.less, factor.more) for end in (effect.low_s, effect.high_s))
