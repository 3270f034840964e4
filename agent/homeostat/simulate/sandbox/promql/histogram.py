"""`histogram_quantile` over classic histograms (prometheus 2.42, promql/quantile.go)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from homeostat.simulate.sandbox.promql.arithmetic import INFINITY, NAN, divide
from homeostat.simulate.sandbox.promql.errors import NotSupported
from homeostat.simulate.sandbox.promql.evaluation import Evaluation, ScalarNode, Times, Vector, VectorNode
from homeostat.simulate.sandbox.promql.labels import METRIC_NAME, Labels, label_value, without_labels

_BOUND_LABELS = frozenset({"le", METRIC_NAME})
_NUMBER = re.compile(r"[+-]?(?:inf(?:inity)?|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)", re.IGNORECASE)

Bucket = tuple[float, float]
"""Upper bound (the label `le`) and cumulative count."""


@dataclass(frozen=True, slots=True)
class HistogramQuantile(VectorNode):
    """`histogram_quantile(rank, vector of buckets)`."""

    rank: ScalarNode
    buckets: VectorNode

    def _vectors(self, run: Evaluation, times: Times) -> list[Vector]:
        ranks = self.rank.scalars(run, times)
        return [self._step(rank, vector) for rank, vector in zip(ranks, self.buckets.vectors(run, times), strict=True)]

    def _step(self, rank: float, vector: Vector) -> Vector:
        histograms: dict[Labels, list[Bucket]] = {}
        for labels, count in vector:
            bound = label_value(labels, "le")
            if bound.lower() == "nan":
                raise NotSupported('a histogram bucket with le="NaN"')
            if _NUMBER.fullmatch(bound):
                histograms.setdefault(without_labels(labels, _BOUND_LABELS), []).append((float(bound), count))
        return [(labels, bucket_quantile(rank, buckets)) for labels, buckets in histograms.items()]


def bucket_quantile(rank: float, buckets: list[Bucket]) -> float:
    """The `rank`-quantile, interpolated within its bucket; NaN without a `+Inf` bucket, two buckets or observations."""
    if math.isnan(rank):
        return NAN
    if rank < 0 or rank > 1:
        return math.copysign(INFINITY, rank)
    merged = _cumulative(_coalesced(sorted(buckets, key=lambda bucket: bucket[0])))
    bounds, counts = [bound for bound, _ in merged], [count for _, count in merged]
    if bounds[-1] != INFINITY or len(merged) < 2 or counts[-1] == 0:
        return NAN
    wanted = rank * counts[-1]
    index = _first_reaching(counts[:-1], wanted)
    if index == len(merged) - 1:
        return bounds[-2]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    below_bound, below_count = merged[index - 1] if index > 0 else (0.0, 0.0)
    return below_bound + (bounds[index] - below_bound) * divide(wanted - below_count, counts[index] - below_count)


def _coalesced(buckets: list[Bucket]) -> list[Bucket]:
    """One bucket for each bound; `1` and `1.0` are the same."""
    merged = buckets[:1]
    for bound, count in buckets[1:]:
        if bound == merged[-1][0]:
            merged[-1] = (bound, merged[-1][1] + count)
        else:
            merged.append((bound, count))
    return merged


def _cumulative(buckets: list[Bucket]) -> list[Bucket]:
    """Counts that never go down: buckets are scraped and summed one by one and may be slightly apart. A NaN stays."""
    highest = buckets[0][1]
    rising = []
    for bound, count in buckets:
        if count > highest:
            highest = count
        elif count < highest:
            count = highest
        rising.append((bound, count))
    return rising


def _first_reaching(counts: list[float], wanted: float) -> int:
    """The first index whose count is at least `wanted`, by binary search; len(counts) when there is none."""
    low, high = 0, len(counts)
    while low < high:
        middle = (low + high) // 2
        if counts[middle] >= wanted:
            high = middle
        else:
            low = middle + 1
    return low
