"""Half an hour of samples of a small shop, as OpenMetrics text that a real Prometheus can be loaded with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

END = 1_700_000_400.0
"""Unix seconds of the last sample."""

STEP_S = 15
STEPS = 120

DEAD_SINCE_S = 200
"""`dead_gauge` had its last sample so long before `END`: within the look-back, so that it still answers."""

GONE_SINCE_S = 400
"""`gone_gauge` had its last sample so long before `END`: beyond the look-back."""

_Wave = Callable[[int], float]


def openmetrics() -> str:
    """Give the whole text, `# EOF` included."""
    lines: list[str] = []
    for family, kind, series in _families():
        lines.append(f"# TYPE {family} {kind}")
        for name, wave, until_s in series:
            for step in range(STEPS + 1):
                before_end_s = (STEPS - step) * STEP_S
                if before_end_s >= until_s:
                    value = wave(step)
                    text = "NaN" if math.isnan(value) else repr(value)
                    lines.append(f"{name} {text} {END - before_end_s:.3f}")
    return "\n".join([*lines, "# EOF", ""])


def _families() -> Iterator[tuple[str, str, list[tuple[str, _Wave, float]]]]:
    requests: list[tuple[str, _Wave, float]] = []
    for place, (code, pod) in enumerate([("200", "a"), ("200", "b"), ("500", "a"), ("500", "b"), ("404", "a")]):
        requests.append((f'http_requests_total{{code="{code}",pod="{pod}"}}', _counter(place + 1), 0))
    yield "http_requests", "counter", requests
    buckets: list[tuple[str, _Wave, float]] = []
    for place, bound in enumerate(["0.1", "0.5", "1.0", "+Inf"]):
        buckets.append((f'latency_seconds_bucket{{le="{bound}"}}', _counter(place + 1), 0))
    yield "latency_seconds", "histogram", buckets
    yield (
        "queue_depth",
        "gauge",
        [
            ('queue_depth{queue="in",odd="a\\"b\\\\c"}', _sine(10, 7), 0),
            ('queue_depth{queue="out"}', _sine(3, 11), 0),
        ],
    )
    yield "temperature", "gauge", [('temperature{room="x"}', _sine(20, 5), 0)]
    yield "answer", "gauge", [("answer", lambda _: 42.0, 0)]
    yield "not_a_number", "gauge", [("not_a_number", lambda _: math.nan, 0)]
    yield "build_info", "gauge", [('build_info{version="1.4.2"}', lambda _: 1.0, 0)]
    yield (
        "breaker",
        "gauge",
        [
            ('breaker{state="open"}', lambda _: 0.0, 0),
            ('breaker{state="closed"}', lambda _: 1.0, 0),
        ],
    )
    yield "dead_gauge", "gauge", [("dead_gauge", lambda _: 5.0, DEAD_SINCE_S)]
    yield "gone_gauge", "gauge", [("gone_gauge", lambda _: 5.0, GONE_SINCE_S)]


def _counter(rate: int) -> _Wave:
    return lambda step: float(rate * step * step % 5000 + rate * step)


def _sine(height: float, period: int) -> _Wave:
    return lambda step: round(height + height * math.sin(step / period), 6)
