"""How wide a text will be, without a font at hand; and how to break and shorten it."""

from __future__ import annotations

import re

_NARROW = frozenset("iIjl.,:;'|!()[]{}ft/\\`- ")
_WIDE = frozenset("mwMWO@%&<>=+~")
ELLIPSIS = "…"

_COMPARISON = re.compile(r" (<=|>=|==|!=|=|<|>|[-+*/]) ")
_WINDOW = re.compile(r"\b(for|within|if|not) ")


def kept_together(text: str) -> str:
    """Tie an operator to what is on both sides of it, and `for` to its duration, by spaces that do not break."""
    return _WINDOW.sub("\\1\u00a0", _COMPARISON.sub("\u00a0\\1\u00a0", text))


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Estimate a text's width in a sans-serif face of `size` pixels; a little more than most faces need.

    Classes of characters instead of a font's table: readers' faces differ by more than this errs (checked against
    Chromium with DejaVu Sans, the widest of the usual ones).
    """
    ems = sum(0.36 if char in _NARROW else 0.9 if char in _WIDE else _other(char) for char in text)
    return ems * size * (1.07 if bold else 1.0)


def _other(char: str) -> float:
    if ord(char) > 0x2E7F:  # CJK and emoji are square
        return 1.05
    return 0.72 if char.isupper() else 0.61


def wrapped(text: str, size: float, width_max: float, lines_max: int) -> list[str]:
    """Break a text at spaces into at most `lines_max` lines of about one length; the rest ends in an ellipsis."""
    lines = _filled(text, size, width_max)
    if len(lines) > lines_max:
        lines = [*lines[: lines_max - 1], " ".join(lines[lines_max - 1 :])]
    elif len(lines) > 1:
        narrower = width_max
        while len(fewer := _filled(text, size, narrower - 8)) == len(lines) and narrower > width_max / 2:
            lines, narrower = fewer, narrower - 8
    return [shortened(part, size, width_max) for part in lines]


def _filled(text: str, size: float, width_max: float) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in filter(None, kept_together(text).split(" ")):
        longer = f"{line} {word}" if line else word
        if width(longer, size) <= width_max or not line:
            line = longer
        else:
            lines.append(line)
            line = word
    lines.append(line)
    return lines


def shortened(text: str, size: float, width_max: float) -> str:
    """Cut a text to a width."""
    if width(text, size) <= width_max:
        return text
    while text and width(text + ELLIPSIS, size) > width_max:
        text = text[:-1]
    return text.rstrip() + ELLIPSIS
