"""Random samples, the same for the sandbox and for a real Prometheus."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator

from homeostat.simulate.sandbox.promql.arithmetic import format_value
from homeostat.simulate.sandbox.store import SampleStore

START_S = 1_700_000_000
LENGTH_S = 3_000
END_S = START_S + LENGTH_S

STALE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]

Labels = dict[str, str]
Series = tuple[str, Labels, list[tuple[float, float]]]


def random_series(seed: int) -> list[Series]:
    """Counters with resets, gauges with NaN and infinities, buckets, constants; irregular, with gaps."""
    chance = random.Random(seed)
    made: list[Series] = []
    for job in ("api", "auth", "db"):
        made += [
            ("requests_total", {"job": job, "code": code}, list(_counter(chance))) for code in ("200", "500", "503")
        ]
        made.append(("up", {"job": job, "instance": f"{job}:80"}, list(_flags(chance))))
        made.append(("pool_size", {"job": job}, list(_constant(chance, chance.choice([5.0, 10.0, 20.0])))))
        made.append(("build_info", {"job": job, "version": f"1.{job}"}, list(_constant(chance, 1.0))))
    for instance in ("a", "b", "c", "d", "e"):
        labels = {"instance": instance, "zone": "east" if instance < "c" else "west"}
        made.append(("load", labels, list(_gauge(chance, odd=False))))
        made.append(("odd_gauge", labels, list(_gauge(chance, odd=True))))
        made.append(("small", {**labels, "Upper": "x"}, list(_whole_numbers(chance))))
    for job in ("api", "auth"):
        made += _histogram(chance, job)
    made.append(("plain", {}, list(_gauge(chance, odd=False))))
    made.append(("ends_early", {"job": "api"}, list(_gauge(chance, odd=False))[:60]))
    made.append(
        ("starts_late", {"job": "api", "note": 'a "quoted" \\ back\nslash'}, list(_gauge(chance, odd=False))[-60:])
    )
    return made


def _times(chance: random.Random, interval_s: float = 5.0) -> Iterator[float]:
    at = START_S + chance.randrange(0, 5000) / 1000
    regular = chance.random() < 0.4
    while at < END_S:
        yield round(at, 3)
        at += interval_s if regular else interval_s * chance.uniform(0.7, 1.3)
        if chance.random() < 0.004:
            at += chance.choice([20.0, 90.0, 400.0])


def _counter(chance: random.Random) -> Iterator[tuple[float, float]]:
    total = chance.choice([0.0, 3.0, 1e6])
    speed = chance.choice([0.0, 0.3, 20.0, 1e5])
    for at in _times(chance):
        total = 0.0 if chance.random() < 0.01 else total + chance.randrange(0, 10) * speed
        yield at, total


def _gauge(chance: random.Random, *, odd: bool) -> Iterator[tuple[float, float]]:
    level = chance.uniform(-50, 50)
    for at in _times(chance):
        level += chance.gauss(0, 3)
        special = chance.random()
        if odd and special < 0.25:
            yield at, chance.choice([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-9, 1e300, -1e22])
        else:
            yield at, level


def _whole_numbers(chance: random.Random) -> Iterator[tuple[float, float]]:
    for at in _times(chance):
        yield at, float(chance.randrange(-2, 4))


def _flags(chance: random.Random) -> Iterator[tuple[float, float]]:
    for at in _times(chance):
        yield at, float(chance.random() < 0.8)


def _constant(chance: random.Random, value: float) -> Iterator[tuple[float, float]]:
    for at in _times(chance):
        yield at, value


def _histogram(chance: random.Random, job: str) -> list[Series]:
    bounds = ["0.05", "0.1", "0.5", "1", "2.5", "+Inf"]
    points: dict[str, list[tuple[float, float]]] = {bound: [] for bound in bounds}
    counts = dict.fromkeys(bounds, 0.0)
    for at in _times(chance):
        for _ in range(chance.randrange(0, 6)):
            seconds = chance.expovariate(3)
            for bound in bounds:
                counts[bound] += seconds <= float(bound)
        for bound in bounds:
            points[bound].append((at, counts[bound]))
    return [("latency_bucket", {"job": job, "le": bound}, points[bound]) for bound in bounds]


def stale_series(seed: int) -> list[Series]:
    """Series that end in a staleness marker, now and then, and come back."""
    chance = random.Random(seed)
    made: list[Series] = []
    for job in ("api", "auth", "db"):
        points = []
        alive = True
        for at, total in _counter(chance):
            if chance.random() < 0.03:
                if alive:
                    points.append((at, STALE))
                alive = not alive
            elif alive:
                points.append((at, math.nan if chance.random() < 0.02 else total))
        made.append(("requests_total", {"job": job}, points))
        made.append(("up", {"job": job}, list(_flags(chance))))
    return made


def fill(store: SampleStore, series: list[Series]) -> None:
    """Append everything to a store."""
    for metric, labels, points in series:
        for at, value in points:
            store.append(metric, labels, at, value)


def openmetrics(series: list[Series]) -> str:
    """Write everything as OpenMetrics text with timestamps."""
    lines = []
    families: dict[str, list[Series]] = {}
    for each in series:
        families.setdefault(each[0], []).append(each)
    for metric, members in families.items():
        lines.append(f"# TYPE {metric} unknown")
        for _, labels, points in members:
            inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
            lines += [f"{metric}{{{inside}}} {format_value(value)} {at:.3f}" for at, value in points]
    return "\n".join([*lines, "# EOF", ""])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
