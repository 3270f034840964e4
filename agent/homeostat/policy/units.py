"""Units that authors may put behind a number, and what they mean.

| unit | means | example |
|---|---|---|
| `%` | a fraction: divided by 100 | `5%` is 0.05 |
| `ms` | seconds / 1,000 | `50ms` is 0.05 |
| `s`, `m`, `h`, `d` | seconds, minutes, hours, days: all become seconds | `2h` is 7200, `15m` is 900 |
| `k`, `M`, `G` | thousand, million, billion | `3k` is 3000, `5M` is 5e6 |

Case tells them apart: `m` is minutes and `M` is million; there is no milli but in `ms`. Times compose from large to
small (`1m30s`), nothing else does.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

DURATION_MAX_S = 30 * 86400.0
"""No wait in a policy is longer than this."""

_SCALES: dict[str, tuple[float, float]] = {
    "": (1.0, 1.0),
    "%": (1.0, 100.0),
    "ms": (1.0, 1000.0),
    "s": (1.0, 1.0),
    "m": (60.0, 1.0),
    "h": (3600.0, 1.0),
    "d": (86400.0, 1.0),
    "k": (1e3, 1.0),
    "M": (1e6, 1.0),
    "G": (1e9, 1.0),
}
"""Unit -> (factor, divisor). Dividing keeps `57%` equal to 0.57, where multiplying by 0.01 would not."""

_TIME_UNITS = ("d", "h", "m", "s", "ms")
"""From large to small, the order in which they compose."""

UNITS = tuple(unit for unit in _SCALES if unit)

DURATION_PATTERN = r"(?=.)(\d+(\.\d+)?d)?(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?(\d+(\.\d+)?ms)?"
"""The shape of a duration, as JSON Schema can say it; a bare `0` is also one."""

_PART_PATTERN = r"(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)(%|[A-Za-z_]*)"
_PART = re.compile(_PART_PATTERN, re.ASCII)
QUANTITY_PATTERN = rf"(?:{_PART_PATTERN})+"
"""What a scanner takes for one number with its units; `parse_quantity` says whether it is one."""

_DURATION = re.compile(DURATION_PATTERN, re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])", re.ASCII)
_DIGITS_MAX = 40
_WRITTEN_MAX = 20


def parse_duration(text: str) -> float:
    """Give the seconds of `30s`, `1m30s`, `500ms`, `0`.

    Raises:
        ValueError: it is not a duration, or longer than `DURATION_MAX_S`.
    """
    stripped = text.strip()
    if stripped == "0":
        return 0.0
    if len(stripped) > _DIGITS_MAX or _DURATION.fullmatch(stripped) is None:
        raise ValueError(f"'{text[:_DIGITS_MAX]}' is not a duration; write it like 30s, 5m, 2h, 1d, 1m30s or 500ms")
    seconds = math.fsum(_scaled(number, unit) for number, unit in _DURATION_PART.findall(stripped))
    if seconds > DURATION_MAX_S:
        raise ValueError(f"'{text}' is longer than {DURATION_MAX_S / 86400:g}d, the longest wait a policy may ask for")
    return seconds


def parse_quantity(text: str) -> float:
    """Give the value of a number with or without unit, as conditions write it: `5%`, `2h`, `1m30s`, `5M`, `7`.

    Raises:
        ValueError: it is not a number, its unit is unknown, or it is too large for a float.
    """
    if len(text) > _DIGITS_MAX:
        raise ValueError(f"a number has at most {_DIGITS_MAX} characters")
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"'{text}' is not a number")
    for _, unit in parts:
        if unit not in _SCALES:
            raise ValueError(f"'{unit}' is not a unit; the units are {' '.join(UNITS)} (m is minutes, M is million)")
    if len(parts) > 1:
        ranks = [_TIME_UNITS.index(unit) if unit in _TIME_UNITS else -1 for _, unit in parts]
        if -1 in ranks or ranks != sorted(set(ranks)):
            raise ValueError(f"'{text}' is not a number; only times compose, from large to small, like 1m30s")
    value = math.fsum(_scaled(number, unit) for number, unit in parts)
    if not math.isfinite(value):
        raise ValueError(f"'{text}' is too large")
    return value


def format_seconds(seconds: float) -> str:
    """Write seconds as people do: `90` is `1m30s`, `0.05` is `50ms`."""
    left_ms = round(seconds * 1000)
    if left_ms <= 0:
        return "0s"
    written = ""
    for unit, size_ms in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left_ms = divmod(left_ms, size_ms)
        if count:
            written += f"{count}{unit}"
    return written


def format_number(value: float) -> str:
    """Write a number as authors do, exactly and without an exponent: `20M`, `1.5M`, `12594`, `0.00005`.

    `parse_quantity` gives the same number back. Below a million no unit is written; a number whose digits would be too
    many to read keeps its exponent.
    """
    written = _written_out(value) if math.isfinite(value) else str(value)
    return written if len(written) <= _WRITTEN_MAX else repr(value)


def format_reading(value: float) -> str:
    """Write a measured number for people: four digits, more only before the point: `12594`, `0.2`, `20M`."""
    if not math.isfinite(value):
        return str(value)
    return format_number(float(round(value)) if abs(value) >= 1000 else float(f"{value:.4g}"))


def _written_out(value: float) -> str:
    for unit in ("G", "M"):
        written = f"{value / _SCALES[unit][0]:.3f}".rstrip("0").rstrip(".")
        if abs(value) >= _SCALES[unit][0] and float(written) * _SCALES[unit][0] == value:
            return f"{written}{unit}"
    return f"{Decimal(repr(float(value))).normalize():f}"


def _scaled(number: str, unit: str) -> float:
    factor, divisor = _SCALES[unit]
    return float(number) * factor / divisor
